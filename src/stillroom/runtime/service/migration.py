"""Migrating from within a service's code or a Job's script: always in a process of its own.

Alembic's commands are not made for a process that does something else: `env.py` calls `asyncio.run`, sets up logging, and
imports what it likes. So this starts `python -m stillroom.runtime migrate`, which holds the lock, keeps the limits and
writes the ledger; its log lines come out as ours.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
import threading
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any

from .. import faults
from ..connections import urls
from . import database, logs, metrics, places, pushing

__all__ = ["MigrationFailed", "migrate", "refused"]

FAILED = "Migration failed"

# Said by whoever is the Job: its script, or the command line.
_OF_THE_JOB = ("Migration job starting", "Migration job completed successfully")
_CHUNK = 1 << 16
_LONGEST_LINE = 1 << 20
_WRONG, _REFUSED = 20, 22

# A start may never recreate, so that is said by an argument alone; and what it measured is pushed here.
_NOT_FOR_THE_CHILD = ("DB_FORCE_RECREATE", pushing.VARIABLE)


class MigrationFailed(faults.Fault):
    """The migrations were not applied, or not all of them.

    Attributes:
        exit_code: as of `python -m stillroom.runtime migrate`: 20 wrong, 21 try again, 22 refused, 143 ended by a signal.
    """

    kind = "migration"
    exit_code = 20


async def migrate(
    manager: database.DatabaseManager,
    service_name: str,
    alembic_ini_path: str | None = None,
    models_module: str | None = None,
    *,
    force_recreate: bool = False,
    environ: Mapping[str, str],
) -> str:
    """Applies what is pending.

    Args:
        manager: of the database; its URL is handed on in the environment, never as an argument.
        service_name: which service; see `--service` of the command line.
        alembic_ini_path: of its project; None: found by its name.
        models_module: what fills the metadata, where `env.py` does not tell.
        force_recreate: empty what the service owns first.
        environ: the environment.

    Returns:
        `migrations_applied`, `already_at_head` or `recreated`.

    Raises:
        MigrationFailed: `Migration failed: …`.
    """
    variable = _variable(service_name, environ)
    arguments = ["--json", "--service", service_name, "--url-variable", variable]
    config = alembic_ini_path or places.config(service_name, environ)
    arguments += ["--config", config] if config else []
    arguments += ["--models", models_module] if models_module else []
    arguments += ["--force-recreate"] if force_recreate else []
    child = {name: value for name, value in environ.items() if name not in _NOT_FOR_THE_CHILD}
    child |= {variable: _url(manager, environ.get(variable)), "LOG_FORMAT": "json", "PYTHONSAFEPATH": "1"}
    started = time.monotonic()
    code, told = _WRONG, {}
    try:
        told = await _run(arguments, child)
        code = 0
    except MigrationFailed as failed:
        code = failed.exit_code
        raise
    finally:
        await _measure(service_name, code, time.monotonic() - started, told, environ)
    return str(told["action"])


async def _run(arguments: list[str], environ: dict[str, str]) -> dict[str, Any]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", __package__.rpartition(".")[0], "migrate", *arguments),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environ,
    )
    assert process.stdout is not None and process.stderr is not None  # noqa: S101 - both are pipes
    with _signals_go_on(process):
        try:
            answer, error = await asyncio.gather(process.stdout.read(), _relay(process.stderr))
            code = await process.wait()
        except BaseException:
            # It rolls back, notes its end, and releases the lock; nobody goes on before that.
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
            await asyncio.shield(process.wait())
            raise
    if code != 0:
        raise _failed(error, code)
    before, _, last = answer.rstrip(b"\n").rpartition(b"\n")
    if before:  # what env.py has printed
        sys.stdout.write(before.decode(errors="replace") + "\n")
    told: dict[str, Any] = json.loads(last)
    return told


async def _relay(stream: asyncio.StreamReader) -> dict[str, Any]:
    """Log lines of the other process become ours, whatever else it says goes on as it is; gives its last error."""
    log = logs.logger()
    error: dict[str, Any] = {}
    async for raw in _lines(stream):
        line = _read(raw)
        if line is None:
            sys.stderr.write(raw.decode(errors="replace"))
            continue
        level, event = line.pop("level"), line.pop("event")
        line.pop("timestamp", None)
        if level == "error":
            error = {**line, "event": event}
        elif event not in _OF_THE_JOB:
            (log.warning if level == "warning" else log.info)(event, **line)
    return error


async def _lines(stream: asyncio.StreamReader) -> AsyncIterator[bytes]:
    """Lines of any length: what a service's code prints must not end its migration. One without an end comes in parts."""
    rest = b""
    while chunk := await stream.read(_CHUNK):
        *lines, rest = (rest + chunk).split(b"\n")
        for each in lines:
            yield each + b"\n"
        if len(rest) > _LONGEST_LINE:
            yield rest
            rest = b""
    if rest:
        yield rest


def _read(raw: bytes) -> dict[str, Any] | None:
    """A log line; None: it is something else, a print of `env.py` for example."""
    if not raw.startswith(b"{"):
        return None
    try:
        line = json.loads(raw)
    except ValueError:
        return None
    return line if isinstance(line, dict) and {"level", "event"} <= line.keys() else None


def refused(fault: faults.Fault) -> MigrationFailed:
    """A refusal that needed no other process, as that one would have said it."""
    failed = MigrationFailed(fault.code, f"{FAILED}: {fault.message}", fault.mend)
    failed.exit_code = _REFUSED
    return failed


def _failed(error: dict[str, Any], code: int) -> MigrationFailed:
    event = str(error.get("event") or f"{FAILED}: {_ended(code)}")
    mend = str(error.get("mend") or ("" if error else "look at what it said last; memory, where it was signal 9"))
    failed = MigrationFailed(str(error.get("code") or "migration-ended"), event, mend)
    failed.exit_code = 128 - code if code < 0 else code
    return failed


def _ended(code: int) -> str:
    return f"its process ended by signal {-code}" if code < 0 else f"its process exited with {code}"


def _variable(service_name: str, environ: Mapping[str, str]) -> str:
    """The variable in which `env.py` looks for the URL: the service's own, or `DATABASE_URL` where only that is set."""
    own = f"{service_name.upper().replace('-', '_')}_DATABASE_URL"
    return "DATABASE_URL" if not environ.get(own) and environ.get("DATABASE_URL") else own


def _url(manager: database.DatabaseManager, said: str | None) -> str:
    """The manager's URL, in the form in which the variable has it where both mean the same database."""
    if said and not manager.knows_url:
        return said
    url = urls.render(manager.url)
    if not said:
        return url
    try:
        same = urls.parse(said).set(drivername="postgresql") == manager.url.set(drivername="postgresql")
    except faults.ProjectFault:
        return url
    return said if same else url


@contextlib.contextmanager
def _signals_go_on(process: asyncio.subprocess.Process) -> Iterator[None]:
    """A signal to end reaches the other process, too, before whoever waits for it here."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGTERM)

    def handle(number: int, frame: Any) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGTERM)
        if callable(before):
            before(number, frame)

    signal.signal(signal.SIGTERM, handle)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


async def _measure(
    service: str, code: int, seconds: float, told: Mapping[str, Any], environ: Mapping[str, str]
) -> None:
    """For `/metrics`; and pushed, where a gateway is named: of a Job nobody will scrape any."""
    outcome = pushing.outcome(code, told.get("action"))
    revision = ",".join(sorted(told.get("after") or ()))
    lock_wait, retries = told.get("lock_wait_seconds") or 0.0, told.get("retries") or 0
    found = metrics.instruments()
    if found is not None:
        found.migrated(service, outcome, seconds, lock_wait, retries)
        if revision:
            found.at(service, revision)
    await asyncio.to_thread(
        pushing.push_migration,
        service,
        outcome,
        seconds,
        revision=revision,
        lock_wait=lock_wait,
        retries=retries,
        environ=environ,
    )
