"""`BaseFastAPIService`: what the services of a fleet have in common, as a class to derive from."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from . import database, extras, failing, health, lifespan, readiness

if TYPE_CHECKING:
    from fastapi import FastAPI

__all__ = ["BaseFastAPIService"]


class BaseFastAPIService:
    """A FastAPI service that starts only when its database is ready, and says how it is.

        class Auth(BaseFastAPIService):
            async def on_startup(self, app):
                ...

        app = Auth("auth", os.environ.get("AUTH_DATABASE_URL")).create_app()

    Args:
        service_name: for messages, metrics, and to find the project.
        database_manager: a `DatabaseManager`, an engine, a URL, or a function that gives one at the start.
        alembic_ini_path: of the service's project; None: `./alembic.ini`, or what `STILLROOM_SERVICE` names.
        models_module: what fills the metadata, where the start may migrate.
        verify_depth: `stamp` or `deep`; None: what `VERIFY_DEPTH` says.
        title: of the API; None: the service's name.
        metrics: whether there is `/metrics`.

    Raises:
        faults.ProjectFault: `extra-missing`, where FastAPI is not installed.
    """

    def __init__(
        self,
        service_name: str,
        database_manager: lifespan.Database,
        *,
        alembic_ini_path: str | None = None,
        models_module: str | None = None,
        verify_depth: str | None = None,
        title: str | None = None,
        version: str = "1.0.0",
        description: str = "",
        metrics: bool = True,
    ) -> None:
        extras.need("fastapi", type(self).__name__)
        self.service_name = service_name
        self.title = title or service_name
        self.version = version
        self.description = description
        self.alembic_ini_path = alembic_ini_path
        self.models_module = models_module
        self.verify_depth = verify_depth
        self.readiness = readiness.Readiness(service_name)
        self._given = database_manager
        self._metrics = metrics
        self._manager: database.DatabaseManager | None = None
        self._closes = False

    @property
    def database_manager(self) -> database.DatabaseManager:
        """The manager of the service's database; made when it is first asked for.

        Raises:
            faults.ProjectFault: `url-missing`, `url-invalid`.
        """
        if self._manager is None:
            self._manager, self._closes = lifespan.manager_of(self._given)
            if isinstance(self._given, database.DatabaseManager):
                self._closes = True  # it was made for this service
        return self._manager

    def create_app(self, **fastapi_options: Any) -> FastAPI:
        """The application, with its start, its health endpoints and `/metrics`.

        Args:
            fastapi_options: what `FastAPI` takes; a `lifespan` among them is entered once the database is ready.
        """
        from fastapi import FastAPI

        then = fastapi_options.pop("lifespan", None)

        @asynccontextmanager
        async def entered(app: FastAPI) -> AsyncIterator[Any]:
            async with self._running(app):
                if then is None:
                    yield None
                else:
                    async with then(app) as state:
                        yield state

        options = {"title": self.title, "version": self.version, "description": self.description, **fastapi_options}
        app = FastAPI(lifespan=entered, **options)
        app.state.database_readiness = self.readiness
        app.add_middleware(failing.FailsPlainly)
        health.add_health_endpoints(app, with_metrics=self._metrics)
        return app

    async def on_startup(self, app: FastAPI) -> None:
        """For services to fill in: runs when the database is ready, before the first request."""

    async def on_shutdown(self, app: FastAPI) -> None:
        """For services to fill in: runs after the last request, before the database's pool is closed."""

    async def _handle_database_tables(self) -> dict[str, Any]:
        """Verifies the database, or migrates it first where `mode` allows that; fails fast.

        Returns:
            What `DatabaseInitManager.initialize_database` gives.

        Raises:
            faults.Fault: `DB not ready: …`, `Migration failed: …`; it has been logged by then.
        """
        return await lifespan.prepare_database(
            self.service_name,
            lambda: self.database_manager,
            alembic_ini_path=self.alembic_ini_path,
            models_module=self.models_module,
            verify_depth=self.verify_depth,
            environ=os.environ,
        )

    @asynccontextmanager
    async def _running(self, app: FastAPI) -> AsyncIterator[None]:
        self.readiness.stopping = False
        try:
            with lifespan.keeping(self.readiness):
                app.state.database_manager = self.database_manager
                self.readiness.result = await self._handle_database_tables()
            await self.on_startup(app)
            try:
                yield
            finally:
                self.readiness.stopping = True
                await self.on_shutdown(app)
        finally:
            self.readiness.stopping = True
            if self._closes:
                await self.database_manager.close()
