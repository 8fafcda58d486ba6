"""A password is seen by nobody: neither in what is printed, nor in files, nor among the arguments of processes."""

from __future__ import annotations

import threading
from pathlib import Path

from tests.conftest import NewDatabase, NewRole
from tests.integration.conftest import SHOP
from tests.support import fleets, projects

SHOWN_BY_MODELS = SHOP + "\nimport time\ntime.sleep(1.5)\n"


class Watch:
    """Looks at the arguments of every process, again and again, until told to stop."""

    def __init__(self, secret: str) -> None:
        self._secret = secret.encode()
        self._over = threading.Event()
        self.looks = 0
        self.found: set[bytes] = set()
        self._thread = threading.Thread(target=self._look)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._over.wait(0.02):
            self.looks += 1
            for process in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    arguments = process.read_bytes()
                except OSError:
                    continue
                if self._secret in arguments:
                    self.found.add(arguments)


def test_a_password_is_shown_nowhere(tmp_path: Path, new_database: NewDatabase, new_role: NewRole) -> None:
    """In a life of a service with good and bad ends: output of people and machines, files, arguments."""
    role = new_role(attributes="CREATEDB")
    database = new_database(owner=role)
    fleet = fleets.Fleet(tmp_path / "shop").add("auth", database, role, models=SHOP).written()
    url = fleet.program.variables["AUTH_DATABASE_URL"]
    wrong = {"AUTH_DATABASE_URL": url.replace(str(database.server.port), "1")}
    printed = ""
    with Watch(role.password) as watch:
        for arguments, variables in (
            (("preflight", "--verbose"), {}),
            (("preflight", "--json"), wrong),
            (("regenerate", "--verbose", "--apply", "--yes"), {}),
            (("regenerate", "--skip-db-check", "--debug", "--yes"), wrong),
            (("status", "--json"), {}),
            (("apply", "--debug"), wrong),
        ):
            ran = fleet.run(*arguments, variables=variables)
            printed += ran.stdout + ran.stderr
        database.execute("INSERT INTO account (email) VALUES ('me')", role=role)
        for arguments in (("cleanup", "--yes"), ("restore", "--service", "auth", "--database", "--yes")):
            ran = fleet.run(*arguments)
            assert ran.code == 0, ran.told
            printed += ran.stdout + ran.stderr
    assert watch.looks > 20
    assert watch.found == set()
    assert role.password not in printed
    assert database.name in printed
    holding = [
        file for file in fleet.folder.rglob("*") if file.is_file() and role.password.encode() in file.read_bytes()
    ]
    assert holding == []


def test_a_password_in_the_registry_is_a_mistake_that_is_not_repeated(auth: fleets.Fleet) -> None:
    """It belongs into a variable; the message does not show it either."""
    file = auth.folder / "services.yaml"
    file.write_text(file.read_text() + "    env: {OTHER_URL: 'postgresql://me:hush-hush@db/x'}\n")
    ran = auth.run("services")
    assert "hush-hush" not in ran.stdout + ran.stderr
    assert ran.code in (0, 2), ran.told
    file.write_text(
        file.read_text().replace("url_variable: AUTH_DATABASE_URL", "url_variable: postgresql://me:hush-hush@db/x")
    )
    ran = auth.run("services")
    assert ran.code == 2, ran.told
    assert "hush-hush" not in ran.stdout + ran.stderr
    assert projects.HEAD
