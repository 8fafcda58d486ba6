"""What the runtime in a Job left, and the failure that people are told of it."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from stillroom import errors
from stillroom.rollout import judging, logs, results
from stillroom.runtime import faults
from stillroom.runtime.migrating import last_word

_FAULT = faults.Fault("revision-failed", 'auth: revision 0002 failed: column "x" [of y] is there', "mend 0002")


def _verdict(code: int, message: str) -> judging.Verdict:
    container = judging.Container("migration", False, False, "terminated", "Error", message, code)
    return judging.Verdict(
        judging.FAILED, code="migration-failed", message="it is wrong", mend="do it", container=container, pod="p"
    )


@pytest.mark.parametrize("what", ["Migration failed", "Downgrade failed", "Stamp failed"])
def test_the_last_word_of_the_runtime_is_understood(tmp_path: Path, what: str) -> None:
    """As the runtime writes it."""
    path = tmp_path / "log"
    path.touch()
    last_word.write(what, _FAULT, str(path))
    assert results.said(path.read_text(encoding="utf-8")) == results.Said(
        "revision-failed", _FAULT.message, "mend 0002"
    )


@pytest.mark.parametrize(
    "message", ["", "Segmentation fault", "x failed: y", "{", "[1]", "Migration failed: a [B C]\nd"]
)
def test_what_is_not_the_runtimes_says_nothing(message: str) -> None:
    """It is shown as it is, and not taken apart."""
    assert results.said(message) == results.Said()


def test_a_failure_is_told_in_the_words_of_the_runtime() -> None:
    """With its code, its mend, the last lines, and where all of them are."""
    verdict = _verdict(20, f"Migration failed: {_FAULT.message} [revision-failed]\nmend 0002\n")
    found = results.failure("auth", "auth-migration-1", verdict, ["one", "two"], "/runs/x/logs/auth.log")
    assert isinstance(found, results.JobFailed)
    assert (found.code, found.mend, found.detail) == ("revision-failed", "mend 0002", "one\ntwo")
    assert found.message == f"{_FAULT.message} (Job auth-migration-1)"
    assert (found.data["exit_code"], found.data["log"]) == (20, "/runs/x/logs/auth.log")


def test_a_refusal_in_a_job_is_a_refusal() -> None:
    """So that the command ends with 4."""
    found = results.failure("auth", "j", _verdict(22, ""), [], "")
    assert isinstance(found, errors.Refused)
    assert found.code == "migration-failed"


def test_a_failure_without_last_words_is_told_by_its_verdict() -> None:
    """A container that was never started has nothing to say."""
    verdict = dataclasses.replace(_verdict(1, ""), container=None)
    found = results.failure("auth", "j", verdict, [], "")
    assert (found.code, found.message) == ("migration-failed", "auth: it is wrong (Job j)")


def test_the_document_is_found_among_log_lines() -> None:
    """Log lines may be JSON, too."""
    lines = ['{"timestamp": "x", "level": "info", "event": "y"}', "[info] z", '{"ok": true, "exit_code": 0}', ""]
    assert results.document(lines) == {"ok": True, "exit_code": 0}
    assert results.document(lines[:2]) is None


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("a\x1b[31mred\x1b[0m b", "ared b"),
        ("\x1b]0;title\x07x", "x"),
        ("a\rb\x08c\x00", "abc"),
        ("tab\tstays", "tab\tstays"),
        ("postgresql://u:secret99@h/d", "postgresql://u:***@h/d"),
    ],
)
def test_a_line_of_a_log_moves_no_cursor_and_tells_no_password(line: str, shown: str) -> None:
    """Whoever printed it."""
    assert logs.plain(line) == shown
