"""Which environment variables the service's code misses, told by the exception that it raised. Nothing is imported."""

from __future__ import annotations

import os
import re
import traceback
from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["variables"]

_ENVIRON = ("os.py", "<frozen os>")
_UNSET = re.compile(
    r"not set|not found|not defined|not provided|unset|undefined|missing|required|must be set|must set|no default",
    re.IGNORECASE,
)
_NAMED = re.compile(r"\b[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+\b|(?<=['\"`])[A-Z][A-Z0-9]{2,}(?=['\"`])")


def variables(error: BaseException) -> list[str]:
    """The names of the variables, in the order in which they are missed; none if it is about something else."""
    if isinstance(error, KeyError) and _of_environ(error):
        return [str(error.args[0])]
    fields = _fields(error)
    return fields if fields else _said(error)


def _of_environ(error: KeyError) -> bool:
    """Whether `os.environ[...]` raised it."""
    frames = traceback.extract_tb(error.__traceback__)
    named = bool(error.args) and isinstance(error.args[0], str)
    return named and bool(frames) and frames[-1].filename.endswith(_ENVIRON)


def _said(error: BaseException) -> list[str]:
    """What is named like a variable in a message that says that something is not set, and really is not set."""
    lines = str(error).strip().splitlines()
    if not lines or isinstance(error, SyntaxError | ImportError) or not _UNSET.search(lines[0]):
        return []
    return [name for name in dict.fromkeys(_NAMED.findall(lines[0])) if name not in os.environ]


# pydantic's settings classes: the fields that they miss, and how these are called in the environment


def _fields(error: BaseException) -> list[str]:
    errors = getattr(error, "errors", None)
    if type(error).__name__ != "ValidationError" or not callable(errors):
        return []
    kind = _settings_class(error)
    if kind is not None and "env_prefix" not in _configuration(kind):
        return []  # another model: no variable fills it
    places = [each["loc"] for each in errors() if each.get("type") in ("missing", "value_error.missing")]
    return list(dict.fromkeys(_variable(kind, place) for place in places if place))


def _settings_class(error: BaseException) -> type | None:
    """The class whose making failed: it is among the frames, under the name that the error bears."""
    title = getattr(error, "title", None) or getattr(getattr(error, "model", None), "__name__", None)
    for frame, _ in traceback.walk_tb(error.__traceback__):
        for name in ("self", "__pydantic_self__"):
            kind = type(frame.f_locals.get(name))
            if kind.__name__ == title:
                return kind
    model = getattr(error, "model", None)
    return model if isinstance(model, type) else None


def _configuration(kind: type) -> Mapping[str, Any]:
    """`model_config` of pydantic 2, or the inner class `Config` of pydantic 1."""
    found = getattr(kind, "model_config", None)
    if isinstance(found, Mapping):
        return found
    inner = getattr(kind, "__config__", None)
    return {name: getattr(inner, name) for name in dir(inner) if not name.startswith("_")} if inner is not None else {}


def _variable(kind: type | None, place: Sequence[object]) -> str:
    """The variable that fills a field; an alias is taken as it stands, a name gets the prefix of its class."""
    configuration = _configuration(kind) if kind is not None else {}
    first, *inner = map(str, place)
    fields = getattr(kind, "model_fields", None) or getattr(kind, "__fields__", None) or {}
    field = fields.get(first)
    extra = getattr(getattr(field, "field_info", None), "extra", None) or {}
    if extra.get("env_names"):
        return str(sorted(extra["env_names"])[0]).upper()
    aliased = kind is not None and (field is None or getattr(field, "validation_alias", None) is not None)
    prefix = "" if aliased else str(configuration.get("env_prefix") or "")
    name = str(configuration.get("env_nested_delimiter") or "__").join([f"{prefix}{first}", *inner])
    return name if configuration.get("case_sensitive") else name.upper()
