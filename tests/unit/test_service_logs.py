"""A service's log lines: the same text with structlog and without it."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from stillroom.runtime import faults, log_lines
from stillroom.runtime.service import extras, logs


@pytest.fixture(autouse=True)
def unconfigured() -> Iterator[None]:
    """structlog as it is when nobody has configured it."""
    structlog.reset_defaults()
    yield
    structlog.reset_defaults()


@pytest.fixture(params=["structlog", "without structlog"])
def log(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> logs.Lines:
    """A logger, in a process with structlog and in one without."""
    if request.param == "without structlog":
        monkeypatch.setitem(sys.modules, "structlog", None)
        assert isinstance(logs.logger(), log_lines.Log)
    return logs.logger()


def write_some(log: logs.Lines) -> None:
    """Lines of each level."""
    log.info("Database verification successful", migration_count=1, current_revision="374752db316e", table_count=6)
    log.warning("Metrics not pushed", reason="the gateway answered 503")
    log.error("DB not ready: no postgresql://u:hunter22@h/d")


def test_lines_are_the_same_with_structlog_and_without(log: logs.Lines, capsys: pytest.CaptureFixture[str]) -> None:
    """Level, event, fields in order; no colour, no padding, no password."""
    write_some(log)
    assert capsys.readouterr().out.splitlines() == [
        "[info] Database verification successful migration_count=1 current_revision=374752db316e table_count=6",
        '[warning] Metrics not pushed reason="the gateway answered 503"',
        "[error] DB not ready: no postgresql://u:***@h/d",
    ]


def test_json_lines_are_the_same_with_structlog_and_without(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`LOG_FORMAT=json`: the same keys in the same order."""
    monkeypatch.setenv("LOG_FORMAT", "json")
    write_some(logs.logger())
    with_structlog = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    monkeypatch.setitem(sys.modules, "structlog", None)
    write_some(logs.logger())
    without = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    for each in (*with_structlog, *without):
        del each["timestamp"]
    assert [list(each.items()) for each in with_structlog] == [list(each.items()) for each in without]
    assert list(with_structlog[0]) == ["level", "event", "migration_count", "current_revision", "table_count"]


def test_a_service_that_has_configured_structlog_keeps_its_own_form() -> None:
    """Our events go through its processors, like its own."""
    written = io.StringIO()
    structlog.configure(
        processors=[structlog.processors.KeyValueRenderer(key_order=["event"])],
        logger_factory=structlog.PrintLoggerFactory(written),
    )
    logs.logger().info("Database state checked", count=1)
    assert written.getvalue() == "event='Database state checked' count=1\n"


def test_structlog_is_not_imported_for_our_lines_alone(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A service that does not use it starts without it."""
    monkeypatch.delitem(sys.modules, "structlog")
    logs.logger().info("Database state checked", **logs.beside(state="at_head"))
    assert capsys.readouterr().out == "[info] Database state checked\n"
    assert "structlog" not in sys.modules


def test_a_service_may_take_our_form_for_its_own_lines(capsys: pytest.CaptureFixture[str]) -> None:
    """`configure_logging()`; what is bound to the context stands in the line; a second call changes nothing."""
    logs.configure_logging()
    logs.configure_logging()
    with structlog.contextvars.bound_contextvars(request="r1"):
        structlog.get_logger().info("order taken", items=3)
    structlog.get_logger().exception("boom", exc_info=ValueError("x"))
    first, second = capsys.readouterr().out.splitlines()
    assert first == "[info] order taken items=3 request=r1"
    assert second.startswith("[error] boom exception=")


def test_without_structlog_configuring_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not a bare ImportError."""
    monkeypatch.setitem(sys.modules, "structlog", None)
    with pytest.raises(faults.ProjectFault) as refused:
        logs.configure_logging()
    assert refused.value.code == "extra-missing"
    assert refused.value.mend == "pip install 'stillroom[service]'"


def test_an_extra_that_is_there_and_broken_is_not_called_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """What its import raises about another module comes out as it is."""

    def broken(name: str) -> Any:
        raise ModuleNotFoundError("No module named 'typing_extensions'", name="typing_extensions")

    monkeypatch.setattr(extras.importlib, "import_module", broken)
    with pytest.raises(ModuleNotFoundError, match="typing_extensions"):
        extras.found("structlog")


def test_a_wrong_log_format_ends_a_start(log: logs.Lines, monkeypatch: pytest.MonkeyPatch) -> None:
    """With structlog as without."""
    monkeypatch.setenv("LOG_FORMAT", "xml")
    with pytest.raises(faults.WrongRequest):
        logs.logger()
