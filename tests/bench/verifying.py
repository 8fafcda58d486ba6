"""What a verification costs: the whole process against Alembic's own check and a bare driver; and with depth."""

from __future__ import annotations

import asyncio
import dataclasses
import statistics
import sys
import time
from pathlib import Path

import asyncpg

from stillroom.embedded import server
from stillroom.runtime.connections import connection
from stillroom.runtime.ledger import fingerprint, tables, writing
from stillroom.runtime.verifying import expected, judge, question
from tests.bench import fleets, meter, processes

__all__ = ["ALEMBIC", "BARE", "TABLES", "VERIFY", "Answered", "deep", "whole"]

TABLES = 200
VERIFY = "python -m stillroom.runtime verify"
ALEMBIC = "alembic current --check-heads"
BARE = "a script: asyncpg, SELECT 1"

_REVISION = '''"""One of many."""

from alembic import op
import sqlalchemy as sa

# revision identifiers, used by Alembic.
revision = {own!r}
down_revision = {down!r}
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("thing", sa.Column("note_{own}", sa.Text(), nullable=True))
    op.create_index("ix_{own}", "thing", ["note_{own}"])


def downgrade() -> None:
    op.drop_index("ix_{own}", "thing")
    op.drop_column("thing", "note_{own}")
'''
_BARE = """
import asyncio
import sys

import asyncpg


async def main():
    connection = await asyncpg.connect(sys.argv[1])
    await connection.fetchval("SELECT 1")
    await connection.close()


asyncio.run(main())
"""


def whole(
    fleet: fleets.Fleet, embedded: server.Embedded, clock: meter.Meter, rounds: int, revisions: int
) -> dict[str, meter.Series]:
    """Processes on one database at head, in turns, after one run of each that does not count.

    Args:
        fleet: its first service is the one; its models and `env.py` are what it has.
        embedded: where its database is made.
        clock: of that server.
        rounds: how many runs of each.
        revisions: how long its history is.
    """
    service = fleet.services[0]
    _write_history(service, revisions)
    name = f"bench_verify_{revisions}"
    embedded.ensure([name])
    _noted(embedded.url(name), f"r{revisions - 1:04}")
    variables = {service.variable: embedded.url(name)}
    bare = service.folder / "bench_bare.py"
    bare.write_text(_BARE, encoding="utf-8")
    contenders = {
        ALEMBIC: [processes.program("alembic"), "current", "--check-heads"],
        VERIFY: [sys.executable, "-P", "-m", "stillroom.runtime", "verify"],
        BARE: [sys.executable, str(bare), embedded.url(name, "postgresql")],
    }
    found = {each: meter.Series(f"{each}, {revisions} revision{'s' if revisions > 1 else ''}") for each in contenders}
    for number in range(rounds + 1):
        for each, arguments in contenders.items():
            sample = clock.run(lambda these=arguments: processes.run(these, service.folder, variables))
            if number:
                found[each].samples.append(sample)
    return found


@dataclasses.dataclass(frozen=True)
class Answered:
    """Medians of a statement that is the first on its connection: on the clock, and of the server's processor.

    `processor` is what the kernel says that the server's process ran; the same as `clock` where it does not say.
    """

    clock: float
    processor: float


def deep(embedded: server.Embedded, rounds: int) -> dict[str, Answered]:
    """Milliseconds of `SELECT 1`, of the statement of `verify`, and of that of `verify --deep`.

    Args:
        embedded: where a database of `TABLES` tables with ten columns, a foreign key and an index each is made.
        rounds: how many connections.
    """
    name = "bench_deep"
    embedded.ensure([name])
    url = embedded.url(name)
    _noted(url, "r0000", tables_=TABLES)

    def record(conn: connection.Connection) -> None:
        tables.ensure(conn)
        taken = fingerprint.take(conn, '"alembic_version"')
        writing.record_fingerprint(conn, "public.alembic_version", ["r0000"], taken)

    connection.run(url, record, autocommit=True)
    wanted = expected.Expected("bench", ("r0000",), 1, links={"r0000": ((), ())})
    statements = {
        "SELECT 1": "SELECT 1::text",
        "verify": question.question(wanted)[0],
        "verify --deep": question.question(wanted, True)[0],
    }

    async def timed() -> dict[str, list[Answered]]:
        found: dict[str, list[Answered]] = {each: [] for each in statements}
        for _ in range(rounds):
            for each, statement in statements.items():
                one = await asyncpg.connect(embedded.url(name, "postgresql"), statement_cache_size=0)
                before = _ran(one.get_server_pid())
                begun = time.perf_counter()
                answer = await one.fetchval(statement)
                clock = (time.perf_counter() - begun) * 1000
                after = _ran(one.get_server_pid())
                found[each].append(Answered(clock, clock if before is None or after is None else after - before))
                await one.close()
                if each != "SELECT 1":
                    judge.judge(answer, wanted).need_ready()
        return found

    return {
        each: Answered(statistics.median(one.clock for one in all_), statistics.median(one.processor for one in all_))
        for each, all_ in asyncio.run(timed()).items()
    }


def _ran(pid: int) -> float | None:
    """Milliseconds that a process of this machine has run on a processor; None where the kernel does not say."""
    try:
        return int(Path(f"/proc/{pid}/schedstat").read_text(encoding="ascii").split()[0]) / 1e6
    except (OSError, ValueError, IndexError):
        return None


def _write_history(service: fleets.Service, revisions: int) -> None:
    service.empty_versions()
    folder: Path = service.versions
    for number in range(revisions):
        own, down = f"r{number:04}", f"r{number - 1:04}" if number else None
        (folder / f"{own}_.py").write_text(_REVISION.format(own=own, down=down), encoding="utf-8")


def _noted(url: str, revision: str, *, tables_: int = 1) -> None:
    """Tables, and a version table with this row."""
    columns = ", ".join(f"c{each} text DEFAULT 'x' NOT NULL" for each in range(8))

    def make(conn: connection.Connection) -> None:
        conn.exec_driver_sql("DROP TABLE IF EXISTS alembic_version")
        conn.exec_driver_sql("CREATE TABLE alembic_version (version_num varchar(32) PRIMARY KEY)")
        conn.exec_driver_sql(f"INSERT INTO alembic_version VALUES ('{revision}')")
        conn.exec_driver_sql("CREATE TABLE IF NOT EXISTS thing_0 (id serial PRIMARY KEY)")
        for each in range(1, tables_):
            conn.exec_driver_sql(
                f"CREATE TABLE IF NOT EXISTS thing_{each} (id serial PRIMARY KEY, of int REFERENCES thing_0, {columns})"
            )
            conn.exec_driver_sql(f"CREATE INDEX IF NOT EXISTS ix_{each} ON thing_{each} (of)")

    connection.run(url, make)
