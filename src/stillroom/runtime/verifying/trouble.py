"""What keeps a verification from getting an answer, told without SQLAlchemy; and whether it may pass by itself."""

from __future__ import annotations

import asyncio
import dataclasses
import re
import socket

from .. import secrecy
from .plain_url import DRIVERS, PlainUrl

__all__ = ["CROWDED", "LASTING", "LOST", "PATIENCE", "REFUSED", "Trouble", "of"]

CROWDED = "crowded"
"""The server has no connection free, or is just starting: it will."""
REFUSED = "refused"
"""Nobody answers: a server that starts, or a wrong address."""
LOST = "lost"
"""A connection broke off, or was not made in time: a server that has more to do than it can, or a network that has."""
LASTING = "lasting"

PATIENCE = {CROWDED: 60.0, LOST: 30.0, REFUSED: 3.0, LASTING: 0.0}
"""For how many seconds it is tried again, from the first refusal on."""

_TEXTS = (
    ("53300", re.compile(r"too many (clients|connections)|remaining connection slots|connection limit exceeded")),
    ("57P03", re.compile(r"the database system is|not yet accepting connections")),
    ("3D000", re.compile(r"database \".*\" does not exist")),
    ("28P01", re.compile(r"authentication failed|no password supplied")),
    (
        "28000",
        re.compile(r"role \".*\" does not exist|no pg_hba\.conf entry|is not permitted to log in|pg_hba\.conf rejects"),
    ),
    ("42501", re.compile(r"permission denied")),
)
_NOBODY = re.compile(
    r"refused|could not translate host|Name or service|resolve|No such file|Connect call failed", re.IGNORECASE
)
_CROWDED = frozenset({"53300", "57P03", "57P01", "57P02", "53400"})


@dataclasses.dataclass(frozen=True)
class Trouble:
    """Why there is no answer: one sentence, a mend, and of which sort it is (`crowded`, `refused`, `lost`, `lasting`)."""

    message: str
    mend: str
    sort: str
    state: str | None = None


def of(error: BaseException, url: PlainUrl, *, connected: bool) -> Trouble | None:
    """What an exception of a driver means; None: it is not about the database.

    Args:
        error: what was raised.
        url: where it was raised.
        connected: whether the connection was made before.
    """
    if not _is_driver_error(error) and not isinstance(error, OSError | EOFError | asyncio.TimeoutError | TimeoutError):
        return None
    said = _text(error)
    state = getattr(error, "sqlstate", None) or getattr(error, "pgcode", None) or _state(said)
    message, mend = _told(state, said, url, connected)
    return Trouble(message, mend, _sort(error, state, said), state)


def _sort(error: BaseException, state: str | None, said: str) -> str:
    if state in _CROWDED:
        return CROWDED
    if state is not None and not state.startswith("08"):
        return LASTING
    refused = isinstance(error, ConnectionRefusedError | socket.gaierror) or _NOBODY.search(said)
    return REFUSED if refused else LOST


def _told(state: str | None, said: str, url: PlainUrl, connected: bool) -> tuple[str, str]:
    if state == "53300":
        return (
            f"{url} takes no more connections: {said}",
            "start fewer replicas at once, put a pooler in between, or raise max_connections",
        )
    if state in ("28P01", "28000"):
        return (
            f"role {url.role!r} may not log in to {url}: {said}",
            "check user and password of the URL ('@', '/' and '%' in a password must be percent-encoded), and pg_hba.conf",
        )
    if state == "3D000":
        return f"there is no database {url}", "create it, or correct the name in the URL"
    if state == "42501":
        return f"role {url.role!r} lacks a right in {url}: {said}", "grant what the message names to the service's role"
    if connected:
        return f"{url} did not answer the question: {said}", "see the message; the database may be locked or ending"
    return (
        f"no PostgreSQL answers for {url}: {said}",
        "check that the server runs and can be reached from here, and that the URL is right",
    )


def _text(error: BaseException) -> str:
    if isinstance(error, asyncio.TimeoutError | TimeoutError) and not str(error):
        return "no answer in time"
    lines = [line.strip() for line in str(error).strip().splitlines() if line.strip()]
    return str(secrecy.scrubbed("; ".join(lines[:3]) or type(error).__name__))


def _state(said: str) -> str | None:
    return next((state for state, pattern in _TEXTS if pattern.search(said)), None)


def _is_driver_error(error: BaseException) -> bool:
    return any(cls.__module__.split(".")[0] in DRIVERS for cls in type(error).__mro__)
