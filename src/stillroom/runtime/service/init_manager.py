"""What a start and a migration Job do with a service's database. Services verify; only Jobs migrate.

    DatabaseManager -> DatabaseInitManager(verify_only=True)    one statement, and a verdict that is believed
                       DatabaseInitManager(verify_only=False)   the revisions that are pending, in a process of their own

Nothing is made from models here: there is no `create_all`.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from typing import Any

from .. import faults
from . import database, logs, metrics, migration, mode, verification

__all__ = ["DatabaseInitManager", "initialize_service_database"]

VERIFIED = "Database verified successfully - ready for service"

_MESSAGES = {
    "migrations_applied": "Pending migrations applied successfully",
    "already_at_head": "Database is at head already - no pending migrations",
    "recreated": "Database recreated and migrations applied successfully",
}


class DatabaseInitManager:
    """Brings one service's database to where a service may use it, or says why it is not there.

    Args:
        database_manager: of the service's database.
        service_name: for messages, metrics, the lock, and to find the project.
        alembic_ini_path: of the service's project; None: `./alembic.ini`, or what `STILLROOM_SERVICE` names.
        models_module: what fills the metadata; only migrations look at it.
        verify_only: True (services): looks, and changes nothing. False (migration Jobs): applies what is pending.
        force_recreate: a migration Job empties what the service owns first; needs `ENVIRONMENT` to allow it (see `mode`).
        verify_depth: `stamp`, or `deep`, which compares the schema with what the last migration left; None: what
            `VERIFY_DEPTH` says.
        environ: in the place of the process's environment.

    Attributes:
        verdict: what the last verification found, in full; None before it.
    """

    def __init__(
        self,
        database_manager: database.DatabaseManager,
        service_name: str,
        alembic_ini_path: str | None = None,
        models_module: str | None = None,
        verify_only: bool = True,
        force_recreate: bool = False,
        *,
        verify_depth: str | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self.database_manager = database_manager
        self.service_name = service_name
        self.alembic_ini_path = alembic_ini_path
        self.models_module = models_module
        self.verify_only = verify_only
        self.force_recreate = force_recreate
        self.verdict: verification.Verdict | None = None
        self._depth = verify_depth
        self._environ = os.environ if environ is None else environ
        self._log = logs.logger()

    async def initialize_database(self) -> dict[str, Any]:
        """Verifies, or migrates.

        Returns:
            `action` (`verified`; `migrations_applied`, `already_at_head`, `recreated`) and `message`; when verified, also
            `current_revision` (several joined by commas, sorted), `migration_count` (revision files) and `table_count`
            (without version and ledger tables).

        Raises:
            faults.Fault: its message begins `DB not ready:` or `Migration failed:`.
        """
        if self.verify_only:
            return await self._verify_database_ready()
        return await self._run_migrations_mode()

    async def _verify_database_ready(self) -> dict[str, Any]:
        if self.force_recreate:
            self._log.warning("force_recreate has no effect here: only a migration Job recreates a database")
        depth = mode.depth(self._environ, self._depth)
        self._log.info("Database verification mode - checking database is ready")
        started = time.monotonic()
        state, revision = "unknown", None
        try:
            verdict = await verification.verify(
                self.database_manager, self.service_name, self.alembic_ini_path, depth=depth, environ=self._environ
            )
            state, revision = verdict.state, verdict.current_revision
        except faults.Fault as fault:
            state = verification.state_of(fault)
            raise
        finally:
            self._measure(state, time.monotonic() - started, revision)
        self.verdict = verdict
        if verdict.tables is None:  # it could not be asked, or there is nothing to ask
            verdict.need_ready()
        self._log.info("Database state checked", **logs.beside(service=self.service_name, state=verdict.state))
        for warning in verdict.warnings:
            self._log.warning(warning)
        verdict.need_ready()
        found = {
            "current_revision": verdict.current_revision,
            "migration_count": verdict.migrations,
            "table_count": verdict.tables,
        }
        self._log.info(
            "Database verification successful",
            migration_count=found["migration_count"],
            current_revision=found["current_revision"],
            table_count=found["table_count"],
        )
        self._log.info("Database verification completed")
        return {"action": "verified", "message": VERIFIED, **found}

    async def _run_migrations_mode(self) -> dict[str, Any]:
        if self.force_recreate:
            try:
                mode.need_free_environment(self._environ)
            except faults.RefusedFault as fault:
                raise migration.refused(fault) from fault
        action = await migration.migrate(
            self.database_manager,
            self.service_name,
            self.alembic_ini_path,
            self.models_module,
            force_recreate=self.force_recreate,
            environ=self._environ,
        )
        return {"action": action, "message": _MESSAGES[action]}

    def _measure(self, state: str, seconds: float, revision: str | None) -> None:
        found = metrics.instruments()
        if found is None:
            return
        found.verified(self.service_name, state, seconds)
        if revision is not None:
            found.at(self.service_name, revision)


async def initialize_service_database(
    database_manager: database.DatabaseManager,
    service_name: str,
    verify_only: bool = True,
    force_recreate: bool = False,
) -> dict[str, Any]:
    """What `DatabaseInitManager.initialize_database` does, in one call.

    Args:
        database_manager, service_name, verify_only, force_recreate: see `DatabaseInitManager`.

    Raises:
        faults.Fault: its message begins `DB not ready:` or `Migration failed:`.
    """
    return await DatabaseInitManager(
        database_manager, service_name, verify_only=verify_only, force_recreate=force_recreate
    ).initialize_database()
