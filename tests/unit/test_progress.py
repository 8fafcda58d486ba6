"""Failures as they happen, without a terminal: one short line, with the name once."""

from __future__ import annotations

import pytest

from stillroom import fleet
from stillroom.people import moment, progress, summary
from stillroom.registry import load, model


@pytest.fixture
def failed(tmp_path_factory: pytest.TempPathFactory) -> fleet.Outcome[None]:
    """A service that failed, with a message that begins with its name and says more than fits a line."""
    folder = tmp_path_factory.mktemp("fleet")
    (folder / "services.yaml").write_text("services: {auth: }\n")
    (folder / "services" / "auth").mkdir(parents=True)
    (folder / "services" / "auth" / "alembic.ini").write_text("[alembic]\nscript_location = migrations\n")
    service: model.Service = load.load(folder / "services.yaml").services[0]
    failure = fleet.Failure("code", "auth: it broke at 7; nothing was applied\nand more", "mend line 7")
    return fleet.Outcome(service, 1.0, failure=failure)


@pytest.mark.parametrize("quiet", [True, False])
def test_a_failure_is_told_briefly_at_once_and_whole_at_the_end(
    failed: fleet.Outcome[None], quiet: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    """The first line says what; the summary says it whole, and what to do."""
    with progress.watching("apply", ["auth"], verbose=False, quiet=quiet) as watcher:
        watcher.begin("auth")
        watcher.end("auth", failed)
    at_once = capsys.readouterr().err.splitlines()
    assert at_once[-1] == "[1/1] auth: ✗ it broke at 7"
    assert len(at_once) == (1 if quiet else 2)
    summary.failures([failed])
    assert capsys.readouterr().err.splitlines() == [
        "✗ auth: it broke at 7; nothing was applied",
        "and more",
        "  → mend line 7",
    ]


def test_what_takes_a_moment_is_said_in_terminals_only(capsys: pytest.CaptureFixture[str]) -> None:
    """Elsewhere it would stay for ever."""
    with moment.moment("starting"):
        pass
    assert capsys.readouterr() == ("", "")


def test_a_detail_that_the_message_holds_already_is_not_said_again(
    failed: fleet.Outcome[None], capsys: pytest.CaptureFixture[str]
) -> None:
    """Whole only: part of a list would look like all of it."""
    for detail, shown in (("it broke at 7", 0), ("it broke at 7\nand at 8", 2)):
        failure = fleet.Failure("code", "auth: it broke at 7", "mend it", detail)
        summary.failures([fleet.Outcome(failed.service, 1.0, failure=failure)])
        assert len(capsys.readouterr().err.splitlines()) == 2 + shown


@pytest.mark.parametrize(("refused", "mark"), [(True, "[red]✗ refused[/]"), (False, "[red]✗ failed[/]")])
def test_a_refusal_is_not_called_a_failure(failed: fleet.Outcome[None], refused: bool, mark: str) -> None:
    """In tables; the exit code tells them apart as well."""
    failure = fleet.Failure("code", "message", "mend", refused=refused)
    assert summary.mark(fleet.Outcome(failed.service, 1.0, failure=failure)) == mark
    assert summary.mark(fleet.Outcome(failed.service, 0.0, skipped="after sales")) == "- skipped"
    assert summary.mark(fleet.Outcome(failed.service, 1.0, None)) == ""
