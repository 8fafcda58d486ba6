"""Preflight judges: what was seen goes in as values, findings come out. And how they are shown."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from stillroom import fleet, git, preflight
from stillroom.people import findings as people
from stillroom.registry import model
from stillroom.reports import CHECKS, Finding, Report
from stillroom.runtime import faults
from stillroom.runtime.connections import urls
from stillroom.runtime.generation import extensions
from stillroom.runtime.projects import project
from stillroom.runtime.readiness import (
    preflight_database,
    preflight_findings,
    preflight_project,
    preflight_rights,
    preflight_versions,
)

MEGABYTE = 1024 * 1024
FACTS: dict[str, Any] = {
    "version": "16.3 (Debian 16.3-1)",
    "version_num": 160003,
    "address": "10.0.0.5",
    "port": 5432,
    "database": "Shop",
    "role": "shop-app",
    "pid": 100,
    "default_schema": "public",
    "search_path": '"$user", public',
    "standby": False,
    "read_only": False,
    "superuser": False,
    "createdb": False,
    "database_owner": "dba",
    "create_schema": False,
    "schemas": {"public": {"owner": "pg_database_owner", "usage": True, "create": True, "tables": 0}},
    "others_tables": [],
    "version_tables": [],
    "extensions": {"plpgsql": "1.0"},
    "trusted_extensions": [],
}


def seen(**changes: Any) -> dict[str, Any]:
    """What preflight_state.sql tells, with changes."""
    return {**FACTS, **changes}


def levels(found: preflight_findings.Findings) -> list[tuple[str, str]]:
    """(check, level) of each finding."""
    return [(each["check"], each["level"]) for each in found.to_list()]


def state(facts: dict[str, Any], *, told: int | None = 100, pooler: str | None = None) -> preflight_database.State:
    """The state of a server, as it was seen."""
    return preflight_database.State(urls.Address("pool", 6432, "Shop"), facts, 1.0, 1.0, told, {}, None, pooler)


# The runtime's judges


@pytest.mark.parametrize(
    ("free", "level"),
    [(preflight_project.ALMOST_FULL, "ok"), (preflight_project.ALMOST_FULL - 1, "warning"), (9 * MEGABYTE, "error")],
)
def test_disk_space_is_judged_by_what_is_left(free: int, level: str) -> None:
    """At the place that has the least."""
    found = preflight_findings.Findings()
    preflight_project.judge_disk(found, [("a", "/a", 10**12), ("b", "/b", free)])
    assert levels(found) == [("disk", level)]


def test_a_check_that_fails_does_not_hide_the_next() -> None:
    """Neither by a fault nor by a bug; the bug has its traceback along."""
    found = preflight_findings.Findings()
    with found.checking("one"):
        raise faults.ProjectFault("some-code", "said", "do", detail="long", data={"x": 1})
    with found.checking("two"):
        raise ZeroDivisionError("oh\nmore")
    with found.checking("three"):
        found.ok("three", "fine")
    one, two, three = found.to_list()
    assert one == {
        "check": "one",
        "level": "error",
        "message": "said",
        "mend": "do",
        "data": {"x": 1, "code": "some-code", "detail": "long"},
    }
    assert "ZeroDivisionError: oh" in two["message"] and "Traceback" in two["data"]["detail"]
    assert three["level"] == "ok"


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        (FACTS, [("database", "ok"), ("server", "ok"), ("pooler", "ok")]),
        (seen(version="12.9", version_num=120009), [("database", "ok"), ("server", "warning"), ("pooler", "ok")]),
        (
            seen(standby=True, read_only=True),
            [("database", "ok"), ("server", "ok"), ("primary", "error"), ("pooler", "ok")],
        ),
    ],
)
def test_a_server_is_judged(facts: dict[str, Any], expected: list[tuple[str, str]]) -> None:
    """Its version; whether it is a standby (said once, not as read-only, too)."""
    found = preflight_findings.Findings()
    preflight_database.judge_server(found, state(facts), "SHOP_URL")
    assert levels(found) == expected


@pytest.mark.parametrize(
    ("pooler", "word"), [("transaction", "in transaction mode"), ("session", "session mode"), ("", "could not be told")]
)
def test_a_pooler_is_a_warning_that_names_the_server(pooler: str, word: str) -> None:
    """The variable and the address to put there."""
    found = preflight_findings.Findings()
    preflight_database.judge_server(found, state(FACTS, told=7, pooler=pooler), "SHOP_URL")
    finding = found.to_list()[-1]
    assert finding["level"] == "warning" and word in finding["message"]
    assert "SHOP_URL" in finding["mend"] and "10.0.0.5:5432" in finding["mend"]


def test_a_driver_that_does_not_tell_is_no_proof_of_no_pooler() -> None:
    """Skipped, not ok."""
    found = preflight_findings.Findings()
    preflight_database.judge_server(found, state(FACTS, told=None), "SHOP_URL")
    assert levels(found)[-1] == ("pooler", "skipped")


@pytest.mark.parametrize(
    ("default", "path", "expected"),
    [
        ("shop", "x", "shop"),
        (None, '"$user", public', "public"),
        (None, '"$user", "Odd", public', "Odd"),
        (None, '""', "public"),
    ],
)
def test_the_default_schema_is_the_first_of_the_path_where_none_is_usable(
    default: str | None, path: str, expected: str
) -> None:
    """current_schema() is NULL for a role without USAGE, which is what is to be reported."""
    assert preflight_database.default_schema(seen(default_schema=default, search_path=path)) == expected


def test_missing_rights_on_a_schema_name_the_statement_with_quoted_names() -> None:
    """An odd role and an odd schema; only the owner pg_database_owner has the other remedy."""
    no = {"usage": True, "create": False, "tables": 0}
    facts = seen(schemas={"public": {"owner": "pg_database_owner", **no}, "Odd": {"owner": "dba", **no}})
    found = preflight_findings.Findings()
    preflight_rights.judge_schemas(found, facts, [None, "Odd"], "db:1/Shop")
    public, odd = found.to_list()
    assert public["mend"] == (
        'GRANT USAGE, CREATE ON SCHEMA public TO "shop-app"; (or: ALTER DATABASE "Shop" OWNER TO "shop-app";)'
    )
    assert odd["mend"] == 'GRANT USAGE, CREATE ON SCHEMA "Odd" TO "shop-app";'
    assert "lacks CREATE on it" in odd["message"]


def test_only_the_tables_of_the_service_count_as_others() -> None:
    """By its metadata; by its schemas where that is not known. Each is named, in order, with the line that mends it."""
    facts = seen(others_tables=[["public", "orders", "dba"], ["public", "foreign", "dba"], ["pos", "till", "dba"]])
    for own, expected in (
        ({"orders", "pos.till"}, ["pos.till", "public.orders"]),
        (None, ["public.foreign", "public.orders"]),
    ):
        found = preflight_findings.Findings()
        preflight_rights.judge_tables(found, facts, own, [None], "db")
        (finding,) = found.to_list()
        assert finding["data"]["tables"] == expected
        lines = " ".join(f'ALTER TABLE {name} OWNER TO "shop-app";' for name in expected)
        assert finding["mend"] == f'{lines} (or: GRANT dba TO "shop-app";)'
    found = preflight_findings.Findings()
    preflight_rights.judge_tables(found, facts, {"mine"}, [None], "db")
    assert found.to_list() == []


@pytest.mark.parametrize(
    ("createdb", "scratch", "expected"),
    [
        (True, preflight_rights.Scratch(), ["create", "ok"]),
        (True, preflight_rights.Scratch(given="S", server_version="16.1"), ["given", "ok"]),
        (True, preflight_rights.Scratch(server=True, server_version="18.4"), ["embedded", "ok", "warning"]),
        (False, preflight_rights.Scratch(), [None, "error"]),
        (False, preflight_rights.Scratch(given="S", server_version="16.1"), ["given", "warning"]),
        (False, preflight_rights.Scratch(server=True, server_version="18.4"), ["embedded", "warning", "warning"]),
        (True, preflight_rights.Scratch(given="S", problem="full", mend="empty it"), [None, "error"]),
    ],
)
def test_scratch_databases_are_an_error_only_where_none_is_to_be_had(
    createdb: bool, scratch: preflight_rights.Scratch, expected: list[str | None]
) -> None:
    """And a declared one that can't be used is not passed over in silence."""
    found = preflight_findings.Findings()
    strategy = preflight_rights.judge_scratch(found, seen(createdb=createdb), scratch)
    assert [strategy, *(each["level"] for each in found.to_list())] == expected


@pytest.mark.parametrize(
    ("available", "trusted", "superuser", "database_right", "beside", "expected"),
    [
        ({}, [], True, True, True, "error"),
        ({"x": None}, [], True, False, True, "ok"),
        ({"x": None}, ["x"], False, True, True, "ok"),
        ({"x": None}, ["x"], False, False, True, "error"),
        ({"x": None}, [], False, True, True, "error"),
        ({"x": "1.0"}, [], False, False, True, "warning"),
        ({"x": "1.0"}, [], False, False, False, "ok"),
        ({"x": "1.0"}, ["x"], False, False, True, "ok"),
    ],
)
def test_extensions_are_judged_by_who_may_install_them_where(
    available: dict[str, str | None],
    trusted: list[str],
    superuser: bool,
    database_right: bool,
    beside: bool,
    expected: str,
) -> None:
    """In the service's database, and in a scratch database that the role itself makes."""
    facts = seen(extensions=available, trusted_extensions=trusted, superuser=superuser, create_schema=database_right)
    found = preflight_findings.Findings()
    preflight_rights.judge_extensions(found, facts, {"x": "table t"}, scratch_beside=beside)
    assert levels(found) == [("extensions", expected)]


def test_extensions_are_read_from_types_functions_history_and_registry() -> None:
    """But for what every database has."""
    metadata = sa.MetaData()
    sa.Table("a", metadata, sa.Column("id", sa.Uuid, server_default=sa.text("uuid_generate_v4()")))
    sa.Table(
        "b", metadata, sa.Column("mail", postgresql.CITEXT), sa.Column("tags", postgresql.ARRAY(postgresql.HSTORE))
    )
    needed = extensions.needed(["vector"], [metadata], {"pg_trgm": "0001_.py", "plpgsql": "0001_.py"})
    assert needed == {
        "vector": "declared in services.yaml",
        "uuid-ossp": "table a",
        "citext": "table b",
        "hstore": "table b",
        "pg_trgm": "0001_.py",
    }


@pytest.mark.parametrize(
    ("url", "driver"),
    [
        ("postgresql+asyncpg://h/d", "asyncpg"),
        ("postgresql+psycopg_async://h/d", "psycopg"),
        ("postgresql://h/d", None),
        ("nonsense", None),
    ],
)
def test_the_driver_is_read_from_the_url_without_sqlalchemy(url: str, driver: str | None) -> None:
    """It is looked at before SQLAlchemy is known to import."""
    assert preflight_versions.driver_of(url) == driver


@pytest.mark.parametrize(
    ("rows", "neighbours", "level"),
    [
        ([], False, "ok"),
        ([("public", "alembic_version", True)], False, "ok"),
        ([("public", "alembic_version", False)], False, "error"),
        ([("other", "alembic_version", True)], False, "warning"),
        ([("other", "alembic_version", True)], True, "ok"),
    ],
)
def test_the_version_table_is_judged_by_its_full_name(
    rows: list[tuple[str, str, bool]], neighbours: bool, level: str
) -> None:
    """Another one is a neighbour's, where there is one."""
    tables = [{"schema": s, "name": n, "width": 32, "read": True, "write": write} for s, n, write in rows]
    found = preflight_findings.Findings()
    preflight_rights.judge_version_table(
        found, seen(version_tables=tables), project.VersionTable(), (), neighbours=neighbours, where="db"
    )
    assert levels(found) == [("version table", level)]


# The operator side's judges

HERE = preflight.Here(True, Path("/shop/versions"))


def errors_of(findings: list[dict[str, Any]], here: preflight.Here) -> list[tuple[str, str]]:
    """(check, code) of the errors in the report."""
    report = preflight.judge("shop", findings, {}, here)
    return [(each.check, str(each.data.get("code"))) for each in report.errors]


def test_findings_of_both_sides_come_in_the_order_of_the_checks() -> None:
    """Whoever made them; one that is unknown here comes last."""
    wire = [{"check": name, "level": "ok", "message": ""} for name in ("scratch", "strange", "python")]
    report = preflight.judge("shop", wire, {"heads": []}, HERE)
    assert [each.check for each in report.findings] == ["python", "writable", "uncommitted", "scratch", "strange"]
    assert report.level == "ok" and report.facts == {"heads": []}
    assert len(CHECKS) == len(set(CHECKS))


def test_what_the_runtime_has_said_of_the_same_files_is_not_said_twice() -> None:
    """Local: one error for one cause. Elsewhere: the folder here is another one."""
    folder = {"check": "folder", "level": "error", "message": "missing"}
    here = dataclasses.replace(HERE, unwritable="No such file or directory")
    assert errors_of([folder], here) == [("folder", "None")]
    assert errors_of([folder], dataclasses.replace(here, local=False)) == [
        ("folder", "None"),
        ("writable", "not-writable"),
    ]
    problem = faults.ProjectFault("config-missing", "none", "make one")
    assert errors_of([{"check": "config", "level": "error"}], preflight.Here(True, problem=problem)) == [
        ("config", "None")
    ]
    assert errors_of([], preflight.Here(False, problem=problem)) == [("folder", "config-missing")]


def test_an_unreachable_service_keeps_what_is_known_on_this_side() -> None:
    """The folder is here, whatever the target says."""
    report = preflight.judge(
        "shop",
        [
            {
                "check": "target",
                "level": "error",
                "message": "gone",
                "mend": "start it",
                "data": {"code": "interpreter-missing"},
            }
        ],
        {},
        dataclasses.replace(HERE, changes=git.Changes((" M a.py",), Path("/shop"))),
    )
    assert [(each.check, each.level) for each in report.findings] == [
        ("target", "error"),
        ("writable", "ok"),
        ("uncommitted", "warning"),
    ]


def test_uncommitted_files_are_named_shortly() -> None:
    """By name and state; what is new and no revision does not count, and neither does what Python leaves behind."""
    of_no_account = ("?? m/v/.gitkeep", "?? m/v/__pycache__/1_.cpython-311.pyc", "?? m/v/1_.pyc")
    for files, message in (
        (of_no_account, "nothing uncommitted in the migrations folder"),
        (
            (" M m/v/1_.py", "?? m/v/2_.py", " D m/v/3_.py", "M  m/v/4_.py", *of_no_account),
            f"uncommitted changes in {HERE.folder}: 1_.py, 2_.py (new), 3_.py (deleted) and 1 more",
        ),
        ((" D m/v/.gitkeep",), f"uncommitted changes in {HERE.folder}: .gitkeep (deleted)"),
    ):
        report = preflight.judge("shop", [], {}, dataclasses.replace(HERE, changes=git.Changes(files, Path("/shop"))))
        (finding,) = [each for each in report.findings if each.check == "uncommitted"]
        assert finding.message == message
        assert finding.mend == ("" if finding.level == "ok" else f"git add {HERE.folder} && git commit")


def service(name: str, *shares_with: str) -> model.Service:
    """A service of which only the name and the neighbours matter."""
    values: dict[str, Any] = dict.fromkeys(field.name for field in dataclasses.fields(model.Service))
    return model.Service(**{**values, "name": name, "env": {}, "models": ("app.models",), "shares_with": shares_with})


def report(name: str, address: str, table: str) -> Report:
    """A report with the facts that neighbours are judged by."""
    place, _, database = address.partition("/")
    host, _, port = place.partition(":")
    facts = {"address": address, "host": host, "port": int(port), "database": database, "version_table": table}
    return Report(name, (), facts)


def test_neighbours_are_judged_by_database_and_version_table() -> None:
    """One table for two is an error for both; a database that nobody declared as shared is a warning; else nothing."""
    services = [service("a", "b", "c"), service("b", "a", "c"), service("d"), service("e"), service("f")]
    reports = {
        "a": report("a", "h:1/x", "public.v"),
        "b": report("b", "h:1/x", "public.v"),
        "d": report("d", "h:1/y", "public.d"),
        "e": report("e", "h:1/y", "public.e"),
        "f": report("f", "h:1/z", "public.v"),
    }
    found = preflight.judge_neighbours(services, reports, {"c": "public.v"})
    told = {name: [(each.level, each.data["with"]) for each in some] for name, some in found.items() if some}
    assert told == {
        "a": [("error", "b"), ("error", "c")],
        "b": [("error", "a"), ("error", "c")],
        "d": [("warning", "e")],
        "e": [("warning", "d")],
    }


# How it is shown

FACTS_SHOWN = {
    "versions": {
        "python": "3.11.7",
        "alembic": "1.20.1",
        "sqlalchemy": "2.1.9",
        "asyncpg": "0.32.0",
        "greenlet": "3.5",
    },
    "driver": "asyncpg",
    "server_version": "18.1",
    "address": "127.0.0.1:5433/auth",
    "metadata_tables": ["a", "b", "c", "d", "e"],
    "files": [{"name": "x.py"}],
    "heads": ["x"],
}


def test_a_service_that_is_well_is_one_line() -> None:
    """What it runs on, where its database is, what it has."""
    ((level, line),) = people.lines(Report("auth", (Finding("python", "ok", "fine"),), FACTS_SHOWN), 6)
    assert level == "ok"
    assert line == (
        "✓ auth    Python 3.11.7 · Alembic 1.20.1 · SQLAlchemy 2.1.9 · asyncpg 0.32.0 · PostgreSQL 18.1 · "
        "127.0.0.1:5433/auth · 5 tables · 1 revision, 1 head"
    )


def test_what_needs_a_person_stands_below_with_its_mend() -> None:
    """The rest only if asked for; the service's name is not said twice."""
    some = Report(
        "auth",
        (
            Finding("python", "ok", "fine"),
            Finding("models", "error", "auth: broken", "mend it", {"detail": "Trace\nback"}),
            Finding("git", "skipped", "none"),
        ),
    )
    assert [line for _, line in people.lines(some)] == ["✗ auth", "    ✗ models: broken", "      → mend it"]
    assert [line for _, line in people.lines(some, verbose=True)] == [
        "✗ auth",
        "    ✓ python: fine",
        "    ✗ models: broken",
        "      → mend it",
        "        Trace",
        "        back",
        "    - git: none",
    ]


def test_the_end_counts_services_and_the_document_says_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    """A warning leaves a service ok; an error does not."""
    made = [
        Report("a", ()),
        Report("b", (Finding("uncommitted", "warning", "w"),)),
        Report("c", (Finding("models", "error", "e", data={"code": "x"}),)),
    ]
    outcomes = [fleet.Outcome(service(each.service), 0.1234, each) for each in made]
    people.show(outcomes, verbose=False)
    assert capsys.readouterr().out.endswith("\n3 services: 1 ready, 1 with warnings, 1 with errors\n")
    document = people.document("local", outcomes)
    assert (document["command"], document["environment"], document["ok"]) == ("preflight", "local", False)
    assert [(each["name"], each["ok"], each["level"]) for each in document["services"]] == [
        ("a", True, "ok"),
        ("b", True, "warning"),
        ("c", False, "error"),
    ]
    assert document["services"][2]["findings"][0]["data"] == {"code": "x"}
