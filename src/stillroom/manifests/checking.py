"""What schemas can't tell: names, labels, references, secrets, limits; of services before, of objects afterwards."""

from __future__ import annotations

import base64
import binascii
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from stillroom.manifests import containers, naming, profiles, restricted, secrecy, words
from stillroom.manifests.objects import Object
from stillroom.manifests.problems import Problem
from stillroom.registry import model

if TYPE_CHECKING:
    from stillroom.manifests.contexts import Contexts

__all__ = ["CONFIG_MAP_LIMIT", "before", "is_object", "notes", "objects", "shape", "times"]

CONFIG_MAP_LIMIT = 1024 * 1024
"""Bytes of data that Kubernetes takes in a ConfigMap (and Helm, in the Secret of a release, after compressing)."""

_HELM_LIMIT = 700 * 1024
_ANNOTATIONS_LIMIT = 256 * 1024
_LONGEST_JOB = 63  # its name becomes a label of its pods
# What only the registry knows and a command line can't be told.
_UNTOLD = (
    "url",
    "script_location",
    "version_locations",
    "recursive_version_locations",
    "prepend_sys_path",
    "setup",
    "bootstrap",
    "env_file",
)


def before(services: Sequence[model.Service], profile: str, carried: bytes | None) -> list[Problem]:
    """What is wrong with services before anything is rendered: `image-missing`, `not-in-a-job`, `label-reserved`,
    `too-large`."""
    found = []
    for each in services:
        if not each.image:
            text = "its image is not said"
            mend = 'say it in services.yaml, `image: "registry.example/shop/{name}:1.4.2"`, under defaults or an environment'
            found.append(Problem("image-missing", each.name, text, mend))
        untold = [name for name in _UNTOLD if getattr(each, name) is not None]
        untold += ["run_in"] if each.run_in != "main" else []
        if untold:
            text = f"a Job runs `python -m stillroom.runtime migrate`, which can't be told {', '.join(untold)}"
            mend = "say it in the image's alembic.ini, or let the service migrate through its pods (invoke apply)"
            found.append(Problem("not-in-a-job", each.name, text, mend))
        for key in (*each.labels, *each.annotations):
            if naming.reserved(key):
                text = f"{key} is stillroom's own to say"
                found.append(Problem("label-reserved", each.name, text, "leave it out of labels and annotations"))
    limit = _HELM_LIMIT if profile == "helm" else CONFIG_MAP_LIMIT
    if carried is not None and len(carried) > limit:
        text = f"the runtime has {len(carried):,} bytes, and at most {limit:,} fit"
        found.append(Problem("too-large", "carry_runtime", text, "install stillroom in the images instead"))
    return found


def is_object(body: Any) -> bool:
    """Whether a document is an object with a kind and a name."""
    return (
        isinstance(body, dict)
        and isinstance(body.get("apiVersion"), str)
        and isinstance(body.get("kind"), str)
        and isinstance(body.get("metadata"), dict)
        and isinstance(body["metadata"].get("name"), str)
    )


def shape(documents: Sequence[Any], template: str, where: str) -> list[Problem]:
    """Whether a template gave objects: `no-object`."""
    at = f"{where}: {template}"
    mend = "each document of a template has apiVersion, kind and metadata.name"
    if not documents:
        return [Problem("no-object", at, "it gives no object", mend)]
    return [Problem("no-object", at, "a document is no object", mend) for each in documents if not is_object(each)]


def objects(found: Sequence[Object], services: Sequence[model.Service], profile: str) -> list[Problem]:
    """What is wrong with objects, each by itself and all together."""
    problems: list[Problem] = []
    for each in found:
        problems += _metadata(each)
        problems += _data(each)
        spec = containers.pod_spec(each.body)
        if spec is not None:
            problems += containers.problems(each, spec)
            if not each.patch:
                problems += _restricted(each, spec)
    problems += _twice(found)
    problems += _references(found, services, profile)
    return problems


def times(each: Object, budget: int, wait: float) -> Iterator[Problem]:
    """Whether a template kept to the times that were reckoned: `deadline-too-short`, `startup-too-short`.

    Args:
        each: a Job, or a Deployment's patch.
        budget: seconds that the Job's waits and retries may take.
        wait: seconds that verifying may take.
    """
    spec = containers.pod_spec(each.body) or {}
    if each.kind == "Job":
        deadline = each.body["spec"].get("activeDeadlineSeconds")
        if isinstance(deadline, int) and deadline <= budget:
            text = f"activeDeadlineSeconds is {deadline}, and waits and retries alone may take {budget} s"
            yield Problem("deadline-too-short", each.label, text, "print `deadline | tojson` there")
    for container in spec.get("containers") or () if each.patch else ():
        probe = container.get("startupProbe") or {}
        lasts = probe.get("periodSeconds", 10) * probe.get("failureThreshold", 3)
        if probe and lasts <= wait:
            text = f"the startupProbe gives up after {lasts} s, and verifying may take {wait:g} s"
            yield Problem("startup-too-short", each.label, text, "print `probe.period` and `probe.failures` there")


def notes(services: Sequence[model.Service], contexts: Contexts) -> list[str]:
    """What is well and worth a word: images that may change while their name does not."""
    loose = [each.name for each in services if _is_loose(contexts.image(each))]
    if not loose:
        return []
    shown = ", ".join(loose[:5]) + (f" and {len(loose) - 5} more" if len(loose) > 5 else "")
    return [
        f"images without a fixed version ({shown}): a Job whose text is the same is not run again, whatever is in the "
        "image; name a tag that never moves, or a digest (--tag)"
    ]


def _is_loose(image: str) -> bool:
    tag = image.rpartition("/")[2].partition(":")[2]
    return "@" not in image and tag in ("", "latest")


def _metadata(each: Object) -> Iterator[Problem]:
    metadata = each.body["metadata"]
    wrong = words.subdomain(each.name)
    if wrong is None and each.kind == "Job" and len(each.name) > _LONGEST_JOB:
        wrong = f"{len(each.name)} characters; a Job's name becomes a label, at most {_LONGEST_JOB} are allowed"
    if wrong:
        yield Problem("name-wrong", each.label, f"its name is refused: {wrong}", "correct it in services.yaml")
    if each.namespace is not None and words.label(str(each.namespace)):
        yield Problem(
            "name-wrong", each.label, f"namespace {each.namespace!r} is refused", "correct it in services.yaml"
        )
    for where, labels in _labels(each.body):
        for key, value in labels.items():
            problem = words.key(key) or words.value(value)
            if problem:
                yield Problem(
                    "label-wrong", each.label, f"{where} {key!r}: {problem}", "correct `labels` in services.yaml"
                )
    for key, value in (metadata.get("annotations") or {}).items():
        problem = words.key(key) or (None if isinstance(value, str) else "its value is no text")
        if problem:
            mend = "correct `annotations` in services.yaml"
            yield Problem("label-wrong", each.label, f"annotation {key!r}: {problem}", mend)
    size = sum(len(f"{key}{value}".encode()) for key, value in (metadata.get("annotations") or {}).items())
    if size > _ANNOTATIONS_LIMIT:
        yield Problem("too-large", each.label, f"annotations of {size:,} bytes", f"at most {_ANNOTATIONS_LIMIT:,} fit")


def _labels(body: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    yield "label", body["metadata"].get("labels") or {}
    spec = body.get("spec")
    template = spec.get("template") if isinstance(spec, dict) else None
    metadata = template.get("metadata") if isinstance(template, dict) else None
    yield "label of the pod", (metadata.get("labels") if isinstance(metadata, dict) else None) or {}


def _data(each: Object) -> Iterator[Problem]:
    """A ConfigMap: texts, no secrets, not too large."""
    if each.kind != "ConfigMap":
        return
    texts, binary = each.body.get("data") or {}, each.body.get("binaryData") or {}
    for key, value in texts.items():
        if not isinstance(value, str):
            mend = "values of a ConfigMap are texts: print them through `| tojson`"
            yield Problem("not-a-text", each.label, f"{key} is {value!r}, which is no text", mend)
        elif secrecy.looks_secret(str(key), value):
            mend = "put it into a Secret, and refer to that; nothing secret belongs into a ConfigMap"
            yield Problem("secret-in-the-open", each.label, f"{key} looks like a secret", mend)
    size = sum(len(str(value).encode()) for value in texts.values())
    try:
        size += sum(len(base64.b64decode(str(value), validate=True)) for value in binary.values())
    except binascii.Error:
        yield Problem("not-a-text", each.label, "binaryData is not base64", "print it as it is given")
    if size > CONFIG_MAP_LIMIT:
        yield Problem("too-large", each.label, f"{size:,} bytes of data", f"at most {CONFIG_MAP_LIMIT:,} fit")


def _restricted(each: Object, spec: Mapping[str, Any]) -> Iterator[Problem]:
    for violation in restricted.violations(spec):
        yield Problem(
            "not-restricted",
            each.label,
            f"the Pod Security level `restricted` forbids: {violation}",
            "correct the template, as templates/migration-job.yaml.j2 of stillroom has it",
        )


def _twice(found: Sequence[Object]) -> Iterator[Problem]:
    seen = Counter((each.namespace, each.kind, each.name, each.patch) for each in found)
    for (namespace, kind, name, _), count in seen.items():
        if count > 1:
            at = f"{kind} {name}" + (f" in {namespace}" if namespace else "")
            mend = "each service has its own: correct `workload`, or the template's names"
            yield Problem("object-twice", at, f"it is rendered {count} times", mend)


def _references(found: Sequence[Object], services: Sequence[model.Service], profile: str) -> Iterator[Problem]:
    """What objects refer to is rendered as well, or declared to be there."""
    there = {(each.namespace, each.kind, each.name) for each in found if not each.patch}
    declared = {(each.namespace, *one) for each in services for one in _declared(each)}
    used: dict[tuple[str | None, str, str], list[Object]] = {}
    for each in found:
        for kind, name in sorted(set(containers.references(each.body))):
            place = (each.namespace, kind, name)
            used.setdefault(place, []).append(each)
            if place not in there and place not in declared and kind != "Secret":
                mend = "correct the template, or declare it in services.yaml (service_account, startup.config_maps)"
                yield Problem("reference-broken", each.label, f"it refers to {kind} {name}, which is nowhere", mend)
    if profile == "helm":
        yield from profiles.hook_problems(found, used)


def _declared(service: model.Service) -> Iterator[tuple[str, str]]:
    if service.service_account is not None:
        yield "ServiceAccount", service.service_account
    for name in (service.startup or {}).get("config_maps", ()):
        yield "ConfigMap", name
