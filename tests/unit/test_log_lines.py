"""The log lines: what the documents show, character for character, and what may never stand in one."""

from __future__ import annotations

import json
import re

import pytest

from stillroom.runtime import faults, log_lines, secrecy


def lines(form: str = "console") -> tuple[list[str], log_lines.Log]:
    """A log and the lines that it has written so far."""
    written: list[str] = []
    return written, log_lines.Log(written.append, form=form)


DOCUMENTED = [
    ("Running pending migrations", {"service": "external"}, "[info] Running pending migrations service=external"),
    ("Migration job starting", {}, "[info] Migration job starting"),
    (
        "Database verification successful",
        {"migration_count": 1, "current_revision": "374752db316e", "table_count": 6},
        "[info] Database verification successful migration_count=1 current_revision=374752db316e table_count=6",
    ),
]


@pytest.mark.parametrize(("event", "fields", "line"), DOCUMENTED)
def test_a_line_on_the_console_is_the_documented_one(event: str, fields: dict[str, object], line: str) -> None:
    """Level, event, then fields in the order in which they were given."""
    written, log = lines()
    log.info(event, **fields)
    assert written == [line + "\n"]


@pytest.mark.parametrize(("event", "fields", "line"), DOCUMENTED)
def test_a_line_as_json_has_the_same_fields_in_the_same_order(event: str, fields: dict[str, object], line: str) -> None:
    """One object a line; time, level and event come first."""
    written, log = lines("json")
    log.info(event, **fields)
    parsed = json.loads(written[0])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", parsed["timestamp"])
    assert list(parsed.items())[1:] == [("level", "info"), ("event", event), *fields.items()]


@pytest.mark.parametrize("form", log_lines.FORMATS)
def test_a_line_is_one_line_whatever_stands_in_it(form: str) -> None:
    """A value can't forge a second line."""
    written, log = lines(form)
    log.error("broken\n[info] all is well\u2028", detail="a\nb\r[info] c", name='x="y z"', none=None, yes=True)
    assert len(written) == 1
    assert len(written[0].splitlines()) == 1


def test_values_read_as_one_word_each() -> None:
    """What has spaces, quotes or an equals sign stands in quotes; several values are joined by commas."""
    written, log = lines()
    log.warning("x", a="two words", b=["r1", "r2"], c={"k": 1}, d="", e="p=q", f=0.25, g={"b", "a"})
    assert written == ['[warning] x a="two words" b=r1,r2 c="{\\"k\\": 1}" d="" e="p=q" f=0.25 g=a,b\n']


@pytest.mark.parametrize("form", log_lines.FORMATS)
def test_a_line_never_holds_a_password(form: str) -> None:
    """Neither one that stands in a URL, nor one that was learnt; not in the event, not deep in a field."""
    secrecy.learn("tarte-au-citron-7")
    written, log = lines(form)
    log.error(
        "no postgresql://u:hunter22@h/d for tarte-au-citron-7",
        url="postgresql://u:hunter22@h/d",
        error=ValueError("tarte-au-citron-7"),
        deep={"a": ["tarte-au-citron-7"]},
    )
    assert "hunter22" not in written[0]
    assert "citron" not in written[0]


def test_what_is_bound_ends_every_line() -> None:
    """Bound fields stand after a line's own, and the first log is not changed."""
    written, log = lines()
    log.bind(service="auth").info("a", count=1)
    log.info("b")
    assert written == ["[info] a count=1 service=auth\n", "[info] b\n"]


def test_the_format_is_what_the_environment_says(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`LOG_FORMAT` at the first line decides; lines go to standard output."""
    monkeypatch.setenv("LOG_FORMAT", "JSON")
    log_lines.Log().info("a", count=1)
    assert json.loads(capsys.readouterr().out)["count"] == 1
    monkeypatch.delenv("LOG_FORMAT")
    log_lines.Log().debug("a", count=1)
    assert capsys.readouterr().out == "[debug] a count=1\n"


def test_colour_only_where_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """`FORCE_COLOR` colours the level, `NO_COLOR` wins, and JSON never has any."""
    for name in ("FORCE_COLOR", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    written, log = lines()
    log.info("a")
    monkeypatch.setenv("FORCE_COLOR", "1")
    log.info("a")
    as_json, json_log = lines("json")
    json_log.info("a")
    monkeypatch.setenv("NO_COLOR", "1")
    log.info("a")
    assert written == ["[info] a\n", "[\x1b[32minfo\x1b[0m] a\n", "[info] a\n"]
    assert "\x1b" not in as_json[0]


def test_an_unknown_format_is_an_error() -> None:
    """Nothing is guessed: the message says what may be set."""
    with pytest.raises(faults.WrongRequest) as refused:
        log_lines.chosen_format({"LOG_FORMAT": "logfmt"})
    assert refused.value.code == "log-format-unknown"
    assert "console or json" in refused.value.mend


def test_an_unknown_format_hides_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other lines are refused; what ended it is told on the console."""
    monkeypatch.setenv("LOG_FORMAT", "logfmt")
    written: list[str] = []
    log = log_lines.Log(written.append)
    with pytest.raises(faults.WrongRequest):
        log.info("a")
    log.error("b", code="c")
    assert written == ["[error] b code=c\n"]
