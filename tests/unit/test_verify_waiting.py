"""Waiting for a database: until it is ready, not beyond its time, and not where waiting is of no use."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import pytest

from stillroom.runtime import faults
from stillroom.runtime.verifying import asking, plain_url, trouble, url_choice, verdict, verification

READY = verdict.Verdict("at_head", True, "fine", migrations=1)
BEHIND = verdict.Verdict("behind", False, "DB not ready: behind", "wait", migrations=1)
EMPTY = dataclasses.replace(BEHIND, state="empty", message="DB not ready: empty")
LOST = dataclasses.replace(BEHIND, hopeless=True)


class Time:
    """A clock that goes on only when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 100.0
        self.slept: list[float] = []

    def sleep(self, seconds: float) -> None:
        """Time goes by."""
        self.slept.append(seconds)
        self.now += seconds


def _until(*verdicts: verdict.Verdict, seconds: float = 120.0) -> tuple[verdict.Verdict, Time, list[str]]:
    time, told = Time(), list[str]()
    rest: Iterator[verdict.Verdict] = iter(verdicts)
    last = verdicts[-1]
    found = verification.until_ready(
        lambda: next(rest, last),
        seconds,
        tell=lambda each: told.append(each.state),
        clock=lambda: time.now,
        sleep=time.sleep,
    )
    return found, time, told


def test_it_comes_when_it_is_ready() -> None:
    """Polls; tells each state once; never sleeps the same time twice."""
    found, time, told = _until(EMPTY, EMPTY, BEHIND, BEHIND, BEHIND, READY)
    assert found is READY and told == ["empty", "behind"]
    assert len(set(time.slept)) == 5 and all(0.3 <= each <= 3 for each in time.slept)


def test_it_gives_up_after_its_time() -> None:
    """The last verdict, with how long it waited; not much later than it should."""
    found, time, _ = _until(BEHIND, seconds=10)
    assert found.message == "DB not ready: after 10 s of waiting: behind" and found.exit_code == 10
    assert 110 <= time.now < 110.1


@pytest.mark.parametrize("last", [LOST, verdict.Verdict("no_migrations", False, "DB not ready: none")])
def test_it_does_not_wait_for_what_will_not_come(last: verdict.Verdict) -> None:
    """A run that failed for good, and an image without migrations, end it at once."""
    found, time, told = _until(last)
    assert found is last and (time.slept, told) == ([], [])


URL = plain_url.parse("postgresql+asyncpg://me:secret-word@db:5432/auth")


@pytest.mark.parametrize(
    ("sort", "seconds"), [(trouble.CROWDED, 60), (trouble.LOST, 30), (trouble.REFUSED, 3), (trouble.LASTING, 0)]
)
def test_patience_depends_on_what_is_in_the_way(monkeypatch: pytest.MonkeyPatch, sort: str, seconds: float) -> None:
    """A crowd passes, a server may be starting; a wrong password is wrong the next time, too."""
    time = Time()
    monkeypatch.setattr(asking.time, "monotonic", lambda: time.now)
    pauses = asking._Pauses(1.0)
    with pytest.raises(asking.NoAnswer):
        while True:
            time.sleep(pauses.after(trouble.Trouble("m", "n", sort)))
    assert seconds <= time.now - 100 <= seconds + 2.1
    assert len(set(time.slept)) == len(time.slept)


class _Said(Exception):
    def __init__(self, text: str, sqlstate: str | None = None) -> None:
        super().__init__(text)
        self.sqlstate = sqlstate


_Said.__module__ = "psycopg.errors"


@pytest.mark.parametrize(
    ("error", "sort", "told"),
    [
        (_Said("FATAL: sorry, too many clients already", "53300"), "crowded", "takes no more connections"),
        (_Said("connection failed: FATAL: remaining connection slots are reserved for"), "crowded", "no more connections"),
        (_Said("too many connections for role \"me\"", "53300"), "crowded", "db:5432/auth"),
        (_Said("the database system is starting up"), "crowded", "starting up"),
        (ConnectionRefusedError("refused"), "refused", "no PostgreSQL answers for db:5432/auth"),
        (_Said("connection failed: could not translate host name"), "refused", "no PostgreSQL answers"),
        (TimeoutError(), "lost", "no answer in time"),
        (ConnectionResetError("reset by peer"), "lost", "reset by peer"),
        (_Said("server closed the connection unexpectedly"), "lost", "no PostgreSQL answers"),
        (_Said('password authentication failed for user "me"'), "lasting", "may not log in"),
        (_Said('database "auth" does not exist', "3D000"), "lasting", "no database db:5432/auth"),
        (_Said("permission denied for table x", "42501"), "lasting", "lacks a right"),
        (_Said("secret-word is wrong, postgresql://me:secret-word@db"), "lost", "postgresql://me:***@db"),
    ],
)  # fmt: skip
def test_what_drivers_say(error: Exception, sort: str, told: str) -> None:
    """By code where there is one, by the server's words where there is none; no password is repeated."""
    found = trouble.of(error, URL, connected=False)
    assert found is not None and (found.sort, told in found.message) == (sort, True), found
    assert found.mend and "secret-word" not in found.message


def test_an_error_of_our_own_is_no_trouble_of_the_database() -> None:
    """It comes out as it is."""
    assert trouble.of(KeyError("x"), URL, connected=False) is None


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("postgresql://u:p%40ss@h:1/d", ("u", "p@ss", "h", 1, "d")),
        ("postgres+psycopg2://h/d", (None, None, "h", None, "d")),
        ("postgresql+psycopg_async://u@[::1]:5/d?sslmode=require", ("u", None, "::1", 5, "d")),
        ("postgresql+asyncpg:///d?host=/run/postgresql", (None, None, None, None, "d")),
        ("postgresql+asyncpg://a:1,b:2/d", (None, None, None, None, "d")),
        ("postgresql+asyncpg://u:@h/", ("u", "", "h", None, None)),
    ],
)  # fmt: skip
def test_urls_are_taken_apart(text: str, parts: tuple[object, ...]) -> None:
    """As SQLAlchemy does it, without SQLAlchemy."""
    found = plain_url.parse(text)
    assert (found.username, found.password, found.host, found.port, found.database) == parts
    assert found.driver in plain_url.DRIVERS


@pytest.mark.parametrize("text", ["", "mysql://u:pw-pw@h/d", "h:1/d", "postgresql://u:pw-pw@h:x/d", "sqlite:///x"])
def test_what_is_no_url_is_said_without_its_password(text: str) -> None:
    """The message shows what was given, and no secret."""
    with pytest.raises(faults.ProjectFault) as caught:
        plain_url.parse(text)
    assert caught.value.code == "url-invalid" and "pw-pw" not in caught.value.message


ENV = "url = os.environ['SHOP_DB_URL']\n"


@pytest.mark.parametrize(
    ("named", "service", "environ", "chosen"),
    [
        ("X", "auth", {"X": "1", "AUTH_DATABASE_URL": "2", "DATABASE_URL": "3"}, "X"),
        (None, "auth", {"STILLROOM_URL_VARIABLE": "X", "X": "1", "DATABASE_URL": "3"}, "X"),
        (None, "auth", {"AUTH_DATABASE_URL": "2", "DATABASE_URL": "3"}, "AUTH_DATABASE_URL"),
        (None, "point-of-sale", {"POINT_OF_SALE_DATABASE_URL": "2"}, "POINT_OF_SALE_DATABASE_URL"),
        (None, "auth", {"DATABASE_URL": "3", "OTHER_DATABASE_URL": "4"}, "DATABASE_URL"),
        (None, "auth", {"SHOP_DB_URL": "5", "DATABASE_URL": "3"}, "SHOP_DB_URL"),
        (None, "auth", {"SHOP_DB_URL": "5", "AUTH_DATABASE_URL": "5"}, "AUTH_DATABASE_URL"),
    ],
)  # fmt: skip
def test_the_variable_with_the_url(
    tmp_path: object, named: str | None, service: str, environ: dict[str, str], chosen: str
) -> None:
    """What is named, else the service's own (by its name, or as env.py reads it), else DATABASE_URL."""
    env = tmp_path / "env.py"  # type: ignore[operator]
    env.write_text(ENV)
    assert url_choice.choose(named, service, env, environ) == (chosen, environ[chosen])


@pytest.mark.parametrize(
    ("named", "environ", "code", "told"),
    [
        ("X", {"DATABASE_URL": "1"}, "url-variable-unset", "the variable X"),
        (None, {"SHOP_DB_URL": "5", "AUTH_DATABASE_URL": "6"}, "url-variable-unclear", "AUTH_DATABASE_URL, SHOP_DB_URL"),
        (None, {"A_DATABASE_URL": "5", "B_DATABASE_URL": "6"}, "url-variable-unset", "A_DATABASE_URL, B_DATABASE_URL"),
        (None, {"ORDER_BOOK_DATABASE_URL": "5"}, "url-variable-unset", "ORDER_BOOK_DATABASE_URL"),
        (None, {"MIGRATION_DATABASE_URL": "6"}, "url-variable-unset", "AUTH_DATABASE_URL, SHOP_DB_URL, DATABASE_URL"),
        (None, {"AUTH_DATABASE_URL": ""}, "url-variable-unset", "none of AUTH_DATABASE_URL"),
    ],
)  # fmt: skip
def test_no_variable_is_guessed(
    tmp_path: object, named: str | None, environ: dict[str, str], code: str, told: str
) -> None:
    """Where several may be meant, or only others' are set, these are listed, and none is taken; their values never."""
    env = tmp_path / "env.py"  # type: ignore[operator]
    env.write_text(ENV)
    with pytest.raises(faults.WrongRequest) as caught:
        url_choice.choose(named, "auth", env, environ)
    assert (caught.value.code, told in caught.value.message) == (code, True), caught.value.message
