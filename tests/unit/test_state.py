"""In which state a database is: each state by a table of cases, and by histories that hypothesis makes up."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from alembic.runtime.migration import HeadMaintainer, RevisionStep
from alembic.script import revision as alembic_revision
from hypothesis import given
from hypothesis import strategies as st

from stillroom.runtime.reading import revisions
from stillroom.runtime.standing import state

Parents = dict[str, tuple[Sequence[str], Sequence[str]]]
"""Revision id -> (down_revision, depends_on); parents come before children."""


def history(parents: Parents) -> revisions.Graph:
    """A graph of these revisions."""
    return revisions.Graph(
        revisions.Revision(id_, tuple(down), tuple(depends), (), f"{id_}.py", f"{id_}.py", "", b"")
        for id_, (down, depends) in parents.items()
    )


LINE: Parents = {"a": ((), ()), "b": (["a"], ()), "c": (["b"], ())}
FORK: Parents = {"a": ((), ()), "b": (["a"], ()), "c": (["a"], ())}
DIAMOND: Parents = {**FORK, "m": (["b", "c"], ())}
TWO_LINES: Parents = {"a1": ((), ()), "a2": (["a1"], ()), "b1": ((), ()), "b2": (["b1"], ())}
DEPENDS: Parents = {"a": ((), ()), "b": ((), ["a"])}


@pytest.mark.parametrize(
    ("parents", "applied", "expected", "pending"),
    [
        (LINE, {"c"}, "at_head", []),
        (LINE, {"b"}, "behind", ["c"]),
        (LINE, {"a"}, "behind", ["b", "c"]),
        (LINE, {"new"}, "ahead", ["a", "b", "c"]),
        (LINE, {"c", "new"}, "ahead", []),
        (LINE, {"b", "new"}, "diverged", ["c"]),
        (LINE, {"b", "c"}, "diverged", []),
        (LINE, {"a", "c"}, "diverged", []),
        (FORK, {"b", "c"}, "at_head", []),
        (FORK, {"b"}, "behind", ["c"]),
        (FORK, {"b", "new"}, "ahead", ["c"]),
        (FORK, {"a", "b"}, "diverged", ["c"]),
        (DIAMOND, {"m"}, "at_head", []),
        (DIAMOND, {"b", "c"}, "behind", ["m"]),
        (DIAMOND, {"b", "new"}, "diverged", ["c", "m"]),
        (TWO_LINES, {"a2", "b2"}, "at_head", []),
        (TWO_LINES, {"a2"}, "behind", ["b1", "b2"]),
        (TWO_LINES, {"a2", "new"}, "ahead", ["b1", "b2"]),
        (TWO_LINES, {"a1", "new"}, "diverged", ["b1", "a2", "b2"]),
        (DEPENDS, {"b"}, "at_head", []),
        (DEPENDS, {"a", "b"}, "at_head", []),
        (DEPENDS, {"a"}, "behind", ["b"]),
    ],
)
def test_state_of_rows(parents: Parents, applied: set[str], expected: str, pending: list[str]) -> None:
    """The rows of the version table, held against the graph, give the state and what is pending."""
    standing = state.decide(history(parents), state.Observed(frozenset(applied), 3))

    assert standing.state == expected
    assert sorted(standing.pending) == sorted(pending)
    assert standing.applied == tuple(sorted(applied))


@pytest.mark.parametrize("applied", [None, frozenset()], ids=["no table", "no row"])
@pytest.mark.parametrize(("tables", "expected"), [(0, "empty"), (1, "unversioned")])
def test_nothing_noted(applied: frozenset[str] | None, tables: int, expected: str) -> None:
    """Without a row it is the tables that tell a fresh database from one that something else has filled."""
    standing = state.decide(history(LINE), state.Observed(applied, tables))

    assert standing.state == expected
    assert standing.pending == ("a", "b", "c")


@pytest.mark.parametrize("applied", [None, frozenset(), frozenset({"x"})])
@pytest.mark.parametrize("tables", [0, 4])
def test_no_migrations(applied: frozenset[str] | None, tables: int) -> None:
    """A code without revisions is never in step with anything, not even with an empty database."""
    assert state.decide(history({}), state.Observed(applied, tables)).state == "no_migrations"


@pytest.mark.parametrize("parents", [LINE, {}])
def test_unreachable(parents: Parents) -> None:
    """What could not be asked is unreachable, whatever the code has."""
    assert state.decide(history(parents), None).state == "unreachable"


def test_unknown_rows_are_named() -> None:
    """The standing tells which noted revisions the code does not have, and which heads it has itself."""
    standing = state.decide(history(FORK), state.Observed(frozenset({"b", "y", "x"}), 1))

    assert standing.unknown == ("x", "y")
    assert standing.heads == ("b", "c")


# Histories at random


@st.composite
def histories(draw: st.DrawFn) -> Parents:
    """Up to nine revisions with branches, merges and dependencies."""
    made: Parents = {}
    for number in range(draw(st.integers(1, 9))):
        earlier = sorted(made)
        down = draw(st.lists(st.sampled_from(earlier), unique=True, max_size=3)) if earlier else []
        down = [each for each in down if not any(each in _closed(made, [o]) for o in down if o != each)]
        below = _closed(made, down)
        # Alembic itself fails on a revision that follows what it also depends on by another way.
        others = [each for each in earlier if each not in below and not _closed(made, [each]) & set(down)]
        depends = draw(st.lists(st.sampled_from(others), unique=True, max_size=1)) if others else []
        made[f"r{number}"] = (down, depends)
    return made


def _closed(parents: Parents, ids: Iterable[str]) -> set[str]:
    found: set[str] = set()
    waiting = list(ids)
    while waiting:
        each = waiting.pop()
        if each not in found:
            found.add(each)
            waiting += [*parents[each][0], *parents[each][1]]
    return found


def _part(parents: Parents, kept: Collection[str]) -> Parents:
    return {id_: both for id_, both in parents.items() if id_ in kept}


@st.composite
def parts(draw: st.DrawFn) -> tuple[Parents, set[str], set[str]]:
    """A history, and two parts of it, each with all that comes before what it holds."""
    whole = draw(histories())
    some = st.sets(st.sampled_from(sorted(whole)), min_size=1)
    return whole, _closed(whole, draw(some)), _closed(whole, draw(some))


class _Rows(HeadMaintainer):
    """Alembic's own bookkeeping, on a set instead of a table."""

    def __init__(self) -> None:
        super().__init__(SimpleNamespace(), ())  # type: ignore[arg-type]

    def _insert_version(self, version: str) -> None:
        self.heads.add(version)

    def _delete_version(self, version: str) -> None:
        self.heads.remove(version)

    def _update_version(self, from_: str, to_: str) -> None:
        self.heads.remove(from_)
        self.heads.add(to_)


class _Script(alembic_revision.Revision):
    module = SimpleNamespace(upgrade=None, downgrade=None)


def rows_by_alembic(parents: Parents, targets: Sequence[str]) -> set[str]:
    """The rows after upgrading from nothing to each of `targets`, one after the other."""
    scripts = [
        _Script(id_, tuple(down) or None, dependencies=tuple(dep) or None) for id_, (down, dep) in parents.items()
    ]
    map_ = alembic_revision.RevisionMap(lambda: scripts)
    rows = _Rows()
    for target in targets:
        steps: list[Any] = list(map_.iterate_revisions(target, tuple(rows.heads) or None, implicit_base=True))
        for script in reversed(steps):
            rows.update_to_step(RevisionStep(map_, script, True))
    return rows.heads


@given(histories(), st.data())
def test_rows_as_alembic_writes_them(parents: Parents, data: st.DataObject) -> None:
    """The rows expected after an upgrade are those that Alembic itself leaves behind."""
    targets = data.draw(st.lists(st.sampled_from(sorted(parents)), min_size=1, max_size=3))
    graph = history(parents)

    expected: tuple[str, ...] = ()
    for target in targets:
        expected = state.rows_after(graph, expected, [target])

    assert set(expected) == rows_by_alembic(parents, targets)


@given(histories())
def test_everything_applied_is_at_head(parents: Parents) -> None:
    """After an upgrade to all heads, nothing is pending."""
    graph = history(parents)
    rows = state.rows_after(graph, (), graph.heads)

    assert set(rows) == set(graph.effective_heads)
    assert state.decide(graph, state.Observed(frozenset(rows), 1)).state == "at_head"


@given(parts())
def test_truth_of_a_newer_or_older_database(case: tuple[Parents, set[str], set[str]]) -> None:
    """With one history of which the code has a part and the database a part: behind and at_head are exactly true.

    Where the database has something that the code has not, it is ahead or diverged: diverged only if something of the
    code is truly pending, and never ahead without something unknown.
    """
    whole, in_code, in_database = case
    graph = history(_part(whole, in_code))
    rows = state.rows_after(history(whole), (), sorted(in_database))

    decided = state.decide(graph, state.Observed(frozenset(rows), 1)).state

    if in_database == in_code:
        assert decided == "at_head"
    elif in_database < in_code:
        assert decided == "behind"
    elif in_database > in_code:
        assert decided == "ahead"
    else:
        assert decided in ("ahead", "diverged")


@given(parts())
def test_pending_is_what_the_database_lacks(case: tuple[Parents, set[str], set[str]]) -> None:
    """What is pending is what the code has and the database has not, each after what it needs."""
    whole, _, in_database = case
    graph = history(whole)
    rows = state.rows_after(graph, (), sorted(in_database))

    pending = state.decide(graph, state.Observed(frozenset(rows), 1)).pending

    assert set(pending) == whole.keys() - in_database
    for at, each in enumerate(pending):
        assert not {*whole[each][0], *whole[each][1]} & set(pending[at:])
