"""The migration Job of a service: brings its database to head, once. Services never run this; they verify.

    cd examples/bakery/auth && python ../scripts/run_migrations.py

The service is the argument, or what STILLROOM_SERVICE or SERVICE_NAME says, or the folder that this is run in. Its database
is in its own variable (AUTH_DATABASE_URL), or in DATABASE_URL. `python -m stillroom.runtime migrate` does the same.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from shared.database.base import DatabaseManager
from shared.database.init_manager import initialize_service_database
from stillroom.runtime.service import ends_plainly, force_recreate_requested, logger


def service_name() -> str:
    said = sys.argv[1:2] or [os.environ.get("STILLROOM_SERVICE"), os.environ.get("SERVICE_NAME"), Path.cwd().name]
    return next(each for each in said if each)


async def migrate(service: str) -> None:
    variable = service.upper().replace("-", "_") + "_DATABASE_URL"
    manager = DatabaseManager(os.environ.get(variable) or os.environ.get("DATABASE_URL"))
    await initialize_service_database(
        manager, service, verify_only=False, force_recreate=force_recreate_requested(os.environ)
    )


if __name__ == "__main__":
    log = logger()
    with ends_plainly():
        log.info("Migration job starting")
        asyncio.run(migrate(service_name()))
        log.info("Migration job completed successfully")
