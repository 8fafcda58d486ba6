"""Health endpoints and `/metrics` of a FastAPI or Starlette app.

    /health/live       200 as long as the process answers; asks nobody
    /health/ready      200 once the database was verified at the start, 503 before and while shutting down; asks nobody
    /health/database   asks the database now, for two seconds at most: 200, or 503 with what is wrong; for people and
                       dashboards, not for probes: a database that is slow must not take all replicas away at once
    /metrics           for Prometheus; 501 where prometheus-client is not installed, naming the extra

What they tell of is `app.state.database_readiness` and `app.state.database_manager`.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

from .. import faults
from ..connections import diagnosis
from . import extras, metrics

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response

    from . import database, readiness

__all__ = ["PATHS", "add_health_endpoints", "database_now"]

PATHS = ("/health/live", "/health/ready", "/health/database", "/metrics")

_SECONDS = 2.0


def add_health_endpoints(app: Starlette, *, with_metrics: bool = True) -> None:
    """Adds the endpoints to an app, before its own routes; a path that it has already stays its own.

    Args:
        app: a FastAPI or Starlette application.
        with_metrics: whether `/metrics` is among them.

    Raises:
        faults.ProjectFault: `extra-missing`.
    """
    extras.need("starlette", "add_health_endpoints()")
    from starlette.routing import Route

    taken = {getattr(route, "path", None) for route in app.routes}
    for path, endpoint in zip(PATHS, (_live, _ready, _database, _metrics), strict=True):
        if path not in taken and (with_metrics or endpoint is not _metrics):
            # Not through FastAPI's decorators: these are no part of the service's own API, nor of its schema.
            app.router.routes.insert(0, Route(path, endpoint, methods=["GET"], include_in_schema=False))


async def database_now(manager: database.DatabaseManager) -> dict[str, Any]:
    """Whether the database answers now: `database` (`answers`, `does not answer`), `milliseconds`, and what is `wrong`."""
    started = time.monotonic()
    wrong = None
    try:
        await asyncio.wait_for(_ask(manager), _SECONDS)
    except (asyncio.TimeoutError, TimeoutError):
        wrong = f"no answer within {_SECONDS:g} seconds"
    except Exception as error:  # noqa: BLE001 - whatever it is, the answer says so
        fault = diagnosis.database_fault(error, manager.url, connecting=True)
        wrong = fault.message if fault is not None else type(error).__name__
    told = {
        "database": "answers" if wrong is None else "does not answer",
        "milliseconds": round((time.monotonic() - started) * 1000, 1),
    }
    return told if wrong is None else {**told, "wrong": wrong}


async def _ask(manager: database.DatabaseManager) -> None:
    async with manager.engine.connect() as conn:
        await conn.exec_driver_sql("SELECT 1")


async def _live(request: Request) -> Response:
    return _json({"status": "alive", "service": _readiness(request).service}, 200)


async def _ready(request: Request) -> Response:
    found = _readiness(request)
    return _json(found.to_dict(), 200 if found.ready else 503)


async def _database(request: Request) -> Response:
    found = _readiness(request)
    now = await database_now(request.app.state.database_manager)
    return _json({**found.to_dict(), **now}, 200 if found.ready and now["database"] == "answers" else 503)


async def _metrics(_: Request) -> Response:
    from starlette.responses import Response

    try:
        content, kind = metrics.exposition()
    except faults.ProjectFault as fault:
        return Response(f"{fault.message}: {fault.mend}\n", status_code=501, media_type="text/plain")
    return Response(content, media_type=kind)


def _readiness(request: Request) -> readiness.Readiness:
    found: readiness.Readiness = request.app.state.database_readiness
    return found


def _json(content: dict[str, Any], status: int) -> Response:
    from starlette.responses import JSONResponse

    return JSONResponse(content, status_code=status, headers={"cache-control": "no-store"})
