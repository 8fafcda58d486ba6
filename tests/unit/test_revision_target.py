"""What `--to` means."""

from __future__ import annotations

import pytest
from alembic.script import revision as alembic_revision
from hypothesis import given, settings
from hypothesis import strategies as st

from stillroom.runtime import faults
from stillroom.runtime.reading import revision_target, revisions


def graph(*described: tuple[str, tuple[str, ...], tuple[str, ...]]) -> revisions.Graph:
    """A graph of (id, parents, labels)."""
    return revisions.Graph(
        revisions.Revision(id_, down, (), labels, f"{id_}.py", f"{id_}.py", "", b"") for id_, down, labels in described
    )


LINE = graph(("abcd11", (), ("main",)), ("abcd22", ("abcd11",), ()), ("xyz", ("abcd22",), ()))
FORK = graph(("root", (), ()), ("left1", ("root",), ("left",)), ("left2", ("left1",), ()), ("right", ("root",), ()))


@pytest.mark.parametrize(
    ("history", "text", "expected"),
    [
        (LINE, "heads", ("xyz",)),
        (LINE, "head", ("xyz",)),
        (LINE, "abcd11", ("abcd11",)),
        (LINE, "abcd2", ("abcd22",)),
        (LINE, "main", ("xyz",)),
        (LINE, "main@head", ("xyz",)),
        (LINE, "main@abcd22", ("abcd22",)),
        (FORK, "heads", ("left2", "right")),
        (FORK, "left", ("left2",)),
        (FORK, "left@head", ("left2",)),
        (FORK, "left1@heads", ("left2",)),
        (FORK, "root@heads", ("left2", "right")),
    ],
)
def test_found(history: revisions.Graph, text: str, expected: tuple[str, ...]) -> None:
    """Ids, their beginnings, labels and heads of branches are understood as Alembic understands them."""
    assert revision_target.resolve(history, text, "shop") == expected


@pytest.mark.parametrize(
    ("history", "text", "code"),
    [
        (LINE, "nothing", "no-such-revision"),
        (LINE, "abcd", "no-such-revision"),
        (LINE, "xy", "no-such-revision"),
        (LINE, "nolabel@head", "no-such-revision"),
        (LINE, "", "no-such-revision"),
        (FORK, "head", "several-heads"),
        (FORK, "root@head", "several-heads"),
    ],
)
def test_not_found(history: revisions.Graph, text: str, code: str) -> None:
    """What is not there, or not one revision, is told by name."""
    with pytest.raises(faults.ProjectFault) as raised:
        revision_target.resolve(history, text, "shop")

    assert raised.value.code == code
    assert raised.value.mend


BASES = graph(
    ("cat1", (), ("catalog",)), ("cat2", ("cat1",), ()), ("stock1", (), ("stock",)), ("stock2", ("stock1",), ())
)


@pytest.mark.parametrize(
    ("history", "text", "applied", "expected"),
    [
        (LINE, "+1", (), "abcd11"),
        (LINE, "+1", ("abcd11",), "abcd22"),
        (LINE, "+2", ("abcd11",), "xyz"),
        (LINE, "abcd11+1", (), "abcd22"),
        (LINE, "head-1", (), "abcd22"),
        (LINE, "main+1", (), "abcd22"),
        (FORK, "left@+1", ("root",), "left1"),
        (FORK, "left@+1", ("right",), "left1"),
        (FORK, "left@+1", ("right", "left1"), "left2"),
        (FORK, "left@head-1", (), "left1"),
        (BASES, "stock@+1", ("cat2",), "stock1"),
        (BASES, "stock@+2", (), "stock2"),
        (BASES, "catalog@+1", ("cat1", "stock2"), "cat2"),
        (BASES, "+1", ("cat1",), "cat2"),
    ],
)
def test_relative(history: revisions.Graph, text: str, applied: tuple[str, ...], expected: str) -> None:
    """Steps are counted from what is said, or from where the database is; within a branch, if one is said."""
    assert revision_target.resolve(history, text, "shop", applied) == (expected,)


@pytest.mark.parametrize(
    ("history", "text", "applied", "code"),
    [
        (LINE, "+1", ("xyz",), "no-such-revision"),
        (LINE, "+4", (), "no-such-revision"),
        (LINE, "abcd11-1", (), "no-such-revision"),
        (LINE, "-1", ("xyz",), "past-revision"),
        (LINE, "+0", ("xyz",), "past-revision"),
        (LINE, "gone+1", (), "no-such-revision"),
        (FORK, "gone@+1", (), "no-such-revision"),
        (FORK, "left@right", (), "no-such-revision"),
        (FORK, "+1", ("root",), "several-heads"),
        (BASES, "+1", (), "several-heads"),
        (BASES, "+1", ("cat1", "stock1"), "several-heads"),
    ],
)
def test_relative_to_nothing(history: revisions.Graph, text: str, applied: tuple[str, ...], code: str) -> None:
    """Where the way parts, ends or leads back, that is said."""
    with pytest.raises(faults.Fault) as raised:
        revision_target.resolve(history, text, "shop", applied)

    assert raised.value.code == code
    assert raised.value.mend


@st.composite
def _asked(draw: st.DrawFn) -> tuple[dict[str, tuple[str, ...]], str, tuple[str, ...]]:
    """Parents of up to eight revisions, what is asked for, and what is applied."""
    parents: dict[str, tuple[str, ...]] = {}
    for number in range(draw(st.integers(1, 8))):
        earlier = sorted(parents)
        down = draw(st.lists(st.sampled_from(earlier), unique=True, max_size=2)) if earlier else []
        parents[f"r{number}"] = tuple(each for each in down if not any(each in _below(parents, o) for o in down))
    ids = st.sampled_from(sorted(parents))
    label, start = draw(st.none() | ids), draw(st.none() | ids)
    text = (f"{label}@" if label else "") + (start or "") + f"{draw(st.integers(-2, 3)):+}"
    at = draw(st.sets(ids, max_size=3))
    return parents, text, tuple(each for each in sorted(at) if not any(each in _below(parents, o) for o in at))


def _below(parents: dict[str, tuple[str, ...]], id_: str) -> set[str]:
    return {each for parent in parents[id_] for each in (parent, *_below(parents, parent))}


@settings(max_examples=400)
@given(_asked())
def test_relative_as_alembic_has_it(asked: tuple[dict[str, tuple[str, ...]], str, tuple[str, ...]]) -> None:
    """Wherever one of both finds a revision, the other finds the same."""
    parents, text, applied = asked
    theirs = alembic_revision.RevisionMap(
        lambda: [alembic_revision.Revision(id_, down or None) for id_, down in parents.items()]
    )
    try:
        found = [
            getattr(each, "revision", "base") for each in theirs._parse_upgrade_target(applied, text, True) if each
        ]
    except alembic_revision.RevisionError:
        found = []
    history = graph(*((id_, down, ()) for id_, down in parents.items()))
    try:
        ours = list(revision_target.resolve(history, text, "shop", applied))
    except faults.Fault:
        ours = []

    assert ours == [each for each in found if each != "base"]
