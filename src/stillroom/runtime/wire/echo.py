"""An operation that does nothing: what the channel itself costs, and whether it works."""

from __future__ import annotations

import os
import platform
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from . import protocol, telling

__all__ = ["echo"]


def echo(request: protocol.Request, tell: telling.Tell) -> dict[str, Any]:
    """Answers with what it was asked, and where it ran."""
    tell.step("echo")
    return {
        "options": request.options,
        "pid": os.getpid(),
        "python": platform.python_version(),
        "executable": sys.executable,
        "folder": str(os.getcwd()),  # noqa: PTH109 - a plain string is all that is wanted
    }
