"""The shape of a document, checked: the models of `shape`, and every deviation told in words of the file.

After a deviation its key is left out and validation goes on, so that one wrong type does not hide what is wrong behind
it. What was left out is remembered (`Checked.unsaid`), so that later checks do not blame what only follows from it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import pydantic

from stillroom.registry import formats, manifest_shape, placeholders, positions, shape
from stillroom.registry.mistakes import Mistake, dotted, guess, listed, shown, similar

__all__ = ["Checked", "check_shape"]

Path = tuple[str | int, ...]

_ROUNDS = 10
_KINDS: dict[str, type[shape.EnvironmentShape]] = {
    "local": shape.LocalEnvironment,
    "kubernetes": shape.KubernetesEnvironment,
    "ssh": shape.SshEnvironment,
}
_PARTS: dict[Path, type[pydantic.BaseModel]] = {
    ("url",): shape.UrlShape,
    ("url", "variables"): shape.UrlVariables,
    ("secret",): manifest_shape.SecretShape,
    ("resources",): manifest_shape.ResourcesShape,
    ("job",): manifest_shape.JobShape,
    ("startup",): manifest_shape.StartupShape,
    ("monitoring",): manifest_shape.MonitoringShape,
}
_NO_EMBEDDED = (
    "only an environment with target local can have its databases on the embedded server; elsewhere the service has "
    "its own URL variable: leave this out (`scratch: embedded` lets generation use the embedded server)"
)


@dataclasses.dataclass
class Checked:
    """A document whose shape was checked.

    Attributes:
        file: the models; None when the document is no mapping.
        mistakes: every deviation from the shape.
        unsaid: paths of what was wrong and left out.
    """

    file: shape.FileShape | None
    mistakes: list[Mistake]
    unsaid: set[Path]


def check_shape(document: positions.Document) -> Checked:
    """Validate the document's data against the models; deviations come as mistakes, never as an exception."""
    checked = Checked(None, [], set())
    if not isinstance(document.data, dict):
        what = "is empty" if document.data is None else f"is {_kind(document.data)}"
        text = f"the file {what}; a mapping is expected, with at least the key 'services'"
        checked.mistakes.append(Mistake(1, 1, "", text))
        return checked
    data = _with_plain_texts(document)
    for _ in range(_ROUNDS):
        try:
            checked.file = shape.FileShape.model_validate(data)
            break
        except pydantic.ValidationError as error:
            # Unknown keys first: a key that is meant by one of them is not missing.
            for found in sorted(error.errors(include_url=False), key=lambda each: each["type"] != "extra_forbidden"):
                path = _path(found["loc"], found["type"])
                if found["type"] != "missing" or path not in checked.unsaid:
                    checked.mistakes.append(_mistake(document, path, found["type"], found))
                data = _leave_out(data, path, found, checked.unsaid)
    return checked


def _path(loc: tuple[str | int, ...], kind: str) -> Path:
    """Where the data is that pydantic's `loc` means: without the tag of the environments' union."""
    if loc[0] == "environments" and len(loc) > 2 and not kind.startswith("union_tag"):
        return (*loc[:2], *loc[3:])
    return loc


def _leave_out(data: Any, path: Path, found: Mapping[str, Any], unsaid: set[Path]) -> Any:
    """The data without what is wrong at `path`, or with a stand-in where something is needed to go on."""
    kind = found["type"]
    if path[-2:-1] == ("after",) and isinstance(path[-1], int):  # the others in the list are names all the same
        return _replaced(data, path[:-1], _without(_at(data, path[:-1]), found["input"]))
    while path and isinstance(path[-1], int):  # a list with a wrong item is wrong
        path = path[:-1]
    unsaid.add(path)
    if kind == "extra_forbidden":
        key = guess(str(path[-1]), _model_at(found["loc"]).model_fields) or ""
        if key not in (_at(data, path[:-1]) or {}):
            unsaid.add((*path[:-1], key))
    if path == ("services",):
        return _replaced(data, path, {})
    if len(path) == 2 and path[0] == "services":
        return _replaced(data, path, None)  # the service exists, whatever was said about it
    if kind == "missing":
        return _replaced(data, path, "unsaid")
    if kind == "union_tag_invalid":
        meant = guess(str(found["ctx"]["tag"]), _KINDS)
        return _replaced(data, (*path, "target"), meant) if meant else _replaced(data, path, _GONE)
    return _replaced(data, path, _GONE)


_GONE = object()


def _replaced(data: Any, path: Path, value: Any) -> Any:
    """A copy of `data` with `value` at `path` (nothing for `_GONE`); what YAML aliases share is not touched."""
    if not path:
        return {} if value is _GONE else value
    if not isinstance(data, dict):
        return data
    copy = dict(data)
    if len(path) == 1 and value is _GONE:
        copy.pop(path[0], None)
    else:
        copy[path[0]] = _replaced(data.get(path[0]), path[1:], value)
    return copy


def _at(data: Any, path: Path) -> Any:
    """What stands at a path of mappings; None where nothing does."""
    for part in path:
        data = data.get(part) if isinstance(data, dict) else None
    return data


def _without(values: Any, wrong: Any) -> list[Any]:
    return [each for each in values if each is not wrong] if isinstance(values, list) else []


def _with_plain_texts(document: positions.Document) -> Any:
    """The data, with the numbers and truth values of every `env` as they are written."""
    data = document.data
    for path, env in _envs(data):
        for key, value in env.items():
            if isinstance(value, bool | int | float):
                data = _replaced(data, (*path, key), document.text((*path, key)))
    return data


def _envs(data: Mapping[str, Any]) -> list[tuple[Path, Mapping[str, Any]]]:
    holders: list[tuple[Path, Any]] = [(("defaults",), data.get("defaults"))]
    holders += [(("services", name), value) for name, value in _items(data.get("services"))]
    for name, environment in _items(data.get("environments")):
        if isinstance(environment, dict):
            at = ("environments", name, "services")
            holders += [((*at, service), value) for service, value in _items(environment.get("services"))]
    found = [((*path, "env"), value.get("env")) for path, value in holders if isinstance(value, dict)]
    return [(path, env) for path, env in found if isinstance(env, dict)]


def _items(value: Any) -> list[tuple[str, Any]]:
    return list(value.items()) if isinstance(value, dict) else []


def _mistake(document: positions.Document, path: Path, kind: str, found: Mapping[str, Any]) -> Mistake:
    tell = _TELLERS.get(kind)
    text = tell(document, path, found) if tell else str(found["msg"])
    if kind == "union_tag_invalid":
        path = (*path, "target")
    line, column = document.place(path[:-1] if kind == "missing" else path)
    if isinstance(found["input"], str) and kind in _MAPPINGS:  # a colon may be missing in the text below the key
        value = document.place(path, key=False)
        line, column = value if value[0] > line else (line, column)
    return Mistake(line, column, dotted(path), text)


def _unknown_key(document: positions.Document, path: Path, found: Mapping[str, Any]) -> str:
    key = str(path[-1])
    if key == formats.MERGE_KEY:
        return formats.NO_MERGING
    allowed = list(_model_at(found["loc"]).model_fields)
    elsewhere = _belongs_elsewhere(key, found["loc"])
    if elsewhere:
        return f"{elsewhere}; allowed here: {listed(allowed, most=len(allowed))}"
    return f"unknown key{similar(key, allowed)}; allowed: {listed(allowed, most=len(allowed))}"


def _model_at(loc: tuple[str | int, ...]) -> type[pydantic.BaseModel]:
    """The model that pydantic's `loc` of an unknown key means."""
    if len(loc) == 1:
        return shape.FileShape
    if loc[0] == "environments" and len(loc) == 4:
        return _KINDS[str(loc[2])]
    if loc[0] == "environments" and "operator" in loc[3:4]:
        return manifest_shape.OperatorShape
    within = loc[{"defaults": 1, "services": 2}.get(str(loc[0]), 5) : -1]  # the key's place in a service
    if within[:1] == ("sidecars",):
        return manifest_shape.ResourcesShape if "resources" in within else manifest_shape.SidecarShape
    return _PARTS.get(within, shape.ServiceShape)


def _belongs_elsewhere(key: str, loc: tuple[str | int, ...]) -> str | None:
    """Where a key that is unknown here is known, in words."""
    here = _model_at(loc)
    if issubclass(here, shape.EnvironmentShape):
        kinds = [kind for kind, model in _KINDS.items() if key in model.model_fields]
        if kinds:
            return f"'{key}' belongs to target {' or '.join(kinds)}, and this environment's target is {loc[2]}"
    if here is not shape.ServiceShape and key in shape.ServiceShape.model_fields:
        where = "'defaults', under a service" + (", or in this environment's 'services'" if len(loc) > 1 else "")
        return f"'{key}' is a setting of services: write it under {where}"
    if here is not shape.FileShape and key in ("default_environment", "defaults", "environments", "services"):
        return f"'{key}' stands at the top of the file"
    if here is shape.ServiceShape and any(key in model.model_fields for model in _KINDS.values()):
        return f"'{key}' is a setting of environments, not of services"
    return None


def _missing(document: positions.Document, path: Path, found: Mapping[str, Any]) -> str:
    if path == ("services",):
        return "is missing; name at least one service, each on a line of its own (`auth:`)"
    if path[-2:] == ("variables", "name"):
        return "is missing; name the variable that holds the database's name"
    if "sidecars" in path:
        return "is missing; a sidecar has a name and an image"
    return f"is missing; an environment with target {found['input'].get('target')} needs it"


def _text_expected(document: positions.Document, path: Path, found: Mapping[str, Any]) -> str:
    value = found["input"]
    if isinstance(value, bool | int | float):
        written = document.text(path)
        what = "a truth value" if isinstance(value, bool) else "a number"
        return f'a text is expected, and YAML reads {written} as {what}: put it in quotes, "{written}"'
    if isinstance(value, dict) and list(value.values()) == [None] and next(iter(value)) in placeholders.NAMES:
        return f'a text that begins with a brace has to be in quotes: "{{{next(iter(value))}}}"'
    return f"a text is expected, found {_kind(value)}"


def _expected(what: str) -> Callable[[positions.Document, Path, Mapping[str, Any]], str]:
    def tell(document: positions.Document, path: Path, found: Mapping[str, Any]) -> str:
        return f"{what} is expected, found {_kind(found['input'])}"

    return tell


def _mapping_expected(document: positions.Document, path: Path, found: Mapping[str, Any]) -> str:
    example = "`key: value`"
    if path == ("services",):
        example = "names with a colon, `auth:`, each on a line of its own"
    elif path == ("environments",):
        example = "`development: {target: local}`"
    elif path[-1] == "url":
        example = "`url: {ini: sqlalchemy.url}`; one variable that holds all of it is `url_variable: NAME`"
    return f"a mapping is expected ({example}), found {_kind(found['input'])}"


def _choice(document: positions.Document, path: Path, found: Mapping[str, Any]) -> str:
    value = found["input"]
    allowed = [choice.strip("'") for choice in str(found["ctx"]["expected"]).replace(" or ", ", ").split(", ")]
    if value == "embedded" and path[-1] == "database":
        return _NO_EMBEDDED
    if not isinstance(value, str):
        return f"allowed: {listed(allowed)}; found {_kind(value)}"
    return f"unknown {path[-1]} {shown(value)}{similar(value, allowed)}; allowed: {listed(allowed)}"


def _target(document: positions.Document, path: Path, found: Mapping[str, Any]) -> str:
    if "target" not in found["input"]:
        return f"says no target; write `target:` with one of {listed(_KINDS)}"
    value = found["input"]["target"]
    if not isinstance(value, str):
        return f"unknown target ({_kind(value)}); allowed: {listed(_KINDS)}"
    return f"unknown target {shown(value)}{similar(value, _KINDS)}; allowed: {listed(_KINDS)}"


def _range(document: positions.Document, path: Path, found: Mapping[str, Any]) -> str:
    limits = {"gt": "more than", "ge": "at least", "le": "at most"}
    limit = next(f"{words} {found['ctx'][key]:g}" for key, words in limits.items() if key in found["ctx"])
    return f"has to be {limit}, found {found['input']}"


def _kind(value: Any) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return f"the number {value}"
    if isinstance(value, str):
        return f"the text {shown(value)}"
    return "a list" if isinstance(value, list) else "a mapping"


_MAPPINGS = frozenset({"dict_type", "model_type", "model_attributes_type"})

_TELLERS: dict[str, Callable[[positions.Document, Path, Mapping[str, Any]], str]] = {
    "extra_forbidden": _unknown_key,
    "missing": _missing,
    "string_type": _text_expected,
    "bool_type": _expected("true or false"),
    "int_type": _expected("a whole number"),
    "float_type": _expected("a number"),
    "finite_number": _expected("a finite number"),
    "list_type": _expected("a list, like [a, b], or one text"),
    "text_or_list": _expected("`module:function`, or a list with a command and its arguments,"),
    "dict_type": _mapping_expected,
    "model_type": _mapping_expected,
    "model_attributes_type": _mapping_expected,
    "duration": _expected("a duration, as 500ms, 4s, 10min or 2h,"),
    "plain_value": _expected('a text, number, true or false ("" for an empty text)'),
    "literal_error": _choice,
    "union_tag_invalid": _target,
    "union_tag_not_found": _target,
    "greater_than": _range,
    "greater_than_equal": _range,
    "less_than_equal": _range,
}
