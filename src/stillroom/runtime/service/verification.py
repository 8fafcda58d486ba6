"""Verifying on a service's own engine: one statement on one connection, which the pool keeps for the first request."""

from __future__ import annotations

import asyncio
import functools
import random
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import faults
from ..connections import diagnosis
from ..verifying import expected, judge, question, verdict
from . import database, places

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

__all__ = ["Verdict", "state_of", "verify"]

Verdict = verdict.Verdict

_ANSWER_SECONDS = 30.0
_STORM_SECONDS = 20.0
_STORM = ("too-many-connections", "database-unreachable")
_REFUSED_SECONDS = 3.0


async def verify(
    manager: database.DatabaseManager,
    service_name: str,
    alembic_ini_path: str | None,
    *,
    depth: str,
    environ: Mapping[str, str],
) -> Verdict:
    """Where the database stands against the migration files of this image.

    Args:
        manager: of the database.
        service_name: for messages, and to find the project.
        alembic_ini_path: of the project; None: found.
        depth: `stamp` or `deep`.
        environ: `STILLROOM_SERVICE`, `STILLROOM_VERSION_TABLE`, `STILLROOM_VERSION_TABLE_SCHEMA`, `STILLROOM_SCHEMAS`,
            `STILLROOM_AHEAD`: as for `python -m stillroom.runtime verify`.

    Raises:
        faults.Fault: `DB not ready: …`: the files don't tell what is expected, or a setting makes no sense. What the
            database says is in the verdict, whether it is ready or not.
    """
    policy = environ.get("STILLROOM_AHEAD", "").strip().lower() or judge.ALLOW
    if policy not in judge.POLICIES:
        raise faults.WrongRequest(
            "setting-unclear", f"STILLROOM_AHEAD is {policy!r}", f"it can be {' or '.join(judge.POLICIES)}"
        )
    config = alembic_ini_path or places.config(service_name, environ)
    if config is None:
        return _no_config(service_name)
    try:
        wanted = expected.expected(
            config,
            service=service_name,
            version_table=environ.get("STILLROOM_VERSION_TABLE") or None,
            version_schema=environ.get("STILLROOM_VERSION_TABLE_SCHEMA") or None,
            schemas=_listed(environ.get("STILLROOM_SCHEMAS", "")),
        )
    except faults.Fault as fault:
        raise _prefixed(fault) from fault
    if not wanted.count:
        return judge.no_migrations(wanted)
    try:
        answer = await _answer(manager, _statement(wanted, depth == "deep"))
    except faults.DatabaseFault as fault:
        return judge.unreachable(wanted, fault.message, fault.mend)
    return judge.judge([answer], wanted, policy)


@functools.lru_cache(maxsize=8)
def _statement(wanted: expected.Expected, deep: bool) -> str:
    return question.question(wanted, deep)[0]


def state_of(fault: faults.Fault) -> str:
    """The state that a fault stands for; `unknown` where the database was not even asked."""
    return fault.verdict.state if isinstance(fault, verdict.NotReady) else "unknown"


def _no_config(service_name: str) -> Verdict:
    return Verdict(
        verdict.NO_MIGRATIONS,
        False,
        f"{verdict.PREFIX}No migration files found for {service_name}: there is no Alembic configuration in {Path.cwd()} "
        f"(looked for {', '.join(places.tried(service_name))})",
        "put alembic.ini and the migrations folder into the image (COPY, .dockerignore), start in its folder, or give "
        "alembic_ini_path",
        service=service_name,
    )


async def _answer(manager: database.DatabaseManager, statement: str) -> Any:
    """The answer; where all connections are taken for a moment, or none is accepted yet, asks again.

    Raises:
        faults.DatabaseFault: what is wrong.
    """
    started = time.monotonic()
    attempt = 0
    while True:
        try:
            return await asyncio.wait_for(_ask(manager.engine, statement), _ANSWER_SECONDS)
        except (asyncio.TimeoutError, TimeoutError) as error:
            raise faults.DatabaseFault(
                "database-unreachable",
                f"{manager.address} did not answer within {_ANSWER_SECONDS:g} seconds",
                "look at the load and the locks of the server",
            ) from error
        except Exception as error:
            fault = diagnosis.database_fault(error, manager.url, connecting=True)
            if fault is None:
                raise
            patience = _STORM_SECONDS if fault.code == _STORM[0] else _REFUSED_SECONDS
            if fault.code not in _STORM or time.monotonic() - started > patience:
                raise fault from error
        attempt += 1
        await asyncio.sleep(min(2.0, 0.05 * 2**attempt) * random.uniform(0.5, 1.0))  # noqa: S311 - against steps in time


async def _ask(engine: AsyncEngine, statement: str) -> Any:
    """One statement by the driver itself: SQLAlchemy would put a transaction around it."""
    async with engine.connect() as conn:
        driver: Any = (await conn.get_raw_connection()).driver_connection
        if hasattr(driver, "fetchval"):  # asyncpg
            return await driver.fetchval(statement)
        await driver.set_autocommit(True)
        try:
            row = await (await driver.execute(statement)).fetchone()
        finally:
            await driver.set_autocommit(False)
        return row[0]


def _listed(text: str) -> tuple[str, ...] | None:
    return tuple(each.strip() for each in text.split(",") if each.strip()) or None


def _prefixed(fault: faults.Fault) -> faults.Fault:
    return type(fault)(
        fault.code, f"{verdict.PREFIX}{fault.message}", fault.mend, detail=fault.detail, data=dict(fault.data)
    )
