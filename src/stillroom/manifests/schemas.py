"""The JSON Schemas of a release of Kubernetes (kubernetes-validate, the extra `validate`), and of two kinds beside them.

The schemas know types and keys, and nothing of what a text says. So what holds for the neutral form of a document (see
`meaning`) holds for all that have its structure, and each structure is held against them once.
"""

from __future__ import annotations

import dataclasses
import functools
import re
from collections.abc import Mapping
from typing import Any

from stillroom import errors
from stillroom.manifests import meaning
from stillroom.manifests.problems import Problem

__all__ = ["Schemas", "choose", "releases"]

_INSTALL = "pip install 'stillroom[validate]'"
_RELEASE = re.compile(r"v?(\d+)\.(\d+)(?:\.\d+)?")


def releases() -> list[str]:
    """The releases whose schemas are installed (`1.33`), oldest first; none without the extra `validate`."""
    try:
        import kubernetes_validate
    except ImportError:
        return []
    return [".".join(each.split(".")[:2]) for each in kubernetes_validate.utils.all_versions()]


def choose(wanted: str | None, *, needed: bool) -> Schemas | None:
    """The schemas of a release; the newest where none is wanted; None where none are installed, nor wanted.

    Args:
        wanted: `1.33`.
        needed: whether it is an error that none are installed.

    Raises:
        errors.UsageError: they are wanted or needed, and are not there.
    """
    there = releases()
    if not there:
        if wanted is None and not needed:
            return None
        raise errors.UsageError("the schemas of Kubernetes are not installed", _INSTALL)
    if wanted is None:
        return _of(there[-1])
    match = _RELEASE.fullmatch(wanted)
    release = f"{match[1]}.{match[2]}" if match else wanted
    if release not in there:
        raise errors.UsageError(
            f"--kubernetes-version {wanted}: there are no schemas of that release", f"there are: {', '.join(there)}"
        )
    return _of(release)


@functools.cache
def _of(release: str) -> Schemas:
    """One for the whole process, so that what is known to be good is known to all renderings."""
    return Schemas(release)


@dataclasses.dataclass
class Schemas:
    """The schemas of one release.

    Attributes:
        version: of the release: `1.33`.
    """

    version: str
    _good: set[str] = dataclasses.field(default_factory=set)

    def problems(
        self, neutral: list[Any], documents: list[Any], template: str, where: str, *, patch: bool
    ) -> list[Problem]:
        """What the schemas say against documents: `schema-broken`, `kind-unknown`.

        Args:
            neutral: the same with neutral words, for what is known already.
            documents: as they are.
            template: where they come from.
            where: whose they are, for messages.
            patch: whether they are parts of objects: what has to be there is not asked for.
        """
        found = []
        for plain, body in zip(neutral, documents, strict=True):
            key = meaning.canonical(_kinds(plain))
            if key in self._good or not isinstance(body, dict):
                continue
            checked = _completed(body) if patch else body
            problem = self._problem(checked, template, where)
            if problem is not None:
                found.append(problem)
            elif self._problem(_completed(plain) if patch else plain, template, where) is None:
                self._good.add(key)
        return found

    def _problem(self, body: Mapping[str, Any], template: str, where: str) -> Problem | None:
        at = f"{where}: {template}"
        kind, api = body.get("kind"), body.get("apiVersion")
        if not isinstance(kind, str) or not isinstance(api, str):
            return None  # told elsewhere
        own = _OWN.get((api, kind))
        try:
            text = _ours(body, own) if own is not None else self._theirs(body)
        except LookupError:
            return Problem(
                "kind-unknown",
                at,
                f"Kubernetes {self.version} has no {kind} of {api}",
                "correct apiVersion and kind, or choose the release that has it: --kubernetes-version",
            )
        if text is None:
            return None
        return Problem(
            "schema-broken",
            at,
            f"{kind} is not as Kubernetes {self.version} has it: {text}",
            "correct the template, or what services.yaml says there",
        )

    def _theirs(self, body: Mapping[str, Any]) -> str | None:
        import kubernetes_validate

        try:
            kubernetes_validate.validate(dict(body), self.version, strict=True)
        except kubernetes_validate.SchemaNotFoundError as error:
            raise LookupError(str(error)) from error
        except kubernetes_validate.ValidationError as error:
            return _told(error)
        return None


def _kinds(value: Any, key: str = "") -> Any:
    """The structure: keys, and the type of each value; what kind of object it is, as it is."""
    if isinstance(value, dict):
        return {name: _kinds(each, name) for name, each in value.items()}
    if isinstance(value, list):
        return [_kinds(each) for each in value]
    return value if isinstance(value, str | bool) else 0 if isinstance(value, int | float) else value


def _completed(body: Any) -> Any:
    """A patch with what a whole Deployment has to have."""
    if not isinstance(body, dict) or not isinstance(body.get("spec"), dict):
        return body
    return {**body, "spec": {"selector": {"matchLabels": {"app": "x"}}, **body["spec"]}}


def _ours(body: Mapping[str, Any], schema: Mapping[str, Any]) -> str | None:
    import jsonschema  # comes with the extra

    error = next(jsonschema.Draft202012Validator(schema).iter_errors(body), None)
    return None if error is None else _told(error)


def _told(error: Any) -> str:
    return f"{'.'.join(map(str, error.absolute_path)) or 'the whole'}: {error.message[:300]}"


def _mapping(required: Mapping[str, Any], optional: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {**required, **optional},
        "required": list(required),
        "additionalProperties": False,
    }


def _list(items: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": items, "minItems": 1}


_TEXT = {"type": "string"}
_TEXTS = {"type": "object", "additionalProperties": _TEXT}
_METADATA = _mapping({"name": _TEXT}, {"namespace": _TEXT, "labels": _TEXTS, "annotations": _TEXTS})
_ENDPOINT = _mapping({"port": _TEXT}, dict.fromkeys(("path", "interval", "scheme", "scrapeTimeout"), _TEXT))
_RULE = _mapping({"alert": _TEXT, "expr": _TEXT}, {"for": _TEXT, "labels": _TEXTS, "annotations": _TEXTS})
_MONITOR = _mapping(
    {"selector": _mapping({"matchLabels": _TEXTS}, {}), "endpoints": _list(_ENDPOINT)},
    {
        "jobLabel": _TEXT,
        "targetLabels": _list(_TEXT),
        "namespaceSelector": _mapping({}, {"matchNames": _list(_TEXT)}),
    },
)
_RULES = _mapping({"groups": _list(_mapping({"name": _TEXT, "rules": _list(_RULE)}, {"interval": _TEXT}))}, {})


def _custom(spec: Mapping[str, Any]) -> dict[str, Any]:
    return _mapping({"apiVersion": _TEXT, "kind": _TEXT, "metadata": _METADATA, "spec": spec}, {})


_OWN = {
    ("monitoring.coreos.com/v1", "ServiceMonitor"): _custom(_MONITOR),
    ("monitoring.coreos.com/v1", "PrometheusRule"): _custom(_RULES),
}
"""Kinds of Prometheus' operator, as far as we write them: their schemas come with its custom resources, not Kubernetes."""
