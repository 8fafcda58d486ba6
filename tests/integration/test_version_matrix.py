"""The carried runtime beside other interpreters, SQLAlchemy, Alembic and drivers: all commands, one fleet of all corners."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import pytest

from tests.support import corners, interpreters, postgres, ways

_NAMES = [each.name for each in corners.CORNERS]
_BY_NAME = dict(zip(_NAMES, corners.CORNERS, strict=True))
_SCHEMA = """
SELECT table_name::text, column_name::text, data_type::text, udt_name::text, is_nullable::text, column_default::text,
       coalesce(identity_start, generation_expression)::text
FROM information_schema.columns WHERE table_schema = 'public' AND table_name <> 'alembic_version'
UNION ALL SELECT conrelid::regclass::text, conname::text, pg_get_constraintdef(oid), '', '', '', ''
FROM pg_constraint WHERE connamespace = 'public'::regnamespace AND conname <> 'alembic_version_pkc'
UNION ALL SELECT tablename::text, indexname::text, indexdef::text, '', '', '', ''
FROM pg_indexes WHERE schemaname = 'public' AND tablename <> 'alembic_version'
UNION ALL SELECT enumtypid::regtype::text, enumlabel::text, '', '', '', '', '' FROM pg_enum
ORDER BY 1, 2, 3
"""


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory, postgres: postgres.Server) -> ways.Table:
    """What came of each corner whose interpreter is here."""
    found = interpreters.find()
    here = [each for each in corners.CORNERS if each.python in found]
    if not here:
        pytest.skip(interpreters.absent("of those that are tested"))
    try:
        pythons = interpreters.venvs([(found[each.python], each.requirements) for each in here])
    except interpreters.Unavailable as problem:
        pytest.fail(str(problem), pytrace=False)
    chosen = [corner.way(python) for corner, python in zip(here, pythons, strict=True)]
    return ways.run(chosen, tmp_path_factory.mktemp("matrix"), postgres, CHECKS)


def _preflight(fleet: ways.Fleet) -> dict[str, str]:
    def look(name: str, answer: dict[str, Any]) -> str:
        told = [f"{each['check']}: {each['message']}" for each in answer["findings"] if each["level"] in _ALARMS]
        return "; ".join(told) or _wrong_versions(_BY_NAME[name], answer["facts"]["versions"])

    return ways.judged(fleet, ["preflight"], look)


def _wrong_versions(corner: corners.Corner, versions: dict[str, str]) -> str:
    """Whether the service was run beside other libraries than it was meant to be."""
    wanted = {
        "python": corner.python + ".",
        "sqlalchemy": corner.sqlalchemy.replace("*", ""),
        "alembic": corner.alembic.replace("*", ""),
        corner.library: "",
    }
    return "" if all(versions[each].startswith(start) for each, start in wanted.items()) else str(versions)


def _check(fleet: ways.Fleet) -> dict[str, str]:
    return ways.judged(fleet, ["check"], lambda _, answer: "" if answer["ok"] else str(answer))


def _regenerate(fleet: ways.Fleet) -> dict[str, str]:
    def look(name: str, answer: dict[str, Any]) -> str:
        files = list(fleet.written[name].made.history)
        said = (
            answer["tables"],
            answer["applied"],
            len(files),
            {"upgrade", "diff", "downgrade", "again"} <= set(answer["proof"]),
        )
        return _left(fleet, name) if said == (_BY_NAME[name].tables, "upgraded", 1, True) else f"{answer} {files}"

    return ways.judged(fleet, ["regenerate", "--yes", "--apply"], look)


def _status(fleet: ways.Fleet) -> dict[str, str]:
    return ways.judged(fleet, ["status"], lambda _, answer: "" if answer["state"] == "at_head" else str(answer))


def _revision(fleet: ways.Fleet) -> dict[str, str]:
    for name, each in fleet.written.items():
        each.made.write("app/models.py", _BY_NAME[name].later)

    def look(name: str, answer: dict[str, Any]) -> str:
        return _left(fleet, name) if len(fleet.written[name].made.history) == 2 else str(answer)

    return ways.judged(fleet, ["revision", "--message", "more"], look)


def _apply(fleet: ways.Fleet) -> dict[str, str]:
    def look(name: str, answer: dict[str, Any]) -> str:
        if answer["outcome"] != "upgraded" or len(fleet.tables(name)) != _BY_NAME[name].tables + 2:
            return f"{answer['outcome']}: {fleet.tables(name)}"
        alike = next(each for each in fleet.places if _BY_NAME[each].models == _BY_NAME[name].models)
        ours, theirs = (set(fleet.places[each].database.fetch(_SCHEMA)) for each in (name, alike))
        return f"not as {alike}: {sorted(map(str, ours ^ theirs))}" if ours != theirs else ""

    return ways.judged(fleet, ["apply", "--yes"], look)


def _adopt(fleet: ways.Fleet) -> dict[str, str]:
    for place in fleet.places.values():
        place.database.execute("DROP TABLE alembic_version")

    def look(name: str, answer: dict[str, Any]) -> str:
        return _left(fleet, name) if answer["outcome"] == "stamped" else str(answer)

    return ways.judged(fleet, ["adopt", "--yes"], look)


def _cleanup(fleet: ways.Fleet) -> dict[str, str]:
    def look(name: str, answer: dict[str, Any]) -> str:
        left = fleet.tables(name)
        return f"{left} are left" if left or answer["after"]["tables"] else ""

    return ways.judged(fleet, ["cleanup", "--yes", "--skip-backup"], look)


def _left(fleet: ways.Fleet, name: str) -> str:
    return "a scratch database is left" if fleet.scratch_left(name) else ""


_ALARMS = ("warning", "error")
CHECKS: dict[str, ways.Check] = {
    "preflight": _preflight,
    "regenerate": _regenerate,
    "check": _check,
    "status": _status,
    "revision": _revision,
    "apply": _apply,
    "adopt": _adopt,
    "cleanup": _cleanup,
}
"""The commands, in the order in which they are run."""


@pytest.fixture
def cells(request: pytest.FixtureRequest, corner: str) -> dict[tuple[str, str], str]:
    """The cells of the table; skipped, and told, where a corner's interpreter is not here."""
    python = _BY_NAME[corner].python
    if python not in interpreters.find():
        pytest.skip(interpreters.absent(python))
    table: ways.Table = request.getfixturevalue("table")
    return table.cells


@pytest.mark.parametrize("command", CHECKS)
@pytest.mark.parametrize("corner", _NAMES)
def test_every_command_works_beside_every_corner(cells: dict[tuple[str, str], str], corner: str, command: str) -> None:
    """In one fleet of services with different interpreters."""
    assert cells[corner, command] == ""


def test_the_table_is_printed(table: ways.Table, record_property: Callable[[str, object], None]) -> None:
    """With every cell, whatever came of it, and which interpreters there are."""
    record_property("table", f"{interpreters.report()}\n{table}")
    assert len(table.cells) == len(table.ways) * len(CHECKS)


def test_interpreters_are_those_that_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """No other is looked for then; those that are missing are told."""
    monkeypatch.setenv(interpreters.VARIABLE, sys.executable)
    interpreters.find.cache_clear()
    try:
        (only,) = interpreters.find()
        told = interpreters.report()
    finally:
        interpreters.find.cache_clear()
    assert told.count("ABSENT") == len(interpreters.VERSIONS) - 1
    assert f"{only} ABSENT" not in told
