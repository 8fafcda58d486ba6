"""Two histories side by side: the files here and the files on a target (`--check-existing`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from stillroom.runtime import faults
from stillroom.runtime.reading import revisions

__all__ = ["Comparison", "Difference", "compare"]


@dataclass(frozen=True)
class Difference:
    """One file that is not the same on both sides. `how` says in which way, in words."""

    name: str
    how: str

    def __str__(self) -> str:
        return f"{self.name}: {self.how}"


@dataclass(frozen=True)
class Comparison:
    """Which files are identical, which are only here, only there, or differ; each by name, sorted.

    `histories` holds a line for each revision, in file order: its id, its message, its file, and where it is.
    """

    identical: tuple[str, ...]
    only_here: tuple[str, ...]
    only_there: tuple[str, ...]
    differing: tuple[Difference, ...]
    histories: tuple[str, ...]

    @property
    def same(self) -> bool:
        """Whether both sides hold the same files, byte for byte."""
        return not (self.only_here or self.only_there or self.differing)

    @property
    def behind(self) -> bool:
        """Whether the target has files that are not here, or other ones of the same name: what regenerating would lose."""
        return bool(self.only_there or self.differing)

    def lines(self) -> list[str]:
        """What to show: both histories, then what is not the same."""
        if self.same:
            return [*self.histories, f"identical here and on the target ({len(self.identical)} files)"]
        return [
            *self.histories,
            *(f"only here: {name}" for name in self.only_here),
            *(f"only on the target: {name}" for name in self.only_there),
            *(f"differs: {each}" for each in self.differing),
        ]


def compare(local: Mapping[str, bytes], target: Mapping[str, bytes]) -> Comparison:
    """Compare the revision files here with those on the target.

    Args:
        local: file name to content, here.
        target: the same, there. Files that Alembic would not load (`__init__.py`) are left out on both sides.
    """
    here = {name: content for name, content in local.items() if _counts(name)}
    there = {name: content for name, content in target.items() if _counts(name)}
    both = sorted(here.keys() & there.keys())
    return Comparison(
        identical=tuple(name for name in both if here[name] == there[name]),
        only_here=tuple(sorted(here.keys() - there.keys())),
        only_there=tuple(sorted(there.keys() - here.keys())),
        differing=tuple(Difference(name, _how(here[name], there[name])) for name in both if here[name] != there[name]),
        histories=tuple(_history(here, there)),
    )


def _counts(name: str) -> bool:
    return revisions.is_revision_name(name.rsplit("/", 1)[-1])


def _how(here: bytes, there: bytes) -> str:
    if not here or not there:
        return (
            f"empty {'here' if not here else 'on the target'} (0 bytes), {len(here or there)} bytes on the other side"
        )
    ours, theirs = here.splitlines(), there.splitlines()
    if ours == theirs:
        return "only in its line ends"
    line = next((n for n, (a, b) in enumerate(zip(ours, theirs, strict=False), 1) if a != b), None)
    first = line if line is not None else min(len(ours), len(theirs)) + 1
    return f"{len(here)} bytes here, {len(there)} there; the first difference is in line {first}"


def _history(here: Mapping[str, bytes], there: Mapping[str, bytes]) -> list[str]:
    """Parents before children, as far as the files can be read; unreadable ones at the end."""
    found = []
    unread = []
    for name in sorted(here.keys() | there.keys()):
        content = here.get(name, there.get(name, b""))
        try:
            found.append(revisions.parse(content, name))
        except faults.ProjectFault as fault:
            unread.append(f"{_where(name, here, there):<10} ?  {fault.message}")
    graph = revisions.Graph(found)
    names = {each.name for each in graph.ordered()}
    ordered = [*graph.ordered(), *(each for each in found if each.name not in names)]
    return [f"{_where(each.name, here, there):<10} {_told(each)}" for each in ordered] + unread


def _told(each: revisions.Revision) -> str:
    message = each.message.splitlines()[0] if each.message else ""
    return f"{each.id}  {message}  ({each.name})"


def _where(name: str, here: Mapping[str, bytes], there: Mapping[str, bytes]) -> str:
    if name in here and name in there:
        return "both" if here[name] == there[name] else "differs"
    return "here" if name in here else "target"
