"""The plain loops to compare with: for each service, one after the other, the same work by Alembic's command line."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from stillroom.embedded import server
from tests.bench import fleets, meter, processes

__all__ = ["Loop", "save_proven"]

_PREFIX = "loop_"  # the loops have databases of their own, with the same names behind this

_DROP_ALL = """
DO $$ DECLARE name text; BEGIN
  FOR name IN SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema' LOOP
    EXECUTE format('DROP SCHEMA %I CASCADE', name);
  END LOOP;
END $$"""


def save_proven(fleet: fleets.Fleet) -> dict[str, tuple[str, bytes]]:
    """The revision files that Stillroom has just made and proven: service -> name and content."""
    found = {}
    for service in fleet.services:
        (file,) = service.versions.glob("*.py")
        found[service.name] = (file.name, file.read_bytes())
    return found


class Loop:
    """The loop over a fleet.

    Args:
        fleet: a copy of the fleet that only the loop uses.
        embedded: the server; the same as Stillroom's.
        proven: from `save_proven`: service -> the file that takes the place of what plain autogenerate wrote. That does
            not run on the example models (missing imports, cyclic foreign keys, enum types left behind by a downgrade),
            and a loop that stops there would look fast.
    """

    def __init__(self, fleet: fleets.Fleet, embedded: server.Embedded, proven: Mapping[str, tuple[str, bytes]]) -> None:
        self._fleet = fleet
        self._embedded = embedded
        self._proven = proven
        self._alembic = processes.program("alembic")
        self._psql = str(embedded.tools.psql)
        self._server = embedded.environment()
        self._urls = {each.name: embedded.url(_PREFIX + each.database) for each in fleet.services}
        embedded.ensure(sorted({_PREFIX + each.database for each in fleet.services}))

    def run(self, clock: meter.Meter, *, proof: bool) -> meter.Sample:
        """One pass over all services; the version folders are emptied before, the swap of files does not count."""
        self._fleet.empty_versions()

        def work() -> None:
            for service in self._fleet.services:
                self._reset(service)
                self._call(service, "revision", "--autogenerate", "-m", "initial schema")
                if proof:
                    clock.uncounted(lambda each=service: self._swap(each))
                    self._call(service, "upgrade", "head")
                    self._call(service, "check")
                    self._call(service, "downgrade", "base")
                    self._call(service, "upgrade", "head")

        return clock.run(work)

    def _reset(self, service: fleets.Service) -> None:
        if service.schemas:
            statements = [f'DROP SCHEMA IF EXISTS "{each}" CASCADE' for each in service.schemas]
            statements += [f'CREATE SCHEMA "{each}"' for each in service.schemas]
        else:
            statements = [_DROP_ALL, "CREATE SCHEMA public"]
        statements += [f'CREATE EXTENSION IF NOT EXISTS "{each}"' for each in service.extensions]
        arguments = [self._psql, "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1"]
        for statement in statements:
            arguments += ["--command", statement]
        processes.run(arguments, Path("/"), {**self._server, "PGDATABASE": _PREFIX + service.database})

    def _call(self, service: fleets.Service, *arguments: str) -> None:
        processes.run([self._alembic, *arguments], service.folder, {service.variable: self._urls[service.name]})

    def _swap(self, service: fleets.Service) -> None:
        service.empty_versions()
        name, content = self._proven[service.name]
        (service.versions / name).write_bytes(content)
