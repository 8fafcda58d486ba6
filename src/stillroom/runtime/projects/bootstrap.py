"""What makes an empty database ready for the first revision where Alembic does not: `bootstrap:` of services.yaml."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from .. import facts, faults
from . import environment, preparation

if TYPE_CHECKING:
    from ..wire import telling

__all__ = ["check", "run"]

_PYTHON = ("python", "python3")


def run(service: facts.ServiceFacts, url: str, tell: telling.Tell) -> None:
    """Does it on an empty database; nothing where the registry names nothing.

    A function runs in this process, which can connect to nothing else; a command learns the database as `env.py` does.

    Raises:
        faults.Fault: what the function raised; `bootstrap-failed` with the command's exit code.
    """
    if service.bootstrap is None:
        return
    tell.step("bootstrap")
    with environment.working_on(service, url):
        if isinstance(service.bootstrap, str):
            preparation.set_up(service)
            preparation.call(service, service.bootstrap, "bootstrap")
        else:
            _command(service, service.bootstrap)


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


def _command(service: facts.ServiceFacts, arguments: Sequence[str]) -> None:
    shown = " ".join(arguments)
    program = sys.executable if arguments[0] in _PYTHON else arguments[0]  # the service's own, not the shell's
    try:
        process = subprocess.Popen(
            [program, *arguments[1:]], cwd=service.path, stdin=subprocess.DEVNULL, stdout=sys.stderr, stderr=sys.stderr
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
