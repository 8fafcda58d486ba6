"""For those who don't subclass: a lifespan for any FastAPI or Starlette app, and the same as a plain async function.

app = FastAPI(lifespan=lifespan("auth", database.engine))

async def main() -> None:                     # a worker, a consumer, another framework
    await prepare_database("auth", engine)
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeAlias

from .. import faults
from ..connections import urls
from . import database, failing, health, init_manager, logs, mode, readiness

if TYPE_CHECKING:
    from sqlalchemy.engine import URL
    from sqlalchemy.ext.asyncio import AsyncEngine

__all__ = ["Database", "Lifespan", "keeping", "lifespan", "manager_of", "prepare_database"]

Database: TypeAlias = "database.DatabaseManager | AsyncEngine | URL | str | Callable[[], Any]"
"""A manager, an engine, a URL, or a function that gives one of them: called at the start, so that importing needs none."""

Lifespan: TypeAlias = "Callable[[Any], AbstractAsyncContextManager[Mapping[str, Any] | None]]"


def lifespan(
    service_name: str,
    of: Database,
    *,
    alembic_ini_path: str | None = None,
    models_module: str | None = None,
    verify_depth: str | None = None,
    health_endpoints: bool = True,
    then: Lifespan | None = None,
) -> Lifespan:
    """A lifespan that lets an app start only when its database is ready.

    What was found is kept in `app.state.database_readiness`, and is what `/health/ready` answers from then on.

    Args:
        service_name: for messages, metrics, and to find the project.
        of: the service's database.
        alembic_ini_path: of the service's project; None: `./alembic.ini`, or what `STILLROOM_SERVICE` names.
        models_module: what fills the metadata, where the start may migrate.
        verify_depth: `stamp` or `deep`; None: what `VERIFY_DEPTH` says.
        health_endpoints: whether `/health/live`, `/health/ready`, `/health/database` and `/metrics` are added.
        then: the app's own lifespan, entered once the database is ready.

    Raises:
        faults.Fault: in the app's start: `DB not ready: …`, `Migration failed: …`; it has been logged by then.
    """

    @asynccontextmanager
    async def entered(app: Any) -> AsyncIterator[Mapping[str, Any] | None]:
        found = readiness.Readiness(service_name)
        app.state.database_readiness = found
        with keeping(found):
            manager, ours = manager_of(of)
        app.state.database_manager = manager
        if health_endpoints:
            health.add_health_endpoints(app)
        try:
            with keeping(found):
                found.result = await _prepare(
                    manager, service_name, alembic_ini_path, models_module, verify_depth, os.environ
                )
            if then is None:
                yield None
            else:
                async with then(app) as state:
                    yield state
        finally:
            found.stopping = True
            if ours:
                await manager.close()

    return entered


async def prepare_database(
    service_name: str,
    of: Database,
    *,
    alembic_ini_path: str | None = None,
    models_module: str | None = None,
    verify_depth: str | None = None,
    environ: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """What a start does with its database, by the decision matrix (see `mode`): verify, or migrate first.

    Args:
        service_name, of, alembic_ini_path, models_module, verify_depth: as with `lifespan`.
        environ: in the place of the process's environment.

    Returns:
        What `DatabaseInitManager.initialize_database` gives.

    Raises:
        faults.Fault: `DB not ready: …`, `Migration failed: …`; it has been logged by then.
    """
    with keeping(readiness.Readiness(service_name)):
        manager, ours = manager_of(of)
        try:
            said = os.environ if environ is None else environ
            return await _prepare(manager, service_name, alembic_ini_path, models_module, verify_depth, said)
        finally:
            if ours:
                await manager.close()


def manager_of(of: Database) -> tuple[database.DatabaseManager, bool]:
    """The manager of what was given, and whether it was made here and has to be closed here.

    Raises:
        faults.ProjectFault: `variable-missing`, where a function reads one that is not set; `url-missing`, `url-invalid`.
    """
    given: Any = _called(of) if callable(of) else of
    if isinstance(given, database.DatabaseManager):
        return given, False
    if given is not None and hasattr(given, "sync_engine"):
        return database.DatabaseManager.of_engine(given), False
    return database.DatabaseManager(given), True


def _called(of: Callable[[], Any]) -> Any:
    """What the function gives; `lambda: os.environ["AUTH_DATABASE_URL"]` is the usual one."""
    try:
        return of()
    except KeyError as error:
        if not _of_environment(error):
            raise
        raise faults.ProjectFault(
            "variable-missing",
            f"the environment variable {error.args[0]}, which is to have the database's URL, is not set",
            f"set it, as {urls.FORM}",
            data={"variable": str(error.args[0])},
        ) from error


def _of_environment(error: KeyError) -> bool:
    """Whether `os.environ` was asked for what it does not have."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return trace is not None and trace.tb_frame.f_globals.get("__name__") == os.__name__


async def _prepare(
    manager: database.DatabaseManager,
    service_name: str,
    alembic_ini_path: str | None,
    models_module: str | None,
    verify_depth: str | None,
    environ: Mapping[str, str],
) -> dict[str, Any]:
    decided = mode.decide(environ)
    log = logs.logger()
    for remark in decided.remarks:
        log.warning(remark)
    if decided.skips:
        log.info("Migration skip enabled - verifying database only")
    result = await init_manager.DatabaseInitManager(
        manager,
        service_name,
        alembic_ini_path,
        models_module,
        verify_only=decided.verify_only,
        verify_depth=verify_depth,
        environ=environ,
    ).initialize_database()
    if decided.skips:
        log.info("Database verified successfully")
    return result


class keeping:  # noqa: N801 - reads as a block
    """Logs a fault that ends the start, and keeps it for the health endpoints."""

    def __init__(self, found: readiness.Readiness) -> None:
        self._found = found

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, faults.Fault):
            self._found.fault = error
            failing.log(error, service=self._found.service)
