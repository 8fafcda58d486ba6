"""A line while something takes a moment that can't be watched. Imports nothing that would take a moment itself."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator

__all__ = ["moment"]


@contextlib.contextmanager
def moment(text: str) -> Iterator[None]:
    """Shows a line for the duration of the block, in a terminal: of what can't be watched, and takes a moment."""
    shown = sys.stderr.isatty()
    if shown:
        sys.stderr.write(f"… {text}")
        sys.stderr.flush()
    try:
        yield
    finally:
        if shown:
            sys.stderr.write("\r\x1b[2K")
            sys.stderr.flush()
