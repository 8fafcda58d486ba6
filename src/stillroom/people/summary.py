"""How a run over the fleet ends: failures last, each with what to do; and what the exit code has to be."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from stillroom import fleet
from stillroom.people import fitting

__all__ = ["document", "exit_code", "failures", "mark", "print_json"]

_TRACEBACK = "Traceback (most recent call last):"


def failures(outcomes: Sequence[fleet.Outcome[Any]], *, verbose: bool = False, debug: bool = False) -> None:
    """Prints each failure with its mend, after everything else, to standard error."""
    failed = [(each.service.name, each.failure) for each in outcomes if each.failure is not None]
    for at, (name, failure) in enumerate(failed):
        if at:
            _say("")
        _failure(name, failure, verbose=verbose, debug=debug)
    skipped = [f"{each.service.name} ({each.skipped})" for each in outcomes if each.skipped]
    if skipped:
        _say(f"skipped: {', '.join(skipped)}")


def _failure(name: str, failure: fleet.Failure, *, verbose: bool, debug: bool) -> None:
    named = failure.message if failure.message.startswith(f"{name}:") else f"{name}: {failure.message}"
    _say(fitting.fit(f"✗ {named}", sys.stderr))
    if failure.mend:
        _say(fitting.fit(f"  → {failure.mend}", sys.stderr))
    lines = (failure.detail if debug else failure.detail.partition(_TRACEBACK)[0].rstrip()).splitlines()
    if all(line.strip() in failure.message for line in lines):
        lines = []
    shown = lines if verbose or debug else lines[:20]
    for line in shown:
        _say(f"    {line}")
    if len(shown) < len(lines):
        _say(f"    … {len(lines) - len(shown)} more lines with --verbose")
    output = str(failure.data.get("output", "")).strip().splitlines()
    if output and (verbose or debug or failure.code in ("answer-lost", "time-limit")):
        _say("    it printed last:")
        for line in output[-20:]:
            _say(f"    | {line}")


def mark(outcome: fleet.Outcome[Any]) -> str:
    """Why a service is not done, for its row in a table; empty if it is. The reasons follow the table."""
    if outcome.failure is not None:
        return "[red]✗ refused[/]" if outcome.failure.refused else "[red]✗ failed[/]"
    return "- skipped" if outcome.skipped else ""


def exit_code(outcomes: Sequence[fleet.Outcome[Any]]) -> int:
    """0 all well, 4 where every failure is a refusal, else 1."""
    failed = [each.failure for each in outcomes if each.failure is not None]
    if not failed:
        return 1 if any(each.skipped for each in outcomes) else 0
    return 4 if all(failure.refused for failure in failed) else 1


def document(
    command: str,
    environment: str,
    outcomes: Sequence[fleet.Outcome[Any]],
    describe: Callable[[Any], Mapping[str, Any]],
) -> dict[str, Any]:
    """The one JSON document of a command that goes over services."""
    services = []
    for outcome in outcomes:
        entry: dict[str, Any] = {"name": outcome.service.name, "ok": outcome.ok, "seconds": round(outcome.seconds, 3)}
        if outcome.value is not None:
            entry.update(describe(outcome.value))
        if outcome.failure is not None:
            failure = outcome.failure
            data = {key: value for key, value in failure.data.items() if key != "output"}
            entry["error"] = {
                "code": failure.code,
                "message": failure.message,
                "mend": failure.mend,
                "detail": failure.detail,
                "data": data,
            }
        if outcome.skipped:
            entry["skipped"] = outcome.skipped
        if outcome.warnings:
            entry["warnings"] = list(outcome.warnings)
        services.append(entry)
    return {
        "command": command,
        "environment": environment,
        "ok": all(each.ok for each in outcomes),
        "services": services,
    }


def print_json(value: Mapping[str, Any]) -> None:
    """Prints one JSON document, and nothing else, to standard output."""
    json.dump(value, sys.stdout, indent=2, default=str)
    sys.stdout.write("\n")


def _say(line: str) -> None:
    print(line, file=sys.stderr)
