"""What looks like a secret by its name or by its form: it has no place in a ConfigMap, nor in a variable's plain value."""

from __future__ import annotations

import re

from stillroom.registry import formats
from stillroom.registry.mistakes import holds_secret

__all__ = ["looks_secret"]

_FORMS = re.compile(
    r"\b(?:AKIA[0-9A-Z]{16}|gh[pousr]_[A-Za-z0-9]{30,}|github_pat_\w{30,}|glpat-[\w-]{20,}|xox[abprs]-[\w-]{10,}"
    r"|sk_(?:live|test)_\w{16,}|AIza[\w-]{30,}|eyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]{8,})"
)
"""Tokens of well-known services, and JSON Web Tokens."""


def looks_secret(name: str, value: str) -> bool:
    """Whether a variable holds a secret by all appearances: by its name, or by what its value looks like."""
    if holds_secret(value) or _FORMS.search(value):
        return True
    return formats.is_secret_variable(name) and bool(value.strip()) and value.lower() not in formats.UNUSED
