"""How long a service takes from the start of its process to its first 200 on /health/ready: verifying against migrating."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import io
import os
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping

from stillroom.embedded import server
from stillroom.runtime.service import DatabaseInitManager, DatabaseManager
from tests.bench import fleets, meter, processes

__all__ = ["BARE", "BEFORE", "DEVELOPMENT", "VERIFY", "in_process", "starts"]

VERIFY = "verifies (services)"
BARE = "looks at no database"
BEFORE = "alembic upgrade head in the process, nothing pending"
DEVELOPMENT = "SKIP_MIGRATIONS=false, nothing pending"

_DATABASE = "bench_serve"
_TICK = os.sysconf("SC_CLK_TCK")
_PATIENCE_SECONDS = 300.0

# The service as it was before: its own endpoints, with another start.
_OTHER_START = '''"""The service with another start, for the benchmark."""

import asyncio
from contextlib import asynccontextmanager

from app.main import app


@asynccontextmanager
async def start(_):
    {start}
    yield


@app.get("/health/ready")
async def ready() -> dict[str, str]:
    return {{"status": "ready"}}


app.router.lifespan_context = start
'''
_UPGRADE = """from alembic import command
    from alembic.config import Config

    await asyncio.to_thread(command.upgrade, Config("alembic.ini"), "head")"""


def starts(
    fleet: fleets.Fleet, embedded: server.Embedded, rounds: int, say: Callable[[str], None]
) -> dict[str, meter.Series]:
    """Starts of the fleet's first service, in turns, after one of each that does not count.

    Args:
        fleet: its first service has one revision, applied to a database of its own by a Job.
        embedded: where that is.
        rounds: how many starts of each.
        say: is told after each round.
    """
    service = fleet.services[0]
    url = {service.variable: _migrated(service, embedded)}
    (service.folder / "bench_before.py").write_text(_OTHER_START.format(start=_UPGRADE), encoding="utf-8")
    (service.folder / "bench_bare.py").write_text(_OTHER_START.format(start="pass"), encoding="utf-8")
    contenders: dict[str, tuple[str, Mapping[str, str]]] = {
        BARE: ("bench_bare:app", {}),
        VERIFY: ("app.main:app", {"ENVIRONMENT": "production"}),
        BEFORE: ("bench_before:app", {}),
        DEVELOPMENT: ("app.main:app", {"ENVIRONMENT": "development", "SKIP_MIGRATIONS": "false"}),
    }
    found = {name: meter.Series(name) for name in contenders}
    for number in range(rounds + 1):
        for name, (app, said) in contenders.items():
            sample = _start(service, app, {**url, **said})
            if number:
                found[name].samples.append(sample)
        if number:
            say(f"round {number}: " + ", ".join(f"{each.samples[-1].seconds:.2f} s" for each in found.values()))
    return found


def in_process(fleet: fleets.Fleet, embedded: server.Embedded, rounds: int) -> tuple[float, float]:
    """Median milliseconds on one warm connection, in turns: `SELECT 1` by the driver, and a whole verification."""
    service = fleet.services[0]
    url = _migrated(service, embedded)
    config = str(service.folder / "alembic.ini")

    async def run() -> tuple[float, float]:
        manager = DatabaseManager(url, pool_size=1, max_overflow=0)
        plain, whole = [], []
        for number in range(rounds + 1):
            started = time.perf_counter()
            async with manager.engine.connect() as conn:
                driver = (await conn.get_raw_connection()).driver_connection
                await driver.fetchval("SELECT 1")  # type: ignore[union-attr]
            between = time.perf_counter()
            with contextlib.redirect_stdout(io.StringIO()):
                await DatabaseInitManager(manager, service.name, config).initialize_database()
            if number:
                plain.append(between - started)
                whole.append(time.perf_counter() - between)
        await manager.close()
        return statistics.median(plain) * 1000, statistics.median(whole) * 1000

    return asyncio.run(run())


def _migrated(service: fleets.Service, embedded: server.Embedded) -> str:
    """The URL of the service's database, at head."""
    embedded.ensure([_DATABASE])
    url = embedded.url(_DATABASE)
    job = [sys.executable, "-P", "-m", "stillroom.runtime", "migrate"]
    processes.run(job, service.folder, {service.variable: url})
    return url


def _start(service: fleets.Service, app: str, variables: Mapping[str, str]) -> meter.Sample:
    """One start; the process is killed once it is ready."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        began = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, "-m", "uvicorn", app, "--fd", str(listening.fileno()), "--no-access-log"],
            cwd=service.folder,
            env=processes.environment(variables),
            pass_fds=[listening.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
    try:
        _ready(port)
        return meter.Sample(time.perf_counter() - began, _processor_seconds(process.pid), None)
    except (OSError, http.client.HTTPException, ValueError) as error:
        process.kill()
        raise processes.ProgramFailed(f"{app} did not start: {process.communicate()[0][-4000:]}") from error
    finally:
        process.kill()
        process.communicate()


def _ready(port: int) -> None:
    """Waits for the first answer. The socket listens from the beginning, so that nobody has to try again."""
    conn = http.client.HTTPConnection("127.0.0.1", port, timeout=_PATIENCE_SECONDS)
    try:
        conn.request("GET", "/health/ready")
        status = conn.getresponse().status
        if status != 200:
            raise ValueError(status)
    finally:
        conn.close()


def _processor_seconds(pid: int) -> float:
    """Of the process and of the children that it has waited for."""
    with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:  # noqa: PTH123
        fields = file.read().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / _TICK
