"""What has to be so in the service's process before Alembic comes: folder, import places, `setup:`, `run_in:`."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import inspect
import os
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from .. import facts, faults
from . import blame, env_file, locations

if TYPE_CHECKING:
    from alembic.script import ScriptDirectory

__all__ = ["call", "enter", "function", "looking", "set_up"]

_INSTALLED = ("site-packages", "dist-packages")


def enter(service: facts.ServiceFacts) -> None:
    """Makes the service's folder the working directory, and its code importable.

    Raises:
        faults.ProjectFault: if there is no such folder.
    """
    try:
        os.chdir(service.path)
    except OSError as error:
        raise faults.ProjectFault(
            "folder-missing",
            f"{service.name}: its folder {service.path} can't be entered: {error.strerror}",
            "correct path: in services.yaml",
        ) from error
    env_file.load(service)
    # What is wrong with the configuration is told by whoever needs it.
    with contextlib.suppress(faults.Fault):
        _before_installed(locations.of(service).prepend_sys_path)
    # Last, so that a service's own `logging.py` or `typing.py` shadows nothing (Alembic's own command does the same).
    if service.path not in sys.path:
        sys.path.append(service.path)


def _before_installed(entries: Sequence[str]) -> None:
    """Makes code of these folders win over installed code of the same name, but never over the standard library."""
    entries = [os.path.normpath(each) for each in entries]
    for name in ("alembic", "sqlalchemy"):
        # A migrations folder may be a package called `alembic`. The alembic command has the real one by now; so have we.
        if any(os.path.exists(os.path.join(each, name, "__init__.py")) for each in entries):  # noqa: PTH110, PTH118
            with contextlib.suppress(Exception):
                importlib.import_module(name)
    installed = [at for at, each in enumerate(sys.path) if each.endswith(_INSTALLED)]
    at = installed[0] if installed else len(sys.path)
    sys.path[at:at] = [each for each in entries if each not in sys.path[:at]]


_set_up: set[str] = set()
_only_looking: list[bool] = []


@contextlib.contextmanager
def looking() -> Iterator[None]:
    """While active, `setup:` may not change a database: what is under way only looks."""
    _only_looking.append(True)
    try:
        yield
    finally:
        _only_looking.pop()


def set_up(service: facts.ServiceFacts) -> None:
    """Does what the registry says has to happen before Alembic: once in this process.

    Raises:
        faults.Fault: what `setup:` raised, or that there is no such function; `setup-migrates`, while something only
            looks.
    """
    if service.name in _set_up:
        return
    if service.run_in == "thread":
        _run_env_in_thread()
    if service.setup is not None:
        with _hands_off(service) if _only_looking else contextlib.nullcontext():
            call(service, service.setup, "setup")
    _set_up.add(service.name)


def _hands_off(service: facts.ServiceFacts) -> contextlib.AbstractContextManager[None]:
    from . import hands_off

    def refusal(statement: str) -> faults.Fault:
        return faults.JudgedFault(
            "setup-migrates",
            f"{service.name}: setup: {service.setup} changes the database by itself ({hands_off.shown(statement)}), which "
            "was not let through: this command only looks",
            "let it only prepare what env.py needs (an application object with its database, say, not the start of the "
            "application); many an application has a switch for its own migrations",
        )

    return hands_off.kept(refusal)


def call(service: facts.ServiceFacts, reference: str, key: str) -> None:
    """Imports and calls `module:function`, without arguments; a coroutine is run to its end.

    Args:
        service: whose.
        reference: of the function.
        key: of services.yaml, in which it stands.

    Raises:
        faults.Fault: what it raised, or `function-missing`.
    """
    named = function(service, reference, key)
    with blame.blamed(service.name, f"{key}: {reference}"):
        made = named()
        if inspect.isawaitable(made):
            asyncio.run(_awaited(made))


def function(service: facts.ServiceFacts, reference: str, key: str) -> Callable[[], Any]:
    """Imports what `call` with the same arguments calls.

    Raises:
        faults.Fault: what the import raised, or `function-missing`.
    """
    name, _, attributes = reference.partition(":")
    doing = f"{key}: {reference}"
    with blame.blamed(service.name, doing):
        found: Any = importlib.import_module(name)
    for attribute in attributes.split("."):
        found = getattr(found, attribute, None)
    if not callable(found):
        raise faults.ProjectFault(
            "function-missing",
            f"{service.name}: services.yaml says {doing}, and there is no such function",
            f"correct {key}: in services.yaml (module:function)",
        )
    named: Callable[[], Any] = found
    return named


async def _awaited(made: Any) -> Any:
    return await made


def _run_env_in_thread() -> None:
    """From now on `env.py` runs in a thread of its own, as it does in applications that migrate in a worker thread."""
    from alembic.script import ScriptDirectory

    original = ScriptDirectory.run_env

    def run_env(self: ScriptDirectory) -> None:
        _in_thread(lambda: original(self))

    ScriptDirectory.run_env = run_env  # type: ignore[method-assign]


def _in_thread(work: Callable[[], None]) -> None:
    """Runs it in a thread, and lets through what it raises.

    The thread does not hold up the end of the process: a request that is ended ends here, in the main thread.
    """
    raised: list[BaseException] = []

    def run() -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - raised again, where somebody waits for it
            raised.append(error)

    thread = threading.Thread(target=run, name="env.py", daemon=True)
    thread.start()
    thread.join()
    if raised:
        raise raised[0]
