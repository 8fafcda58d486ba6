"""What no text of the registry may hold: a secret, or a placeholder that nothing replaces."""

from __future__ import annotations

from stillroom.registry import formats, placeholders
from stillroom.registry.mistakes import holds_secret, similar

__all__ = ["placeholder", "secret"]

DataPath = tuple[str | int, ...]

_IN_SERVICES = ("namespace", "python", "services")  # keys of an environment in whose texts placeholders are replaced
_NO_SECRETS = "the registry is no place for secrets: name an environment variable instead (`url_variable`, …)"


def secret(path: DataPath, text: str) -> str | None:
    """What to say when `text` at `path` is a secret by its looks, or a variable in `env` by its name; else None."""
    if holds_secret(text):
        return f"this looks like a password or key, and {_NO_SECRETS}"
    if len(path) < 2 or path[-2] != "env" or not formats.is_secret_variable(str(path[-1])):
        return None
    if not text.strip() or text.lower() in formats.UNUSED:
        return None
    return (
        f"by its name this variable holds a secret, and {_NO_SECRETS}. Set it where stillroom runs; "
        f"if migrations do not use it, write `{formats.UNUSED[0]}`"
    )


def placeholder(path: DataPath, text: str) -> str | None:
    """What to say when `text` at `path` has a placeholder that does not exist or is not replaced there; else None."""
    for word in placeholders.unknown(text):
        near = similar(word.strip(), ["NAME" if word.isupper() else "name"])
        return f"unknown placeholder '{{{word}}}'{near}; allowed: {{name}} and {{NAME}}"
    replaced = path[:1] in (("defaults",), ("services",)) or (len(path) > 2 and path[2] in _IN_SERVICES)
    if not replaced and placeholders.expand(text, "x") != text:
        return "placeholders are replaced only in what is said about services; write it out"
    return None
