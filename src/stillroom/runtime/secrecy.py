"""Passwords are not repeated, whoever says them: a traceback of the service's code, or an ini file's own error message."""

from __future__ import annotations

import re
import urllib.parse
from typing import Any

__all__ = ["learn", "scrubbed"]

# A text in quotes ends an address, so that several of them in one message stay apart. `PASSWORD` is for examples.
_AUTHORITY = re.compile(r"(://[^:/?#\s@'\"]*):(?!PASSWORD@|\*\*\*@)[^\s'\"]*@")
_SHORTEST = 4
# Passwords of test databases that stand in many an ordinary sentence, where nobody takes them for a password.
_WORDS = frozenset(
    {"admin", "alembic", "database", "localhost", "password", "postgres", "postgresql", "root", "test", "user"}
)

_known: dict[str, re.Pattern[str]] = {}


def learn(password: str, *others: str) -> None:
    """From now on this password is not repeated.

    Args:
        password: plain; a very short one, which would tear ordinary words apart, is not looked for.
        others: what may be said of the same URL (role, database): a password that is the same is no secret.
    """
    if len(password) < _SHORTEST or password in _known or password in others or password.lower() in _WORDS:
        return
    forms = {
        password,
        urllib.parse.quote(password, safe=""),
        urllib.parse.quote(password, safe=" +"),
        repr(password)[1:-1],
    }
    forms |= {each.replace("%", "%%") for each in forms}
    longest_first = sorted(forms, key=len, reverse=True)
    _known[password] = re.compile("|".join(rf"(?<!\w){re.escape(each)}(?!\w)" for each in longest_first))


def scrubbed(value: Any) -> Any:
    """A text without passwords: those that were learnt, and what stands as one in a URL; also inside of JSON-able values."""
    if isinstance(value, str):
        for pattern in _known.values():
            value = pattern.sub("***", value)
        return _AUTHORITY.sub(r"\1:***@", value)
    if isinstance(value, dict):
        return {key: scrubbed(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [scrubbed(item) for item in value]
    return value
