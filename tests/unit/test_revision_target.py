"""What `--to` means."""

from __future__ import annotations

import pytest

from stillroom.runtime import faults, revision_target, revisions


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
