"""The order of drops: pure, so tried on many made-up databases."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from stillroom.runtime.schema import drop_order, objects

WORDS = {"r": "TABLE", "v": "VIEW", "routine": "ROUTINE", "type": "TYPE", "other": "OPERATOR"}


def made(number: int, kind: str, locks: int = 1) -> objects.Object:
    """An object that is only a number and a kind."""
    name = f"o{number}"
    return objects.Object(
        (1, number), kind, WORDS[kind], name, f"{kind} {name}", "public", "me", True, True, locks, True
    )


def facts(
    found: list[objects.Object],
    needs: list[tuple[objects.Id, objects.Id]],
    keys: dict[objects.Id, tuple[objects.Id, str]] | None = None,
) -> objects.Facts:
    """A database with these objects; `keys`: id of a foreign key -> (id of its table, its name)."""
    return objects.Facts(
        database="db",
        role="me",
        lock_room=1000,
        objects={each.id: each for each in found},
        sequences={},
        part_of={key: table for key, (table, _) in (keys or {}).items()},
        foreign_keys={key: name for key, (_, name) in (keys or {}).items()},
        needs=tuple(needs),
    )


@st.composite
def databases(draw: st.DrawFn) -> objects.Facts:
    """Objects of several kinds with any needs among them, circles too."""
    kinds = draw(st.lists(st.sampled_from(sorted(WORDS)), min_size=1, max_size=12))
    found = [made(number, kind) for number, kind in enumerate(kinds)]
    ids = st.sampled_from([each.id for each in found])
    return facts(found, draw(st.lists(st.tuples(ids, ids), max_size=25)))


@given(databases())
def test_nothing_that_is_still_needed_is_dropped(database: objects.Facts) -> None:
    """Each statement without CASCADE finds that nobody but its own objects needs what it drops; all go, once."""
    order = drop_order.DropOrder(database.objects, database)
    (statements,) = order.transactions(lock_room=1_000_000)
    left = {each.name: each.id for each in database.objects.values()}
    for statement in statements:
        names = re.findall(r"o\d+", statement)
        gone = {left.pop(name) for name in names}
        needed = {user for what in gone for user in database.dependants.get(what, {})} & set(left.values())
        assert not needed or "CASCADE" in statement, statement
    assert not left
    assert {each.name for each in order.in_order} == {each.name for each in database.objects.values()}


@given(databases())
def test_cascade_is_only_for_circles_across_kinds(database: objects.Facts) -> None:
    """Whoever is dropped with CASCADE needs itself, by way of another kind (or of a kind that has no list)."""
    order = drop_order.DropOrder(database.objects, database)
    (statements,) = order.transactions(lock_room=1_000_000)
    by_name = {each.name: each.id for each in database.objects.values()}
    for statement in statements:
        if "CASCADE" in statement:
            start = by_name[re.findall(r"o\d+", statement)[0]]
            assert start in _reached(database, start)


def _reached(database: objects.Facts, start: objects.Id) -> set[objects.Id]:
    reached: set[objects.Id] = set()
    waiting = list(database.dependants.get(start, {}))
    while waiting:
        at = waiting.pop()
        if at not in reached:
            reached.add(at)
            waiting += database.dependants.get(at, {})
    return reached


def test_tables_that_refer_to_each_other_share_a_statement() -> None:
    """No CASCADE for a circle of foreign keys, and one statement a kind."""
    tables = [made(number, "r") for number in range(3)]
    view = made(9, "v")
    needs = [((1, 0), (1, 1)), ((1, 1), (1, 0)), ((1, 9), (1, 2))]
    order = drop_order.DropOrder({each.id: each for each in (*tables, view)}, facts([*tables, view], needs))
    assert order.transactions(1000) == (("DROP VIEW o9", "DROP TABLE o0, o1, o2"),)


def test_many_locks_are_shared_by_transactions() -> None:
    """Each takes a quarter of the room at most; circles of foreign keys are cut before."""
    tables = [made(number, "r", locks=5) for number in range(20)]
    keys = {(2, n): ((1, n), f"fk{n}") for n in range(20)}
    needs = [((2, n), (1, (n + 1) % 20)) for n in range(20)]
    database = facts(tables, needs, keys)
    order = drop_order.DropOrder(database.objects, database)
    assert order.locks == 100
    transactions = order.transactions(lock_room=80)
    cuts = [line for each in transactions for line in each if line.startswith("ALTER TABLE")]
    drops = [line for each in transactions for line in each if line.startswith("DROP TABLE")]
    assert cuts == [f"ALTER TABLE o{n} DROP CONSTRAINT fk{n}" for n in sorted(range(20), key=lambda n: (n + 1) % 20)]
    assert all(len(line.split(",")) * 5 <= 20 for line in drops)
    assert sorted(re.findall(r"o\d+", " ".join(drops))) == sorted(each.name for each in tables)
    firsts = [each[0].split(" ")[0] for each in transactions]
    assert firsts == sorted(firsts), "ALTER before DROP"
