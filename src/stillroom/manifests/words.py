"""What Kubernetes takes as a name, a label's key and a label's value; each function gives what is wrong, or None."""

from __future__ import annotations

import re

__all__ = ["key", "label", "secret_key", "subdomain", "value", "variable"]

_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?")
_WORD = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?")
_KEY = re.compile(r"[A-Za-z0-9_.-]+")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SHORT, _LONG = 63, 253


def label(text: str) -> str | None:
    """A DNS-1123 label: a namespace, a container."""
    if len(text) <= _SHORT and _LABEL.fullmatch(text):
        return None
    return f"{text[:80]!r} is no DNS label (lower-case letters, digits and '-', at most {_SHORT} characters)"


def subdomain(text: str) -> str | None:
    """A DNS-1123 subdomain: the name of an object."""
    if len(text) <= _LONG and all(_LABEL.fullmatch(each) for each in text.split(".")):
        return None
    return f"{text[:80]!r} is no DNS name (lower-case letters, digits, '-' and '.', at most {_LONG} characters)"


def key(text: object) -> str | None:
    """A label's or an annotation's key: `name`, or `prefix/name`."""
    prefix, slash, name = str(text).rpartition("/")
    if isinstance(text, str) and _named(name) and (not slash or subdomain(prefix) is None):
        return None
    return "this is no key (`name` or `example.org/name`, the name with at most 63 letters, digits, '-', '_', '.')"


def value(text: object) -> str | None:
    """A label's value; it may be empty."""
    if isinstance(text, str) and (not text or _named(text)):
        return None
    return f"{str(text)[:80]!r} is no value of a label (at most {_SHORT} letters, digits, '-', '_', '.')"


def secret_key(text: object) -> str | None:
    """A key in a Secret or ConfigMap."""
    if isinstance(text, str) and len(text) <= _LONG and _KEY.fullmatch(text) and text not in (".", ".."):
        return None
    return f"{str(text)[:80]!r} is no key of a Secret (letters, digits, '-', '_', '.')"


def variable(text: object) -> str | None:
    """The name of an environment variable."""
    if isinstance(text, str) and _VARIABLE.fullmatch(text):
        return None
    return f"{str(text)[:80]!r} is not the name of an environment variable"


def _named(text: str) -> bool:
    return len(text) <= _SHORT and _WORD.fullmatch(text) is not None
