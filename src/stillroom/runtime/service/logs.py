"""Where a service's log lines go: through structlog where the service uses it, with the same text where it does not.

A service that has configured structlog itself keeps its own processors: our events go through them like its own. For our
lines alone it is not imported: that takes longer than a verification.
"""

from __future__ import annotations

import sys
from collections.abc import MutableMapping
from typing import Any, Protocol

from .. import faults, log_lines
from . import extras

__all__ = ["Lines", "beside", "configure_logging", "logger", "logger_of_errors"]


class Lines(Protocol):
    """What is asked of a logger; structlog's and `log_lines.Log` both are one."""

    def info(self, event: str, /, **fields: Any) -> Any:
        """What went as it should."""

    def warning(self, event: str, /, **fields: Any) -> Any:
        """What went on, but should be looked at."""

    def error(self, event: str, /, **fields: Any) -> Any:
        """What ended it."""


def logger() -> Lines:
    """The logger of this process.

    Raises:
        faults.WrongRequest: `log-format-unknown`.
    """
    structlog = extras.imported("structlog")
    if structlog is None:
        return log_lines.Log(form=log_lines.chosen_format())
    if structlog.is_configured():
        return structlog.get_logger("stillroom")  # type: ignore[no-any-return]  # a module that may be missing
    return structlog.wrap_logger(_Written(), processors=_processors(structlog))  # type: ignore[no-any-return]  # likewise


def logger_of_errors() -> Lines:
    """The logger of this process, also where `LOG_FORMAT` makes no sense: why a start ends is told in any case."""
    try:
        return logger()
    except faults.WrongRequest:
        return log_lines.Log(form=log_lines.format_in_any_case())


def beside(**fields: Any) -> dict[str, Any]:
    """Fields for those who collect lines: of a documented line they stand in its JSON form, not on the console.

    A service that has configured structlog gets them, too.
    """
    structlog = extras.imported("structlog")
    if structlog is not None and structlog.is_configured():
        return fields
    return fields if log_lines.format_in_any_case() == "json" else {}


def configure_logging() -> None:
    """Has structlog write the service's own lines in the form of these, unless the service has configured it.

    Raises:
        faults.ProjectFault: `extra-missing`.
        faults.WrongRequest: `log-format-unknown`.
    """
    structlog = extras.need("structlog", "configure_logging()")
    if not structlog.is_configured():
        structlog.configure(processors=_processors(structlog), logger_factory=lambda *_: _Written())


class _Written:
    """The end of structlog's chain: each rendered line goes to what `sys.stdout` is at that moment."""

    def msg(self, line: str) -> None:
        sys.stdout.write(line + "\n")
        sys.stdout.flush()

    log = debug = info = warn = warning = error = fatal = failure = err = critical = exception = msg


def _processors(structlog: Any) -> list[Any]:
    form = log_lines.chosen_format()

    def rendered(_logger: Any, method: str, line: MutableMapping[str, Any]) -> str:
        return log_lines.render(_LEVELS.get(method, method), str(line.pop("event", "")), line, form=form)

    return [structlog.contextvars.merge_contextvars, structlog.processors.format_exc_info, rendered]


_LEVELS = {"warn": "warning", "exception": "error", "fatal": "critical", "msg": "info"}
