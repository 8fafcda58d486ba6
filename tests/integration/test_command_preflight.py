"""`invoke preflight`, as people type it. (What each check finds is tested in test_preflight.)"""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.conftest import NewDatabase, NewRole
from tests.support import fleets, projects
from tests.support.postgres import Role


def test_a_ready_fleet_is_a_line_a_service(shop: fleets.Fleet) -> None:
    """With versions, database, tables and history; nothing on standard error, nothing touched."""
    database = shop.databases["auth"]
    with shop.untouched():
        ran = shop.run("preflight")
    assert (ran.code, ran.stderr) == (0, ""), ran.told
    auth, sales, _, shared, _, closing = ran.stdout.splitlines()
    for said in ("✓ auth ", "2 tables", "no revision yet"):
        assert said in auth
    for said in ("Python 3.", "Alembic 1.", "SQLAlchemy 2.", "asyncpg 0.", f"PostgreSQL {database.server.major}"):
        assert said in shared
        assert said not in auth + sales
    assert f"127.0.0.1:{database.server.port}/{database.name}" in auth
    assert sales.startswith("✓ sales")
    assert closing == "2 services: 2 ready"


def test_verbose_shows_every_check(auth: fleets.Fleet) -> None:
    """In their order, each with its mark."""
    ran = auth.run("preflight", "--verbose")
    assert ran.code == 0, ran.told
    checks = [line.split()[1].rstrip(":") for line in ran.stdout.splitlines() if line.startswith("    ")]
    for name in ("python", "alembic", "sqlalchemy", "driver", "greenlet", "config", "env.py", "folder", "writable"):
        assert name in checks
    for name in ("disk", "history", "models", "url", "database", "server", "pooler", "rights", "scratch"):
        assert name in checks


def test_json_has_every_finding_and_fact(auth: fleets.Fleet) -> None:
    """One document; a failing one is the same document, with exit 3."""
    ran = auth.run("preflight", "--json")
    assert ran.code == 0, ran.told
    (found,) = ran.json["services"]
    assert (ran.json["ok"], found["level"], found["facts"]["metadata_tables"]) == (True, "ok", ["account", "session"])
    auth.services["auth"].write_models("import a_package_that_nobody_has\n")
    ran = auth.run("preflight", "--json")
    assert ran.code == 3, ran.told
    (found,) = ran.json["services"]
    (error,) = [each for each in found["findings"] if each["level"] == "error"]
    assert (ran.json["ok"], found["ok"], error["check"]) == (False, False, "models")
    assert error["mend"]


def test_skip_db_check_asks_no_database(auth: fleets.Fleet) -> None:
    """The rest is looked at all the same."""
    away = {"AUTH_DATABASE_URL": "postgresql+asyncpg://me@127.0.0.1:1/nowhere"}
    assert auth.run("preflight", variables=away).code == 3
    ran = auth.run("preflight", "--skip-db-check", "--verbose", variables=away)
    assert ran.code == 0, ran.told
    assert "database: left out (--skip-db-check)" in ran.stdout
    assert "models: 2 tables" in ran.stdout


def test_warnings_do_not_fail_it(auth: fleets.Fleet) -> None:
    """Uncommitted files are one: said, with the command that mends it, and exit 0."""
    subprocess.run(["git", "init", "-q", str(auth.folder)], check=True)
    assert auth.run("regenerate").code == 0
    ran = auth.run("preflight")
    assert ran.code == 0, ran.told
    assert ran.stdout.startswith("! auth")
    assert "uncommitted changes in" in ran.stdout
    assert "→ git add " in ran.stdout
    assert ran.stdout.splitlines()[-1] == "1 service: 1 with warnings"


def test_one_broken_service_is_told_beside_sound_ones(
    shop: fleets.Fleet, tmp_path: Path, new_database: NewDatabase, new_role: NewRole, owner: Role
) -> None:
    """All its errors at once, each with its mend: two heads, a missing right, an interpreter that is none."""
    heads = [projects.revision("0001"), projects.revision("0002", "0001"), projects.revision("0003", "0001")]
    weak = new_role()
    shop.add("pos", new_database(), weak, history=heads)
    shop.add("cash", new_database(owner=owner), owner, python="/bin/true")
    shop.written()
    ran = shop.run("preflight")
    assert ran.code == 3, ran.told
    assert [line[:7].rstrip() for line in ran.stdout.splitlines() if line.startswith(("✓", "✗"))] == [
        "✓ auth",
        "✓ sales",
        "✗ pos",
        "✗ cash",
    ]
    pos = ran.stdout.partition("✗ pos")[2].partition("✗ cash")[0]
    assert "✗ history: " in pos
    assert "0002" in pos
    assert f"→ GRANT USAGE, CREATE ON SCHEMA public TO {weak.name};" in pos
    assert f"ALTER ROLE {weak.name} CREATEDB" in pos
    assert "/bin/true" in ran.stdout.partition("✗ cash")[2]
    assert "(pos, cash); nothing was touched" in ran.stderr
    assert tmp_path.exists()
