"""What services import: a database that is verified before a service starts, health endpoints, metrics, log lines.

    from stillroom.runtime.service import BaseFastAPIService            # a class to derive from, or
    from stillroom.runtime.service import lifespan, prepare_database    # parts to put together

It needs SQLAlchemy and the driver. structlog, FastAPI and prometheus-client are extras (`stillroom[service]`,
`stillroom[metrics]`): they are imported when they are used, and where one is missing the error names the extra.
"""

from __future__ import annotations

from ..verifying.verdict import NotReady
from .base import BaseFastAPIService
from .database import DatabaseManager
from .failing import FailsPlainly, ends_plainly
from .health import add_health_endpoints
from .init_manager import DatabaseInitManager, initialize_service_database
from .lifespan import lifespan, prepare_database
from .logs import configure_logging, logger
from .migration import MigrationFailed
from .mode import force_recreate_requested

__all__ = [
    "BaseFastAPIService",
    "DatabaseInitManager",
    "DatabaseManager",
    "FailsPlainly",
    "MigrationFailed",
    "NotReady",
    "add_health_endpoints",
    "configure_logging",
    "ends_plainly",
    "force_recreate_requested",
    "initialize_service_database",
    "lifespan",
    "logger",
    "prepare_database",
]
