"""What goes wrong for people, each by its own cause: the message names it, and the mend is a line to run or to change.

The first are the cases of the scripts' own troubleshooting: empty migrations, a cleanup without rights (see
test_command_cleanup), models that do not import, no migration file, an empty file, files that do not arrive.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from tests.conftest import NewDatabase
from tests.integration.conftest import SHOP
from tests.support import fleets, projects
from tests.support.postgres import Role

LEFT_OUT = "include_object=lambda *_: False"


def one(tmp_path: Path, database: object, owner: Role, **said: object) -> fleets.Fleet:
    """A fleet of one service, as it is said."""
    return fleets.Fleet(tmp_path / "shop").add("auth", database, owner, **said).written()  # type: ignore[arg-type]


def test_tables_that_exist_already_make_no_empty_migration(auth: fleets.Fleet, owner: Role) -> None:
    """The scripts' root cause: a database that create_all() filled. Generation does not even look at it."""
    auth.databases["auth"].execute("CREATE TABLE account (id int PRIMARY KEY, email text)", role=owner)
    catalogs = auth.catalogs()
    ran = auth.run("regenerate")
    assert ran.code == 0, ran.told
    assert "op.create_table('account'" in next(iter(auth.history("auth").values()))
    assert auth.catalogs() == catalogs
    applied = auth.run("apply", "--yes")
    assert applied.code in (1, 4), applied.told
    assert "invoke cleanup --service auth" in applied.stderr


def test_a_baseline_that_would_be_empty_is_refused_by_name(
    tmp_path: Path, new_database: NewDatabase, owner: Role
) -> None:
    """With what in env.py leaves the tables out; nothing is written."""
    fleet = one(tmp_path, new_database(owner=owner), owner, models=SHOP, configure=LEFT_OUT)
    with fleet.untouched():
        ran = fleet.run("regenerate")
        assert ran.code == 1, ran.told
        assert "the metadata holds 2 tables, but the baseline is empty" in ran.stderr
        assert "include_object" in ran.stderr


@pytest.mark.parametrize(
    ("models", "message", "mend"),
    [
        ("import a_package_that_nobody_has\n", "a_package_that_nobody_has", "pip install a_package_that_nobody_has"),
        ("def broken(:\n", "app/models.py:17", "mend"),
        ("\n", "0 tables", "models"),
        ("import os\nos.environ['STRIPE_KEY']\n", "STRIPE_KEY", "STRIPE_KEY"),
        ("raise SystemExit(3)\n", "SystemExit", "app/models.py:17"),
    ],
    ids=["missing-package", "syntax", "no-tables", "missing-variable", "exits"],
)
def test_models_that_do_not_import_are_found_by_preflight(
    tmp_path: Path, new_database: NewDatabase, owner: Role, models: str, message: str, mend: str
) -> None:
    """Where, and what to do; exit 3, and nothing was touched."""
    fleet = one(tmp_path, new_database(owner=owner), owner, models=models)
    with fleet.untouched():
        ran = fleet.run("regenerate")
        assert ran.code == 3, ran.told
        assert message in ran.stderr
        assert mend in ran.stderr
        assert "Traceback" not in ran.stderr


def test_a_history_with_an_empty_file_is_told(tmp_path: Path, new_database: NewDatabase, owner: Role) -> None:
    """0 bytes, as `kubectl cp` leaves them: preflight names the file."""
    fleet = one(tmp_path, new_database(owner=owner), owner, models=SHOP, history={"0001_initial.py": ""})
    ran = fleet.run("preflight")
    assert ran.code == 3, ran.told
    assert "0001_initial.py" in ran.stdout
    assert "empty" in ran.stdout


def test_a_hardcoded_url_is_stopped_before_a_statement(tmp_path: Path, new_database: NewDatabase, owner: Role) -> None:
    """An env.py that connects elsewhere is refused, naming where to and the variable to read; that place is untouched."""
    elsewhere = new_database(owner=owner)
    env = projects.ENV.replace('os.environ["{url_variable}"], poolclass', f'"{elsewhere.url(role=owner)}", poolclass')
    fleet = one(tmp_path, new_database(owner=owner), owner, models=SHOP, env=env)
    fleet.databases["elsewhere"] = elsewhere
    with fleet.untouched():
        ran = fleet.run("regenerate", "--ignore-preflight")
        assert ran.code in (1, 4), ran.told
        assert f"127.0.0.1:{elsewhere.server.port}/{elsewhere.name}" in ran.stderr
        assert "AUTH_DATABASE_URL" in ran.stderr
        assert owner.password not in ran.stderr


@pytest.mark.skipif(os.geteuid() == 0, reason="no machine runs this as root: root may write anywhere")
def test_a_folder_that_cannot_be_written_is_found_before_the_run(auth: fleets.Fleet) -> None:
    """Files that do not arrive: preflight tries, and says how to mend it."""
    versions = auth.services["auth"].versions
    versions.chmod(stat.S_IRUSR | stat.S_IXUSR)
    try:
        ran = auth.run("regenerate")
        assert ran.code == 3, ran.told
        assert f"no file can be made in {versions}" in ran.stderr
        assert "chmod u+w" in ran.stderr
    finally:
        versions.chmod(stat.S_IRWXU)


def test_a_missing_folder_is_named_with_the_command_that_makes_it(auth: fleets.Fleet) -> None:
    """Exit 3; and made by it, the run goes through."""
    versions = auth.services["auth"].versions
    versions.rmdir()
    ran = auth.run("regenerate")
    assert ran.code == 3, ran.told
    assert f"mkdir -p {versions}" in ran.stderr
    versions.mkdir()
    assert auth.run("regenerate").code == 0


def test_what_the_database_says_no_to_is_told_by_kind(auth: fleets.Fleet) -> None:
    """No server, no database, a wrong password: each with what to look at."""
    url = auth.program.variables["AUTH_DATABASE_URL"]
    head, _, _ = url.rpartition("/")
    password = auth.roles["auth"].password
    cases = {
        f"{head}/not_there": ("has no database 'not_there'", "createdb"),
        url.replace(f":{password}@", ":wrong@"): (
            "password authentication failed",
            "Check user and password of the URL",
        ),
        "postgresql+asyncpg://me@127.0.0.1:1/x": ("No PostgreSQL answers for 127.0.0.1:1/x", "pg_isready"),
        "mysql://me@127.0.0.1/x": ("AUTH_DATABASE_URL", "postgresql"),
    }
    for wrong, (message, mend) in cases.items():
        ran = auth.run("preflight", variables={"AUTH_DATABASE_URL": wrong})
        assert ran.code == 3, ran.told
        assert message in ran.stdout, ran.told
        assert mend in ran.stdout, ran.told
        assert password not in ran.stdout + ran.stderr


def test_services_that_end_hang_or_shout_are_told_apart(tmp_path: Path, new_database: NewDatabase, owner: Role) -> None:
    """A crash, a hang past the limit and a flood of output, in three services at once: the third is survived."""
    fleet = fleets.Fleet(tmp_path / "shop")
    crash = "import os\nos.kill(os.getpid(), 9)\n"
    shout = SHOP + "\nimport sys\nfor _ in range(30000):\n    print('x' * 200)\n    print('y' * 200, file=sys.stderr)\n"
    fleet.add("crashes", new_database(owner=owner), owner, models=crash)
    fleet.add("hangs", new_database(owner=owner), owner, models="import time\ntime.sleep(600)\n", time_limit=2)
    fleet.add("shouts", new_database(owner=owner), owner, models=shout)
    fleet.written()
    ran = fleet.run("regenerate", "--ignore-preflight", "--json", "--yes")
    assert ran.code == 1, ran.told[-3000:]
    crashed, hung, shouted = ran.json["services"]
    assert (crashed["error"]["code"], "signal 9" in crashed["error"]["message"]) == ("answer-lost", True)
    assert hung["error"]["code"] in ("terminated", "time-limit")
    assert "time_limit" in hung["error"]["mend"]
    assert shouted["ok"]
    assert fleet.leftovers() == []
