"""Ways in which real projects differ, and a table that shows each command at work on each of them.

    way = Way("several-variables", lambda place: Written(project(place, env=...), {"url": {...}}, {"DB_HOST": ...}))
    table = run([way, ...], folder, server)
    print(table)
    assert not table.problems

All ways are services of one fleet, so that a command is run once for all; each has a role and a database of its own.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from tests.support import postgres, program, projects

__all__ = [
    "ASYNC",
    "COMMANDS",
    "SYNC",
    "Check",
    "Fleet",
    "Place",
    "Table",
    "Way",
    "Written",
    "fleet",
    "judged",
    "project",
    "run",
]

Check = Callable[["Fleet"], dict[str, str]]
"""Runs a command for a fleet: name of a way to what is wrong, or the empty text."""

_MODELS = projects.table("product", "name: Mapped[str]")
_LATER = projects.table("product", "name: Mapped[str]", "price: Mapped[int | None]")

SYNC = """
{imports}
from alembic import context
from sqlalchemy import create_engine, pool

from app.models import Base

{before}

if context.is_offline_mode():
    context.configure(url={url}, literal_binds=True, target_metadata=Base.metadata)
    with context.begin_transaction():
        context.run_migrations()
else:
    with create_engine({url}, poolclass=pool.NullPool).connect() as connection:
        context.configure(connection=connection, target_metadata=Base.metadata{configure})
        with context.begin_transaction():
            context.run_migrations()
"""
"""An `env.py` that connects with an ordinary driver; see `project`."""

ASYNC = """
import asyncio
{imports}
from alembic import context
from sqlalchemy import pool
from sqlalchemy.ext.asyncio import create_async_engine

from app.models import Base

{before}


def run_on(connection):
    context.configure(connection=connection, target_metadata=Base.metadata{configure})
    with context.begin_transaction():
        context.run_migrations()


async def run_online():
    engine = create_async_engine({url}, poolclass=pool.NullPool)
    async with engine.connect() as connection:
        await connection.run_sync(run_on)
    await engine.dispose()


if context.is_offline_mode():
    context.configure(url={url}, literal_binds=True, target_metadata=Base.metadata)
    with context.begin_transaction():
        context.run_migrations()
else:
    asyncio.run(run_online())
"""
"""The same with asyncpg."""


@dataclasses.dataclass(frozen=True)
class Place:
    """Where a way is tried: the folder of its service, and a database of its own with the role that owns it."""

    folder: Path
    database: postgres.Database
    role: postgres.Role
    another: Callable[[], postgres.Database] = dataclasses.field(repr=False)
    """Makes one more database that the role owns."""

    @property
    def server(self) -> postgres.Server:
        """Where the database is."""
        return self.database.server

    def variable(self, name: str) -> str:
        """A variable of this service alone: `SEVERAL_VARIABLES_HOST`."""
        return f"{self.folder.name.upper().replace('-', '_')}_{name}"


@dataclasses.dataclass(frozen=True)
class Written:
    """A project that was written.

    Attributes:
        made: its files.
        settings: what the registry says about it beside its path.
        variables: of the environment in which commands are run.
        version_table: where its revisions are noted.
    """

    made: projects.Made
    settings: Mapping[str, Any]
    variables: Mapping[str, str]
    version_table: str = "alembic_version"


@dataclasses.dataclass(frozen=True)
class Way:
    """A way, and how to write a small project that goes it. The name is a service's: lower case, with dashes."""

    name: str
    write: Callable[[Place], Written]


@dataclasses.dataclass
class Table:
    """What came of each way under each command: the empty text where all was as it should be."""

    ways: Sequence[str]
    commands: Sequence[str]
    cells: dict[tuple[str, str], str] = dataclasses.field(default_factory=dict)

    @property
    def problems(self) -> dict[tuple[str, str], str]:
        """What went wrong, by way and command; a command that was not run did."""
        found = {
            (way, command): self.cells.get((way, command), "not run") for way in self.ways for command in self.commands
        }
        return {place: text for place, text in found.items() if text}

    def __str__(self) -> str:
        wide = max(map(len, self.ways))
        bad = self.problems
        lines = ["".join([" " * wide, *(f"  {command}" for command in self.commands)])]
        for way in self.ways:
            marks = [f"  {'FAILS' if (way, each) in bad else 'ok':{len(each)}}" for each in self.commands]
            lines.append(f"{way:{wide}}{''.join(marks)}")
        return "\n".join([*lines, *(f"{way}, {command}: {text}" for (way, command), text in bad.items())])


def project(
    place: Place,
    *,
    env: str = SYNC,
    url: str = "",
    imports: str = "",
    before: str = "",
    configure: str = "",
    **said: Any,
) -> projects.Made:
    """Writes a small project of one table.

    Args:
        place: where.
        env: a template of env.py, in which `{url}`, `{imports}`, `{before}` and `{configure}` are replaced.
        url: an expression that gives the URL.
        imports: lines before all others.
        before: lines before the metadata is used.
        configure: further arguments of `context.configure`, with a comma before.
        said: see `projects.make_service`.
    """
    text = env
    for name, value in (("url", url), ("imports", imports), ("before", before), ("configure", configure)):
        text = text.replace("{" + name + "}", value)
    return projects.make_service(place.folder, models=_MODELS, env=text, **said)


def run(ways: Sequence[Way], folder: Path, server: postgres.Server, checks: Mapping[str, Check] | None = None) -> Table:
    """Runs every command on every way, each on a database of its own on this server.

    Args:
        ways: what its services are.
        folder: where the fleet is written.
        server: where their databases are.
        checks: the commands in their order, and what has to come of each; by default `COMMANDS`.
    """
    with fleet(ways, folder, server) as made:
        table = Table(list(made.places), tuple(checks or _CHECKS))
        for command, check in (checks or _CHECKS).items():
            for name, problem in check(made).items():
                table.cells[name, command] = problem
        for name, place in made.places.items():
            if place.role.password in made.said:
                table.cells[name, table.commands[0]] = "its password was printed"
        return table


# One fleet, a service a way


@dataclasses.dataclass
class Fleet:
    """The ways as services.

    Attributes:
        said: all that commands printed.
    """

    program: program.Program
    places: dict[str, Place]
    written: dict[str, Written]
    said: str = ""

    def answers(self, *arguments: str) -> dict[str, Any]:
        """Runs a command for all; each service's answer by name, an empty one where there is none."""
        ran = self.program.run(*arguments, "--json")
        self.said += ran.stdout + ran.stderr
        try:
            found = {each["name"]: each for each in ran.json["services"]}
        except (ValueError, KeyError):
            found = {name: {"ok": False, "error": {"code": "?", "message": ran.told}} for name in self.places}
        return {
            name: found.get(name, {"ok": False, "error": {"code": "?", "message": ran.told}}) for name in self.places
        }

    def tables(self, name: str) -> list[str]:
        """The tables that really are in a way's database."""
        rows = self.places[name].database.fetch("SELECT tablename::text FROM pg_tables WHERE schemaname = 'public'")
        return sorted(row[0] for row in rows)

    def scratch_left(self, name: str) -> bool:
        """Whether a scratch database of a way's role is still there."""
        statement = "SELECT 1 FROM pg_database WHERE datname LIKE 'stillroom%%' AND pg_get_userbyid(datdba) = %s"
        return bool(self.places[name].server.fetch(statement, [self.places[name].role.name]))


@contextlib.contextmanager
def fleet(ways: Sequence[Way], folder: Path, server: postgres.Server, database: str = "environment") -> Iterator[Fleet]:
    """A fleet with a service for each way.

    Args:
        ways: what its services are.
        folder: where it is written.
        server: where the services' databases are made; dropped after the block.
        database: which ones are used, as the registry has it: these, or those of the `embedded` server.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as cleanup:
        places: dict[str, Place] = {}
        for way in ways:
            role = server.create_role("CREATEDB")
            cleanup.callback(server.drop_role, role)
            another = functools.partial(_database, server, role, cleanup)
            places[way.name] = Place(folder / way.name, another(), role, another)
        written = {way.name: way.write(places[way.name]) for way in ways}
        variables = {name: value for each in written.values() for name, value in each.variables.items()}
        said = {
            "environments": {"local": {"target": "local", "database": database}},
            "services": {
                name: {"path": name, "models": "app.models", **each.settings} for name, each in written.items()
            },
        }
        (folder / "services.yaml").write_text(yaml.safe_dump(said, sort_keys=False))
        (folder / "tasks.py").write_text("from stillroom.tasks import namespace\n")
        yield Fleet(program.Program(folder, variables), places, written)


def _database(server: postgres.Server, role: postgres.Role, cleanup: contextlib.ExitStack) -> postgres.Database:
    database = server.create_database(owner=role)
    cleanup.callback(server.drop_database, database.name)
    return database


# What has to come of each command: name of a way -> what is wrong, or the empty text


def _preflight(fleet: Fleet) -> dict[str, str]:
    def look(name: str, answer: dict[str, Any]) -> str:
        told = [f"{each['check']}: {each['message']}" for each in answer["findings"] if each["level"] in _ALARMS]
        right = str(answer["facts"].get("address", "")).endswith(f"/{fleet.places[name].database.name}")
        return "; ".join(told) or ("" if right else f"looked at {answer['facts'].get('address')}")

    return judged(fleet, ["preflight"], look)


def _regenerate(fleet: Fleet) -> dict[str, str]:
    def look(name: str, answer: dict[str, Any]) -> str:
        if answer["tables"] != 1 or len(fleet.written[name].made.history) > 1:
            return f"generated {answer['tables']} tables in {list(fleet.written[name].made.history)}"
        touched = fleet.tables(name)
        left = "a scratch database is left" if fleet.scratch_left(name) else ""
        return f"its own database has {touched}" if touched else left

    return judged(fleet, ["regenerate", "--yes", "--ignore-preflight"], look)


def _status(fleet: Fleet) -> dict[str, str]:
    return judged(fleet, ["status"], lambda _, answer: "" if answer["state"] == "empty" else str(answer))


def _apply(fleet: Fleet) -> dict[str, str]:
    def look(name: str, answer: dict[str, Any]) -> str:
        tables = fleet.tables(name)
        wanted = sorted(["product", fleet.written[name].version_table])
        return "" if (answer["outcome"], tables) == ("upgraded", wanted) else f"{answer['outcome']}: {tables}"

    return judged(fleet, ["apply", "--yes"], look)


def _verify(fleet: Fleet) -> dict[str, str]:
    def look(_: str, answer: dict[str, Any]) -> str:
        return "" if (answer["state"], answer["deep"]) == ("at_head", True) else str(answer)

    return judged(fleet, ["verify", "--deep"], look)


def _history(fleet: Fleet) -> dict[str, str]:
    def look(_: str, answer: dict[str, Any]) -> str:
        return "" if [each["outcome"] for each in answer["runs"]] == ["done"] else str(answer)

    return judged(fleet, ["history"], look)


def _adopt(fleet: Fleet) -> dict[str, str]:
    for name, place in fleet.places.items():
        place.database.execute(f'DROP TABLE IF EXISTS "{fleet.written[name].version_table}"')

    def look(name: str, answer: dict[str, Any]) -> str:
        stamped = answer["outcome"] == "stamped" and fleet.written[name].version_table in fleet.tables(name)
        return "" if stamped and not fleet.scratch_left(name) else f"{answer['outcome']}: {fleet.tables(name)}"

    return judged(fleet, ["adopt", "--yes"], look)


def _revision(fleet: Fleet) -> dict[str, str]:
    for each in fleet.written.values():
        each.made.write_models(_LATER)

    def look(name: str, answer: dict[str, Any]) -> str:
        right = answer["operations"] == 1 and len(fleet.written[name].made.history) == 2
        return "" if right and not fleet.scratch_left(name) else str(answer)

    return judged(fleet, ["revision", "--message", "price", "--ignore-preflight"], look)


def _cleanup(fleet: Fleet) -> dict[str, str]:
    def look(name: str, answer: dict[str, Any]) -> str:
        left = fleet.tables(name)
        return f"{left} are left" if left or answer["after"]["tables"] else ""

    return judged(fleet, ["cleanup", "--yes", "--skip-backup"], look)


def judged(fleet: Fleet, arguments: Sequence[str], look: Callable[[str, dict[str, Any]], str]) -> dict[str, str]:
    """Runs a command for all and looks at each answer: what is wrong by name, the empty text where nothing is."""
    found = {}
    for name, answer in fleet.answers(*arguments).items():
        error = answer.get("error")
        if error is not None:
            found[name] = f"{error['code']}: {error['message']}"
        elif answer.get("warnings"):
            found[name] = f"warns: {answer['warnings']}"
        else:
            found[name] = _looked(look, name, answer)
    return found


def _looked(look: Callable[[str, dict[str, Any]], str], name: str, answer: dict[str, Any]) -> str:
    try:
        return look(name, answer)
    except (KeyError, TypeError):
        return f"another answer than it should be: {answer}"


_ALARMS = ("warning", "error")
_CHECKS: dict[str, Check] = {
    "preflight": _preflight,
    "regenerate": _regenerate,
    "status": _status,
    "apply": _apply,
    "verify": _verify,
    "history": _history,
    "adopt": _adopt,
    "revision": _revision,
    "cleanup": _cleanup,
}
COMMANDS = tuple(_CHECKS)
"""The commands, in the order in which they are run."""
