"""`{name}` and `{NAME}` in the registry's texts: the service's name, and the same as a part of a variable's name."""

from __future__ import annotations

import re

__all__ = ["NAMES", "expand", "expand_all", "unknown"]

NAMES = ("name", "NAME")

# `{{word}}` stays `{word}`. Braces around anything but a word (JSON in `env`) are left alone.
_PLACEHOLDER = re.compile(r"\{\{(?P<literal>[\w.-]+)\}\}|\{(?P<word>\s*[A-Za-z_][\w.-]*\s*)\}")


def expand(text: str, name: str) -> str:
    """`text` with its placeholders replaced for the service `name`; unknown ones are left as they are."""
    if "{" not in text:
        return text
    values = {"name": name, "NAME": name.upper().replace("-", "_")}

    def replaced(match: re.Match[str]) -> str:
        if match["literal"] is not None:
            return "{" + match["literal"] + "}"
        return values.get(match["word"], match[0])

    return _PLACEHOLDER.sub(replaced, text)


def expand_all(value: object, name: str) -> object:
    """`expand` for a value of any shape: texts in lists become tuples of texts, mappings stay mappings."""
    if isinstance(value, str):
        return expand(value, name)
    if isinstance(value, list):
        return tuple(expand_all(item, name) for item in value)
    if isinstance(value, dict):
        return {key: expand_all(item, name) for key, item in value.items()}
    return value


def unknown(text: str) -> list[str]:
    """The placeholders in `text` that do not exist, without braces: `{nmae}` gives `nmae`."""
    if "{" not in text:
        return []
    words = [match["word"] for match in _PLACEHOLDER.finditer(text) if match["word"] is not None]
    return [word for word in words if word not in NAMES]
