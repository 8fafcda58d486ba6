"""What preflight finds: one finding a check, each with its mend; a check that fails never hides the others."""

from __future__ import annotations

import contextlib
import traceback
from collections.abc import Iterator
from typing import Any

from .. import faults, secrecy

__all__ = ["LEVELS", "Findings"]

LEVELS = ("ok", "skipped", "note", "warning", "error")
"""From good to bad. `note`: worth knowing, and no fault.

`skipped`: not looked at, or not to be known here, and the message says why; never a false ok."""


class Findings:
    """Collects findings, in the order in which they are made."""

    def __init__(self) -> None:
        self._found: list[dict[str, Any]] = []

    def ok(self, check: str, message: str, **data: Any) -> None:
        """A check went well; the message says what was seen."""
        self._add(check, "ok", message, "", data)

    def skipped(self, check: str, message: str, mend: str = "", **data: Any) -> None:
        """A check was not made; the message says why."""
        self._add(check, "skipped", message, mend, data)

    def note(self, check: str, message: str, mend: str, **data: Any) -> None:
        """Something that is usual and fine, and that a person may want to know."""
        self._add(check, "note", message, mend, data)

    def warning(self, check: str, message: str, mend: str, **data: Any) -> None:
        """Something that does not stop a run, and that a person should know."""
        self._add(check, "warning", message, mend, data)

    def error(self, check: str, message: str, mend: str, **data: Any) -> None:
        """Something that would make a run fail."""
        self._add(check, "error", message, mend, data)

    def fault(self, check: str, fault: faults.Fault) -> None:
        """A fault as an error; its code and detail go along in the data."""
        data = {**fault.data, "code": fault.code}
        if fault.detail:
            data["detail"] = fault.detail
        self._add(check, "error", fault.message, fault.mend, data)

    def errors(self, *checks: str) -> list[dict[str, Any]]:
        """The errors of these checks that were found so far."""
        return [each for each in self._found if each["level"] == "error" and each["check"] in checks]

    @contextlib.contextmanager
    def checking(self, check: str) -> Iterator[None]:
        """What is raised inside the block becomes an error of this check, and the block ends."""
        try:
            yield
        except faults.Fault as fault:
            self.fault(check, fault)
        except Exception as error:  # noqa: BLE001 - whatever a check stumbles over, the next ones are made
            said = str(error).strip().splitlines()
            self.error(
                check,
                f"this check itself failed with {type(error).__name__}: {said[0] if said else '(no message)'}",
                "run it again with --debug; if the service's own code is not at fault, report it",
                code="unexpected",
                detail="".join(traceback.format_exception(type(error), error, error.__traceback__)),
            )

    def to_list(self) -> list[dict[str, Any]]:
        """The findings, JSON-able: `check`, `level`, `message`, `mend`, `data`."""
        return list(self._found)

    def _add(self, check: str, level: str, message: str, mend: str, data: dict[str, Any]) -> None:
        told = secrecy.scrubbed({"message": message, "mend": mend, "data": data})
        self._found.append({"check": check, "level": level, **told})
