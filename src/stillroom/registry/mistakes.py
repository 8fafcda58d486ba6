"""Mistakes in the registry: one sentence each with its place, collected so that all are told at once."""

from __future__ import annotations

import dataclasses
import difflib
import re
from collections.abc import Iterable, Sequence

from stillroom import errors

__all__ = ["Mistake", "WrongRegistry", "dotted", "guess", "holds_secret", "listed", "shown", "similar"]

DOCUMENTATION = "docs/registry.md describes every key"

_LONGEST_SHOWN = 80
_SECRETS = (
    re.compile(r"[A-Za-z][A-Za-z0-9+.-]{0,30}://[^/\s?#]*:[^/\s?#]+@"),  # user:password@ in a URL
    re.compile(r"(?:^|[\s?&;])(?:ssl)?(?:password|passwd|pwd)\s*=\s*\S", re.IGNORECASE),  # libpq's text, or ?password=
    re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY"),
)


@dataclasses.dataclass(frozen=True, order=True)
class Mistake:
    """One thing that is wrong.

    Attributes:
        line: where it stands, from 1.
        column: where it stands, from 1.
        path: the place in words of the file: `services.auth.after[0]`.
        text: what is wrong and what is allowed; never a secret.
    """

    line: int
    column: int
    path: str
    text: str


class WrongRegistry(errors.RegistryError):
    """services.yaml is wrong: `mistakes` has every mistake, in order of the file; `detail` has them as text."""

    def __init__(self, file: str, mistakes: Iterable[Mistake]) -> None:
        self.file = file
        self.mistakes: tuple[Mistake, ...] = tuple(sorted(set(mistakes)))
        count = len(self.mistakes)
        super().__init__(
            f"{file} has {count} mistake{'' if count == 1 else 's'}",
            f"Correct {'it' if count == 1 else 'them'} and run again; {DOCUMENTATION}.",
            detail="\n".join(f"{file}:{each.line}:{each.column}  {_told(each)}" for each in self.mistakes),
        )
        self.data = {"mistakes": [dataclasses.asdict(each) for each in self.mistakes]}


def dotted(path: Sequence[str | int]) -> str:
    """A path in words of the file: `services.auth.after[0]`."""
    text = ""
    for step in path:
        part = "…" if isinstance(step, str) and holds_secret(step) else step
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def guess(word: str, allowed: Iterable[str]) -> str | None:
    """The allowed word that was probably meant, or None."""
    choices = {choice.lower(): choice for choice in allowed}
    close = difflib.get_close_matches(word.lower(), choices, n=1)
    return choices[close[0]] if close else None


def similar(word: str, allowed: Iterable[str]) -> str:
    """` (did you mean 'path'?)`, or nothing when no allowed word is near."""
    meant = guess(word, allowed)
    return f" (did you mean '{meant}'?)" if meant else ""


def listed(words: Iterable[str], *, most: int = 30) -> str:
    """Words with commas; beyond `most`, how many more there are."""
    every = list(words)
    more = f" and {len(every) - most} more" if len(every) > most else ""
    return ", ".join(every[:most]) + more


def shown(value: str) -> str:
    """A value in quotes for a message, unless it is long or looks like a secret."""
    if holds_secret(value):
        return "(not shown, it looks like a secret)"
    return f"'{value}'" if len(value) <= _LONGEST_SHOWN else f"'{value[:_LONGEST_SHOWN]}…'"


def holds_secret(value: str) -> bool:
    """Whether a text has a password or private key in it: a URL with user and password, `password=…`, PEM."""
    return any(pattern.search(value) for pattern in _SECRETS)


def _told(mistake: Mistake) -> str:
    return f"{mistake.path}: {mistake.text}" if mistake.path else mistake.text
