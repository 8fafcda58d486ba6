"""Empties what a service owns in a database, in place.

The schema itself stays, with its owner, rights, default privileges and comment; so do extensions, publications and
whatever belongs to others. Observed, decided and done in one transaction, which is checked before it is committed:
nothing of the service's is left, and nothing else is different. Then it is checked again on a new connection.

Others may work in the same database meanwhile. The transaction does not see what they commit (REPEATABLE READ), but
functions that describe objects do; where that shows, everything is rolled back and tried again.

    objects.observe -> reset_plan.decide -> reset
"""

from __future__ import annotations

import contextlib
import functools
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

import sqlalchemy.engine

from .. import faults
from ..connections import blocking, connection, urls
from ..schema import catalog, marker, objects, ownership
from . import reset_plan, reset_refusal, reset_verify

__all__ = ["ResetReport", "blocked", "plan", "rehearse", "reset"]

_T = TypeVar("_T")

_COUNTED = {
    "table": "tables", "view": "views", "materialized_view": "materialized views", "sequence": "sequences",
    "index": "indexes", "function": "functions", "procedure": "functions", "aggregate": "functions",
    "type": "types", "domain": "types", "trigger": "triggers", "policy": "policies",
}  # fmt: skip


@dataclass(frozen=True)
class ResetReport:
    """What a reset did.

    Args:
        database: its name.
        before, after: plural of a kind -> how many the service owned; `tables` is always there.
        dropped: what went, in order: `table public.orders`.
        kept: what stayed in the service's schemas, with its owner.
        transactions: how many it took: more than one where the server has too little room for locks.
        unpublished: statements that put tables of the same names back into the publications that listed them; a
            publication loses a table with the table (not what it publishes by schema).
    """

    database: str
    before: dict[str, int]
    after: dict[str, int]
    dropped: tuple[str, ...]
    kept: tuple[str, ...]
    transactions: int
    unpublished: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """JSON-able form."""
        return asdict(self)


def plan(conn: sqlalchemy.engine.Connection, owned: ownership.Ownership) -> reset_plan.Plan:
    """What `reset` would do; nothing is done, and refusals are in the plan.

    Args:
        conn: a sync connection.
        owned: what the service owns.
    """
    return reset_plan.decide(objects.observe(conn), owned)


def reset(
    url: str,
    owned: ownership.Ownership,
    *,
    lock_timeout_s: float = 5.0,
    allow_marked: str | None = None,
    expect_database: str | None = None,
    reviewed: reset_plan.Plan | None = None,
) -> ResetReport:
    """Empties what a service owns.

    Args:
        url: the database.
        owned: what the service owns in it.
        lock_timeout_s: how long to wait for each lock.
        allow_marked: the environment that the database may be marked with; `expect_database` must be given, too.
        expect_database: the name that the database must have.
        reviewed: the plan that somebody agreed to: refused if it would be another one by now.

    Raises:
        RefusedFault: `protected-database`, `wrong-database`, `not-owner`, `needed-by-others`, `plan-changed`.
        DatabaseFault: `permission-denied`, `lock-timeout`, `reset-incomplete`, `reset-touched-others`, and whatever
            `connection.run` raises. Nothing was changed then, unless it took several transactions.
    """
    work = _Work(url, owned, lock_timeout_s, allow_marked, expect_database, reviewed)
    begun = work.carry_out()
    after = _insisting(url, lambda conn: reset_verify.again(conn, begun, owned))
    return ResetReport(
        database=begun.plan.database,
        before=_counts(owned.part(begun.structure)),
        after=_counts(owned.part(after)),
        dropped=tuple(map(str, begun.plan.drops)),
        kept=tuple(f"{each} (of role {each.owner})" for each in begun.plan.kept),
        transactions=len(begun.plan.transactions),
        unpublished=tuple(
            item.definition
            for item in catalog.compare(begun.structure, after).missing
            if item.kind == "publication_table"
        ),
    )


def rehearse(
    url: str,
    owned: ownership.Ownership,
    *,
    lock_timeout_s: float = 5.0,
    allow_marked: str | None = None,
    expect_database: str | None = None,
) -> reset_verify.Begun:
    """Empties what a service owns, looks whether all is as it should be, and takes it back; arguments as for `reset`.

    Returns:
        What there is, and the plan, whose statements are known to do what they should.

    Raises:
        RefusedFault: as `reset` does; `too-much-for-one-transaction` where the server has too little room for locks.
        DatabaseFault: as `reset` does.
    """
    return _Work(url, owned, lock_timeout_s, allow_marked, expect_database, None).rehearse()


_ATTEMPTS = 6
_DEADLOCK = "40P01"
# What an object that somebody else drops meanwhile leads to: "cache lookup failed" or "could not open relation", a
# serialization failure, a deadlock with who drops it.
_MEANWHILE = ("XX000", "40001", _DEADLOCK)

# Before


def _check_place(conn: sqlalchemy.engine.Connection, allow_marked: str | None, expect_database: str | None) -> None:
    database = str(conn.exec_driver_sql("SELECT current_database()").scalar())
    if expect_database is not None and database != expect_database:
        raise faults.RefusedFault(
            "wrong-database",
            f"this is database {database!r}, not {expect_database!r} as expected",
            "correct the URL, or the name after --expect-database",
        )
    marked = marker.read(conn)
    if marked is not None and (marked != allow_marked or expect_database is None):
        raise faults.RefusedFault(
            "protected-database",
            f"database {database!r} is marked as {marked!r} (invoke protect); it is not reset",
            f"if it is really meant: --allow-protected {marked} --expect-database {database}",
            data={"database": database, "marker": marked},
        )


def _check_plan(conn: sqlalchemy.engine.Connection, decided: reset_plan.Plan, reviewed: reset_plan.Plan | None) -> None:
    reset_refusal.check(conn, decided)
    if reviewed is not None and reviewed.digest != decided.digest:
        raise faults.RefusedFault(
            "plan-changed",
            f"database {decided.database!r} is not as it was when the reset was planned",
            "run the command again and look at what it shows",
        )


# Doing


def _insisting(url: str, work: Callable[[sqlalchemy.engine.Connection], _T]) -> _T:
    """`connection.run`, again while what others do in the database comes between."""
    for _ in range(_ATTEMPTS - 1):
        try:
            return connection.run(url, work)
        except faults.DatabaseFault as fault:
            if fault.code != "reset-touched-others" and fault.data.get("sqlstate") not in _MEANWHILE:
                raise
    return connection.run(url, work)


@dataclass
class _Work:
    """One reset, from the first look to the last statement."""

    url: str
    owned: ownership.Ownership
    lock_timeout_s: float
    allow_marked: str | None
    expect_database: str | None
    reviewed: reset_plan.Plan | None
    waits_for: tuple[objects.Object, ...] = ()

    def carry_out(self) -> reset_verify.Begun:
        with self._naming_who_blocks():
            begun = _insisting(self.url, self._begin)
            if len(begun.plan.transactions) > 1:
                for statements in begun.plan.transactions:
                    connection.run(self.url, functools.partial(self._portion, statements))
        return begun

    def rehearse(self) -> reset_verify.Begun:
        def undone(conn: sqlalchemy.engine.Connection) -> reset_verify.Begun:
            begun = self._begin(conn)
            conn.rollback()
            return begun

        with self._naming_who_blocks():
            begun = _insisting(self.url, undone)
        if len(begun.plan.transactions) > 1:
            raise faults.RefusedFault(
                "too-much-for-one-transaction",
                f"database {begun.plan.database} holds too many objects of the service to exchange them in one transaction: "
                f"that takes {begun.plan.locks} locks, and its server has room for {begun.plan.lock_room}",
                "raise max_locks_per_transaction on the server; or empty it first (invoke cleanup), then restore",
            )
        return begun

    @contextlib.contextmanager
    def _naming_who_blocks(self) -> Iterator[None]:
        try:
            yield
        except faults.DatabaseFault as fault:
            if fault.code == "lock-timeout" or fault.data.get("sqlstate") == _DEADLOCK:
                raise blocked(self.url, self.waits_for, self.lock_timeout_s) from fault
            raise

    def _begin(self, conn: sqlalchemy.engine.Connection) -> reset_verify.Begun:
        conn.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        _check_place(conn, self.allow_marked, self.expect_database)
        begun = reset_verify.Begun(catalog.snapshot(conn), plan(conn, self.owned))
        self.waits_for = begun.plan.drops
        _check_plan(conn, begun.plan, self.reviewed)
        if len(begun.plan.transactions) == 1:
            self._portion(begun.plan.transactions[0], conn)
            reset_verify.emptied(conn, begun, self.owned)
        return begun

    def _portion(self, statements: Iterable[str], conn: sqlalchemy.engine.Connection) -> None:
        conn.exec_driver_sql(f"SET LOCAL lock_timeout = {max(1, int(self.lock_timeout_s * 1000))}")
        for statement in statements:
            # no_parameters: otherwise psycopg looks at percent signs, which a name may hold.
            conn.exec_driver_sql(statement, execution_options={"no_parameters": True})


def blocked(url: str, waiting_for: Iterable[objects.Object], seconds: float) -> faults.DatabaseFault:
    """The fault for a lock that was not to be had, with who holds it."""
    found = connection.run(url, lambda conn: blocking.holders(conn, [each.id[1] for each in waiting_for]))
    return faults.DatabaseFault(
        "lock-timeout",
        f"{urls.address(url)} could not be reset: for {seconds:g} s a lock was held by {blocking.sentence(found)}."
        " Nothing was changed by the statement that waited",
        blocking.mend(found),
        data={"blockers": [each.to_dict() for each in found]},
    )


def _counts(part: catalog.Snapshot) -> dict[str, int]:
    counted = Counter(_COUNTED[item.kind] for item in part.all if item.kind in _COUNTED)
    return {"tables": 0} | dict(sorted(counted.items()))
