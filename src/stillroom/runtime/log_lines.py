"""The log lines of services and migration Jobs, rendered without any library: one event, its fields in the order given.

    log = Log()
    log.info("Running pending migrations", service="external")

is, with `LOG_FORMAT=console` (the default) and with `LOG_FORMAT=json`:

    [info] Running pending migrations service=external
    {"timestamp":"2026-11-22T17:00:00.000Z","level":"info","event":"Running pending migrations","service":"external"}

A line is always one line, whatever stands in its values, and never holds a password (`secrecy`). There is no colour
unless `FORCE_COLOR` asks for it: these lines are read through `kubectl logs` and by collectors. What a service logs by
way of structlog is the same text, since `render` is what structlog is given there.
"""

from __future__ import annotations

import datetime
import json
import os
import re
import sys
from collections.abc import Callable, Mapping
from typing import Any

from . import faults, secrecy

__all__ = ["FORMATS", "Log", "chosen_format", "format_in_any_case", "render"]

FORMATS = ("console", "json")

_COLOURS = {"debug": "2", "info": "32", "warning": "33", "error": "31"}
_PLAIN = re.compile(r"[^\s\"'=\x00-\x1f\x7f-\x9f\u2028\u2029]+\Z")
_BREAKS = re.compile(r"[\s\x00-\x1f\x7f-\x9f\u2028\u2029]+")

# Whatever stands in an event under these names is the line's own.
_OWN = ("timestamp", "level", "event")


def chosen_format(environ: Mapping[str, str] | None = None) -> str:
    """`console` or `json`: what `LOG_FORMAT` says, `console` where it says nothing.

    Raises:
        faults.WrongRequest: `log-format-unknown`.
    """
    said = (os.environ if environ is None else environ).get("LOG_FORMAT", "").strip().lower() or FORMATS[0]
    if said not in FORMATS:
        raise faults.WrongRequest(
            "log-format-unknown", f"LOG_FORMAT is {said!r}", "set LOG_FORMAT to console or json, or leave it unset"
        )
    return said


def format_in_any_case(environ: Mapping[str, str] | None = None) -> str:
    """The same; `console` where `LOG_FORMAT` makes no sense: for what has to be told then."""
    try:
        return chosen_format(environ)
    except faults.WrongRequest:
        return FORMATS[0]


def render(level: str, event: str, fields: Mapping[str, Any], *, form: str = "console", colour: bool = False) -> str:
    """One line, without its end.

    Args:
        level: `debug`, `info`, `warning` or `error`.
        event: what happened; line breaks in it become spaces.
        fields: in the order in which they are to stand; a `timestamp`, `level` or `event` among them is left out.
        form: one of `FORMATS`.
        colour: colour the level (`console` only).
    """
    said = {name: secrecy.scrubbed(_plain(value)) for name, value in fields.items() if name not in _OWN}
    text = secrecy.scrubbed(_BREAKS.sub(" ", event).strip())
    if form == "json":
        line = {"timestamp": _now(), "level": level, "event": text, **said}
        return json.dumps(line, ensure_ascii=False, separators=(",", ":"))
    shown = f"\x1b[{_COLOURS[level]}m{level}\x1b[0m" if colour and level in _COLOURS else level
    return " ".join([f"[{shown}] {text}", *(f"{name}={_shown(value)}" for name, value in said.items())])


class Log:
    """Where lines go: each call is one line, written at once.

    Args:
        write: takes a line with its end; the default writes to what `sys.stdout` is at that moment, and flushes.
        form: one of `FORMATS`; the default is what `LOG_FORMAT` says at the first line.
        context: fields that every line ends with.
    """

    def __init__(
        self,
        write: Callable[[str], object] | None = None,
        *,
        form: str | None = None,
        context: Mapping[str, Any] | None = None,
    ) -> None:
        self._write = write or _to_stdout
        self._form = form
        self._context = dict(context or {})

    def bind(self, **context: Any) -> Log:
        """The same, with more fields at the end of every line."""
        return Log(self._write, form=self._form, context={**self._context, **context})

    def debug(self, event: str, /, **fields: Any) -> None:
        """For who looks closely."""
        self.line("debug", event, fields)

    def info(self, event: str, /, **fields: Any) -> None:
        """What went as it should."""
        self.line("info", event, fields)

    def warning(self, event: str, /, **fields: Any) -> None:
        """What went on, but should be looked at."""
        self.line("warning", event, fields)

    def error(self, event: str, /, **fields: Any) -> None:
        """What ended it; told in any case, on the console where `LOG_FORMAT` makes no sense."""
        self._form = self._form or format_in_any_case()
        self.line("error", event, fields)

    def line(self, level: str, event: str, fields: Mapping[str, Any]) -> None:
        """One line of this level, written.

        Raises:
            faults.WrongRequest: `log-format-unknown`.
        """
        if self._form is None:
            self._form = chosen_format()
        colour = bool(os.environ.get("FORCE_COLOR")) and not os.environ.get("NO_COLOR")
        self._write(render(level, event, {**fields, **self._context}, form=self._form, colour=colour) + "\n")


def _to_stdout(line: str) -> None:
    sys.stdout.write(line)
    sys.stdout.flush()


def _now() -> str:
    """The time of a line, in UTC, to the millisecond."""
    now = datetime.datetime.now(datetime.timezone.utc)
    return now.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _plain(value: Any) -> Any:
    """A value as JSON has it; what JSON doesn't know is said in words."""
    if value is None or isinstance(value, str | bool | int | float):
        return value
    if isinstance(value, Mapping):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, set | frozenset):
        return sorted(str(item) for item in value)
    return str(value)


def _shown(value: Any) -> str:
    """A value on the console: as it is, several joined by commas, and in quotes where it would not read as one word."""
    if isinstance(value, list) and not any(isinstance(item, dict | list) for item in value):
        text = ",".join(str(item) for item in value)
    else:
        text = json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else str(value)
    return text if _PLAIN.match(text) else json.dumps(text, ensure_ascii=False)
