"""Limits on the service's own connections: set and kept, revision by revision; who blocks is said, and it is tried again."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from stillroom.runtime import faults
from stillroom.runtime.migrating import settings
from tests.conftest import NewDatabase
from tests.integration.test_runtime_migrate_lock import HERE, SYNC, until
from tests.support import asking, projects
from tests.support.postgres import Database

NOTE = """
for name in ('lock_timeout', 'statement_timeout', 'client_connection_check_interval'):
    op.execute(f"INSERT INTO seen SELECT '{revision}', '{name}', setting FROM pg_settings WHERE name = '{name}'")
"""
FIRST = projects.revision(
    "0001",
    upgrade="op.execute('CREATE TABLE seen (revision text, name text, setting text)')\n"
    "op.create_table('product', sa.Column('id', sa.Integer, primary_key=True))\n" + NOTE,
)
ALTER = projects.revision("0002", "0001", upgrade="op.execute('ALTER TABLE product ADD COLUMN name text')")


@pytest.fixture(scope="module")
def ask() -> Iterator[asking.Asker]:
    """Asks for operations."""
    asker = asking.Asker()
    yield asker
    asker.close()


@pytest.fixture
def database(new_database: NewDatabase) -> Database:
    """An empty database."""
    return new_database()


def declaring(revision: projects.Revision, *lines: str) -> projects.Revision:
    """The revision, with lines of its own in its file."""
    text = revision.text.replace("\ndepends_on = None\n", "\ndepends_on = None\n" + "\n".join(lines) + "\n")
    return projects.Revision(revision.id, text, revision.name)


@pytest.mark.parametrize("driver", ["postgresql+asyncpg", "postgresql+psycopg2"])
def test_limits_are_set_and_a_revision_may_say_otherwise(
    ask: asking.Asker, tmp_path: Path, database: Database, driver: str
) -> None:
    """Each revision runs with the limits asked for, or with those of its own file, also after one that had its own."""
    env = projects.ENV if driver.endswith("asyncpg") else SYNC
    slow = declaring(
        projects.revision("0002", "0001", upgrade=NOTE),
        'stillroom_lock_timeout = "30s"',
        'stillroom_statement_timeout = "2h"',
    )
    service = projects.make_service(
        tmp_path / "shop", env=env, history=[FIRST, slow, projects.revision("0003", "0002", upgrade=NOTE)]
    )

    ask(service, database.url(driver), "upgrade", lock_timeout="1500ms")

    seen = {(revision, name): value for revision, name, value in database.fetch("SELECT * FROM seen")}
    assert [seen[each, "lock_timeout"] for each in ("0001", "0002", "0003")] == ["1500", "30000", "1500"]
    assert [seen[each, "statement_timeout"] for each in ("0001", "0002", "0003")] == ["600000", "7200000", "600000"]
    assert seen["0001", "client_connection_check_interval"] == "2000"


def test_a_limit_that_is_no_duration(ask: asking.Asker, tmp_path: Path, database: Database) -> None:
    """What a revision says and can't be understood is an error that names it; nothing of it runs."""
    odd = declaring(ALTER, 'stillroom_lock_timeout = "soon"')
    service = projects.make_service(tmp_path / "shop", history=[FIRST, odd])

    with pytest.raises(faults.Fault) as raised:
        ask(service, database.asyncpg, "upgrade")

    assert raised.value.code == "duration-invalid"
    assert "stillroom_lock_timeout in revision 0002 is 'soon'" in raised.value.message


@pytest.mark.parametrize(
    ("text", "expected"), [("500ms", 0.5), ("4s", 4), ("10min", 600), ("2h", 7200), ("3", 3), (0, 0), ("1.5 s", 1.5)]
)
def test_durations(text: Any, expected: float) -> None:
    """Durations are written as PostgreSQL writes them; a plain number counts seconds."""
    assert settings.seconds(text, "x") == expected


def test_the_environment_says_what_no_option_says() -> None:
    """Options go before variables, variables before defaults; nonsense is refused by the name it came under."""
    said = {"STILLROOM_LOCK_WAIT": "1min", "STILLROOM_LOCK_TIMEOUT": "1s", "STILLROOM_LOCK_RETRIES": "2"}
    found = settings.from_environment({"lock_timeout": "2s", "lock_wait": None}, said)

    assert (found.lock_wait, found.lock_timeout, found.statement_timeout, found.lock_retries) == (60, 2, 600, 2)
    with pytest.raises(faults.WrongRequest, match="STILLROOM_LOCK_RETRIES is 'many'"):
        settings.from_environment({}, {"STILLROOM_LOCK_RETRIES": "many"})


@pytest.mark.parametrize("configure", ["", "transaction_per_migration=True"])
@pytest.mark.parametrize("driver", ["postgresql+asyncpg", "postgresql+psycopg"])
def test_a_long_reader_is_named_and_the_revision_tried_again(
    ask: asking.Asker, tmp_path: Path, database: Database, driver: str, configure: str
) -> None:
    """DDL behind a long transaction gives way, says who is in the way, and succeeds once that is gone."""
    env = projects.ENV if driver.endswith("asyncpg") else SYNC
    service = projects.make_service(tmp_path / "shop", history=[FIRST, ALTER], env=env, configure=configure)
    ask(service, database.url(driver), "upgrade", to="0001")
    with database.connect() as reader:
        reader.execute("SET application_name = 'a report'")
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM product")
        pid = reader.info.backend_pid
        ending = threading.Thread(target=release_after_a_retry, args=(database, reader))
        ending.start()
        answer, heard = ask.heard(service, database.url(driver), "upgrade", lock_timeout="400ms", lock_retries=50)
        ending.join()

    assert answer["after"] == ["0002"]
    assert heard.warnings, heard.text
    assert "revision 0002 got no lock within 0.4 s and was rolled back; in its way: session" in heard.warnings[0]
    assert f"session {pid}, application 'a report'" in heard.warnings[0]
    assert "trying again in" in heard.warnings[0]
    [(retries,)] = database.fetch("SELECT retries FROM stillroom.run ORDER BY id DESC LIMIT 1")
    assert retries == len(heard.warnings)


def release_after_a_retry(database: Database, reader: Any) -> None:
    """Ends the reader's transaction when the statement has come a second time."""
    waits = f"SELECT query_start FROM {HERE} WHERE query LIKE 'ALTER TABLE product%%' AND wait_event_type = 'Lock'"
    [(first,)] = until(database, waits)
    until(database, waits + " AND query_start > %s", first)
    reader.execute("COMMIT")


def test_a_reader_that_stays_ends_the_retries(ask: asking.Asker, tmp_path: Path, database: Database) -> None:
    """The retries are bounded; then the blocker is named, the revision is not applied, and trying again is due."""
    service = projects.make_service(tmp_path / "shop", history=[FIRST, ALTER])
    ask(service, database.asyncpg, "upgrade", to="0001")
    with database.connect() as reader:
        reader.execute("BEGIN")
        pid = reader.info.backend_pid
        reader.execute("SELECT count(*) FROM product")
        with pytest.raises(faults.Fault) as raised:
            ask(service, database.asyncpg, "upgrade", lock_timeout="400ms", lock_retries=1)

    fault = raised.value
    assert (fault.code, fault.data["cause"]) == ("revision-failed", "lock-timeout")
    assert f"in its way: session {pid}" in fault.message
    assert f"pg_terminate_backend({pid})" in fault.mend
    assert database.fetch("SELECT version_num FROM alembic_version") == [("0001",)]
    [(outcome, fatal, error)] = database.fetch(
        "SELECT outcome, fatal, error FROM stillroom.run ORDER BY id DESC LIMIT 1"
    )
    assert (outcome, fatal) == ("failed", False)
    assert "revision 0002" in error


def test_a_slow_statement_is_cut_and_the_way_out_is_named(
    ask: asking.Asker, tmp_path: Path, database: Database
) -> None:
    """A statement beyond its time is no matter of trying again: the message names what the revision's file may say."""
    slow = projects.revision("0002", "0001", upgrade="op.execute('SELECT pg_sleep(60)')")
    service = projects.make_service(tmp_path / "shop", history=[FIRST, slow])

    with pytest.raises(faults.Fault) as raised:
        ask(service, database.asyncpg, "upgrade", statement_timeout="200ms")

    assert raised.value.code == "revision-failed"
    assert "statement timeout" in raised.value.message
    assert 'stillroom_statement_timeout = "2h"' in raised.value.mend
    assert database.fetch("SELECT outcome, fatal FROM stillroom.run") == [("failed", True)]
