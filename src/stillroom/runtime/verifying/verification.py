"""A verification from end to end: ask, judge; and wait until the answer is the one that is wanted."""

from __future__ import annotations

import dataclasses
import random
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from . import asking, judge, plain_url, question
from .verdict import PREFIX, Verdict

if TYPE_CHECKING:
    from . import trouble
    from .expected import Expected

__all__ = ["until_connected", "until_ready", "verify", "verify_async"]

_INTERVALS = (0.3, 3.0)


def verify(
    url: str,
    expected: Expected,
    *,
    policy: str = judge.ALLOW,
    deep: bool = False,
    ledger: bool = False,
    patience: float = 1.0,
) -> Verdict:
    """Where a database stands: one connection and one statement. Needs only SELECT, imports neither Alembic nor SQLAlchemy.

    Args:
        url: of the database, with any of the drivers.
        expected: what the image's files say.
        policy: `allow` or `refuse`, see `judge.judge`.
        deep: whether the schema is held against the fingerprint that the last migration run left.
        ledger: whether the newest run is told (`Verdict.run`) where the database is at head, too.
        patience: see `asking.answer`.

    Raises:
        faults.ProjectFault: `url-invalid`.
        ValueError: no such policy.
    """
    if not expected.count:
        return judge.no_migrations(expected)
    statement, _ = question.question(expected, deep, ledger=ledger)
    try:
        told = asking.answer(plain_url.parse(url), statement, patience=patience)
    except asking.NoAnswer as error:
        return judge.unreachable(expected, error.trouble.message, error.trouble.mend)
    return judge.judge(told, expected, policy)


async def verify_async(
    url: str, expected: Expected, *, policy: str = judge.ALLOW, deep: bool = False, patience: float = 1.0
) -> Verdict:
    """The same inside of a running loop."""
    if not expected.count:
        return judge.no_migrations(expected)
    statement, _ = question.question(expected, deep)
    try:
        told = await asking.answer_async(plain_url.parse(url), statement, patience=patience)
    except asking.NoAnswer as error:
        return judge.unreachable(expected, error.trouble.message, error.trouble.mend)
    return judge.judge(told, expected, policy)


def until_ready(
    look: Callable[[], Verdict],
    seconds: float,
    *,
    tell: Callable[[Verdict], None] = lambda _: None,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Verdict:
    """The verdict once the database is ready, or the last one after that time.

    It comes at once where waiting is of no use: the image has no migrations, or the newest run that was to bring the
    database where this image needs it failed for good, or was the last attempt.

    Args:
        look: one verification.
        seconds: how long to wait.
        tell: called with each verdict that is not ready and differs in state from the one before.
        clock, sleep: of time.
    """
    end = clock() + seconds
    state = ""
    while True:
        found = look()
        if found.ready or found.hopeless or not found.migrations:
            return found
        if clock() >= end:
            message = f"{PREFIX}after {seconds:g} s of waiting: {found.message.removeprefix(PREFIX)}"
            return dataclasses.replace(found, message=message)
        if found.state != state:
            tell(found)
            state = found.state
        sleep(_pause(end - clock()))


def until_connected(
    url: str,
    seconds: float,
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> trouble.Trouble | None:
    """None once the database lets this role in; what keeps it out, after that time. No table has to be there.

    Raises:
        faults.ProjectFault: `url-invalid`.
    """
    end = clock() + seconds
    plain = plain_url.parse(url)
    while True:
        found = asking.connects(plain)
        if found is None or clock() >= end:
            return found
        sleep(_pause(end - clock()))


def _pause(left: float) -> float:
    """Some seconds, never the same for two replicas, and not beyond the end."""
    return min(random.uniform(*_INTERVALS), max(left, 0.05))  # noqa: S311 - no secret
