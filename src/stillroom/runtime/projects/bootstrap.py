"""What makes an empty database ready for the first revision where Alembic does not: `bootstrap:` of services.yaml.

A function runs under the guard. A command runs in a process of its own, where no guard is: there, whatever names a database
leads to the one in hand, and afterwards the structure of the service's own database has to be what it was.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from .. import facts, faults
from ..connections import connection, libpq_variables, urls
from ..schema import catalog
from . import environment, preparation, sources

if TYPE_CHECKING:
    from ..wire import telling

__all__ = ["check", "run"]

_PYTHON = ("python", "python3")


def run(service: facts.ServiceFacts, url: str, tell: telling.Tell) -> None:
    """Does it on an empty database; nothing where the registry names nothing.

    A function runs in this process, which can connect to nothing else; a command learns the database as `env.py` does.

    Raises:
        faults.Fault: what the function raised; `bootstrap-failed` with the command's exit code.
        faults.ProjectFault: `bootstrap-elsewhere`, where the service's own database differs after a command that was to
            work on another one.
    """
    if service.bootstrap is None:
        return
    own = sources.own(service)
    tell.step("bootstrap")
    with environment.working_on(service, url):
        if isinstance(service.bootstrap, str):
            preparation.set_up(service)
            preparation.call(service, service.bootstrap, "bootstrap")
        else:
            with _not_elsewhere(service, url, own, tell):
                _command(service, service.bootstrap, _environment(url, own))


def check(service: facts.ServiceFacts) -> None:
    """Whether what the registry names is there; nothing of it is run, but a function's module is imported.

    Raises:
        faults.Fault: what the import raised, `function-missing`; `bootstrap-failed` where there is no such program.
    """
    if isinstance(service.bootstrap, str):
        preparation.function(service, service.bootstrap, "bootstrap")
    elif service.bootstrap is not None:
        program = service.bootstrap[0]
        if program not in _PYTHON and shutil.which(program) is None:
            raise _not_started(service, service.bootstrap, "there is no such program")


def _not_started(service: facts.ServiceFacts, arguments: Sequence[str], why: str) -> faults.ProjectFault:
    return faults.ProjectFault(
        "bootstrap-failed",
        f"{service.name}: its bootstrap ({' '.join(arguments)}) could not be started: {why}",
        "correct bootstrap: in services.yaml; the command runs in the service's folder",
    )


# What else would lead libpq to a place, where the URL leaves nothing open.
_ELSEWHERE = ("PGHOSTADDR", "PGSERVICE", "PGSERVICEFILE", "PGSYSCONFDIR")


def _environment(url: str, own: str | None) -> dict[str, str]:
    """Variables for a command: libpq's, and every URL of the service's own database, lead to this database."""
    found = {name: value for name, value in os.environ.items() if name not in _ELSEWHERE}
    for name, value in found.items():
        if own is not None and "://" in value and _leads_to(value, own):
            found[name] = urls.in_form_of(url, value)
    return {**found, **libpq_variables.variables(url, "stillroom bootstrap")}


def _leads_to(text: str, own: str) -> bool:
    try:
        return urls.address(text) == urls.address(own)
    except faults.ProjectFault:
        return False


@contextlib.contextmanager
def _not_elsewhere(service: facts.ServiceFacts, url: str, own: str | None, tell: telling.Tell) -> Iterator[None]:
    """Compares the structure of the service's own database, before and after; rows are out of sight."""
    if own is None or _leads_to(url, own):
        yield
        return
    try:
        before = connection.run(own, catalog.snapshot)
    except faults.DatabaseFault as fault:
        tell.warn(f"whether bootstrap: leaves the service's own database alone is not known: {fault.message}")
        yield
        return
    yield
    difference = catalog.compare(before, connection.run(own, catalog.snapshot))
    if not difference.empty:
        raise faults.ProjectFault(
            "bootstrap-elsewhere",
            f"{service.name}: while its bootstrap ran for {urls.address(url)}, the service's own database "
            f"{urls.address(own)} changed: {difference.lines()[0]}",
            f"let the command read {sources.EVERYBODY}, and connect to nothing else; look at that database, which is not "
            "put right by this; if somebody else changed it meanwhile, run it again",
            detail="\n".join(difference.lines()),
        )


def _command(service: facts.ServiceFacts, arguments: Sequence[str], variables: dict[str, str]) -> None:
    shown = " ".join(arguments)
    program = sys.executable if arguments[0] in _PYTHON else arguments[0]  # the service's own, not the shell's
    try:
        process = subprocess.Popen(
            [program, *arguments[1:]],
            cwd=service.path,
            env=variables,
            stdin=subprocess.DEVNULL,
            stdout=sys.stderr,
            stderr=sys.stderr,
        )
    except OSError as error:
        raise _not_started(service, arguments, str(error.strerror or error)) from error
    try:
        code = process.wait()
    except BaseException:
        process.kill()
        process.wait()
        raise
    if code != 0:
        raise faults.ProjectFault(
            "bootstrap-failed",
            f"{service.name}: its bootstrap ({shown}) exited with {code}",
            "mend the command; --verbose shows what it printed",
            data={"exit": code},
        )
