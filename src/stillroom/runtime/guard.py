"""Guard (being built)."""

from __future__ import annotations

import contextvars
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["lifted"]

_lifted: contextvars.ContextVar[bool] = contextvars.ContextVar("stillroom_guard_lifted", default=False)


@contextmanager
def lifted() -> Iterator[None]:
    """While active, connections that this thread (and what it awaits) opens are our own, and not checked."""
    token = _lifted.set(True)
    try:
        yield
    finally:
        _lifted.reset(token)
