"""URLs: what they mean, how they change, and what they never show."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy.engine
from hypothesis import given
from hypothesis import strategies as st

from stillroom.runtime import faults
from stillroom.runtime.connections import destination, servers, urls
from stillroom.runtime.verifying import plain_url

NO_SERVER = 15999  # a port without sockets in the usual folders


@pytest.mark.parametrize(
    ("text", "driver"),
    [
        ("postgresql+asyncpg://u:p@h/d", "postgresql+asyncpg"),
        ("postgresql+psycopg://u:p@h/d", "postgresql+psycopg"),
        ("postgresql+psycopg_async://u:p@h/d", "postgresql+psycopg_async"),
        ("postgresql+psycopg2://u:p@h/d", "postgresql+psycopg2"),
        ("postgresql+pg8000://u:p@h/d", "postgresql+pg8000"),
        ("postgresql://u:p@h/d", "postgresql+asyncpg"),
        ("postgres://u:p@h/d", "postgresql+asyncpg"),
        ("  postgresql://u:p@h/d\n", "postgresql+asyncpg"),
    ],
)
def test_the_driver_is_always_explicit(text: str, driver: str) -> None:
    """A plain URL gets ours, never SQLAlchemy's default."""
    assert urls.parse(text).drivername == driver


def test_a_plain_url_gets_the_first_driver_that_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """asyncpg before psycopg before psycopg2."""
    there = {"asyncpg", "psycopg", "psycopg2"}
    monkeypatch.setattr("importlib.util.find_spec", lambda name: name if name.rpartition(".")[2] in there else None)
    found = []
    for absent in ("none", "asyncpg", "psycopg"):
        there.discard(absent)
        found.append(urls.parse("postgresql://h/d").get_backend_name() + "+" + urls.known_driver("postgresql://h/d"))
    assert found == ["postgresql+asyncpg", "postgresql+psycopg", "postgresql+psycopg2"]


@pytest.mark.parametrize(
    ("text", "driver"),
    [
        ("postgresql+psycopg_async://h/d", "psycopg"),
        ("postgresql+psycopg2://h/d", "psycopg2"),
        ("postgresql+pg8000://h/d", "asyncpg"),
    ],
)
def test_the_runtime_uses_a_driver_that_it_knows(text: str, driver: str) -> None:
    """The asynchronous psycopg is psycopg; an unknown driver gives way."""
    assert urls.known_driver(text) == driver


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "empty"),
        ("sqlite:///x.db", "'sqlite'"),
        ("mysql://u:secret@h/d", "'mysql'"),
        ("jdbc:postgresql://h/d?user=u&password=secret", "JDBC"),
        ("host=h dbname=d password=secret", "keyword DSN"),
        ("postgresql://u:secret@h:port/d", "parsed"),
        ("postgresql://u:se@cret@h/d", "more than one '@'"),
        ("nonsense", "no ://"),
    ],
)
def test_what_is_no_url_of_postgresql_is_refused(text: str, why: str) -> None:
    """With the reason and the form to use, and without the password."""
    with pytest.raises(faults.ProjectFault) as caught:
        urls.parse(text)
    assert caught.value.code == "url-invalid"
    assert why in caught.value.message
    assert "postgresql+asyncpg://" in caught.value.mend
    assert "secret" not in str(caught.value.to_dict())
    assert "cret@" not in str(caught.value.to_dict())


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("postgresql://u:p@DB.Example.com:6000/Orders", "db.example.com:6000/Orders"),
        ("postgresql://u:p@127.0.0.1/d", "localhost:5432/d"),
        ("postgresql://u:p@[::1]:5433/d", "localhost:5433/d"),
        ("postgresql://u:p@[2001:db8::1]:5433/d", "[2001:db8::1]:5433/d"),
        ("postgresql://u:p@db./d", "db:5432/d"),
        ("postgresql+asyncpg://u:p@/d?host=/nowhere/pg&port=6000", "/nowhere/pg:6000/d"),
        ("postgresql+psycopg://u:p@%2Fnowhere%2Fpg:6000/d", "/nowhere/pg:6000/d"),
        ("postgresql+psycopg://u:p@%2Fnowhere%2Fpg/d", "/nowhere/pg:5432/d"),
        ("postgresql+asyncpg://u:p@one:1,two:2/d", "one,two:1/d"),
        ("postgresql+asyncpg://u:p@/d?host=one:1&host=two:2", "one,two:1/d"),
        ("postgresql+psycopg://u:p@/d?host=one,two&port=1,2", "one,two:1/d"),
        ("postgresql+psycopg://u:p@ignored/d?host=real", "real:5432/d"),
        ("postgresql+psycopg://u:p@name/d?hostaddr=192.0.2.7", "192.0.2.7:5432/d"),
        ("postgresql+psycopg://u:p@h?dbname=d", "h:5432/d"),
        ("postgresql://owner@h", "h:5432/owner"),
    ],
)
def test_the_address_says_where_a_url_leads(text: str, address: str) -> None:
    """Host normalised, port and database filled in."""
    assert urls.address(text).key == address


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "DB.Example.com", "/nowhere/pg"])
def test_people_are_told_of_a_host_as_it_was_given(host: str) -> None:
    """Also where the same server has other names, by which it compares."""
    text = f"postgresql://u:p@/d?host={host}&port=6000" if host.startswith("/") else f"postgresql://u:p@{host}:6000/d"
    address = urls.address(text)
    assert str(address) == f"{host}:6000/d"
    loopback = urls.address("postgresql://u:p@localhost:6000/d")
    assert (address == loopback) is (host in ("127.0.0.1", "localhost", "[::1]"))
    assert str(plain_url.parse(text)) == f"{host}:6000/d"


@pytest.mark.parametrize(
    ("text", "pairs"),
    [
        ("postgresql://one:1,two:2/d", (("one", 1), ("two", 2))),
        ("postgresql://one,two:2/d", (("one", 5432), ("two", 2))),
        ("postgresql://one,two,three/d", (("one", 5432), ("two", 5432), ("three", 5432))),
        ("postgresql://h/d", (("h", 5432),)),
    ],
)
def test_every_host_of_a_url_is_an_endpoint(text: str, pairs: tuple[tuple[str, int], ...]) -> None:
    """With its own port."""
    assert urls.endpoints(text) == pairs


def test_what_a_url_leaves_open_comes_from_the_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    """Host, port, database and user; and `with_database` writes them down."""
    for name, value in {"PGHOST": "db", "PGPORT": "6000", "PGUSER": "owner", "PGDATABASE": "orders"}.items():
        monkeypatch.setenv(name, value)
    assert str(urls.address("postgresql+asyncpg://")) == "db:6000/orders"
    assert urls.with_database("postgresql+asyncpg://", "x") == "postgresql+asyncpg://owner@db:6000/x"
    monkeypatch.setenv("PGHOST", "/nowhere/pg")
    explicit = urls.with_database("postgresql+asyncpg://u:p@/d", "x")
    for name in ("PGHOST", "PGPORT", "PGUSER", "PGDATABASE"):
        monkeypatch.delenv(name)
    assert str(urls.address(explicit)) == "/nowhere/pg:6000/x"


def test_what_a_url_says_wins_over_the_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in the drivers; what is written needs no change."""
    for name, value in {"PGHOST": "db", "PGUSER": "owner", "PGDATABASE": "orders"}.items():
        monkeypatch.setenv(name, value)
    assert str(urls.address("postgresql://u@h:1/d")) == "h:1/d"
    assert urls.with_database("postgresql://u@h:1/d", "x") == "postgresql://u@h:1/x"


def test_several_hosts_from_the_variables_become_explicit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each with its port."""
    monkeypatch.setenv("PGHOST", "one,two")
    monkeypatch.setenv("PGPORT", "1,2")
    explicit = urls.with_database("postgresql+asyncpg://u@/d", "x")
    monkeypatch.delenv("PGHOST")
    monkeypatch.delenv("PGPORT")
    assert urls.endpoints(explicit) == (("one", 1), ("two", 2))


def test_a_service_file_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The service that the URL or PGSERVICE names; afterwards the URL does without it."""
    file = tmp_path / "services"
    file.write_text("[orders]\nhost=db\nport=6000\ndbname=orders\nuser=owner\npassword=secret\n", encoding="utf-8")
    monkeypatch.setenv("PGSERVICEFILE", str(file))
    for text in ("postgresql+psycopg://?service=orders", "postgresql+psycopg://"):
        assert str(urls.address(text)) == "db:6000/orders"
        assert urls.with_database(text, "x") == "postgresql+psycopg://owner:secret@db:6000/x"
        monkeypatch.setenv("PGSERVICE", "orders")


def test_without_a_host_the_first_socket_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in libpq and asyncpg; else this machine."""
    monkeypatch.setattr(destination, "_SOCKET_FOLDERS", (str(tmp_path / "a"), str(tmp_path)))
    assert urls.endpoints(f"postgresql://u@:{NO_SERVER}/d") == (("localhost", NO_SERVER),)
    (tmp_path / f".s.PGSQL.{NO_SERVER}").touch()
    assert urls.endpoints(f"postgresql+psycopg://u@/d?port={NO_SERVER}") == ((str(tmp_path.resolve()), NO_SERVER),)


@pytest.mark.parametrize(
    ("text", "changed"),
    [
        ("postgres://u:p%40ss%2Fw%25@h/d", "postgres://u:p%40ss%2Fw%25@h/x"),
        ("postgresql://u:p,w@h/d", "postgresql://u:p,w@h/x"),
        ("postgresql://u:p@h/d?sslmode=require", "postgresql://u:p@h/x?sslmode=require"),
        ("postgresql+asyncpg://u:p@h:1/d?ssl=require", "postgresql+asyncpg://u:p@h:1/x?ssl=require"),
        ("postgresql+psycopg://u:p@h?dbname=d", "postgresql+psycopg://u:p@h/x"),
    ],
)
def test_only_the_database_changes(text: str, changed: str) -> None:
    """Scheme, encoding of the password and options stay."""
    assert urls.with_database(text, "x") == changed


@pytest.mark.parametrize(
    "text",
    [
        "postgresql://u:secret@h/d",
        "postgresql+asyncpg://u:secret@h:1,i:2/d",
        "postgresql://u:sec@ret@h/d",
        "postgresql://u:secret@h:port/d",
        "postgresql://h/d?user=u&password=secret",
        "postgresql://h/d?sslpassword=secret",
        "host=h password='sec ret' dbname=d",
        "host=h password=secret",
        "jdbc:postgresql://u:secret@h/d",
        "could not connect with postgresql://u:secret@h/d, sorry",
    ],
)
def test_a_masked_text_has_no_password(text: str) -> None:
    """Neither well-formed nor broken ones."""
    shown = urls.masked(text)
    assert "***" in shown
    for part in ("secret", "sec@", "ret@", "sec ret"):
        assert part not in shown


@pytest.mark.parametrize(
    "text",
    [
        "me:secret@host/db",
        "postgresql:/me:secret@host/db",
        "'postgresql://me:secret@host/db'",
        "PGPASSWORD=secret",
        "secret",
        "postgresql://me:secret@host:port/db",
        "postgresql://${USER}:secret@${HOST}:${PORT}/db",
        "mysql://me:secret@host/db",
    ],
)
def test_what_is_no_url_is_told_without_its_password(text: str) -> None:
    """However it is broken: where it can't be told which part may be the password, nothing is shown."""
    with pytest.raises(faults.ProjectFault) as caught:
        urls.address(text)
    assert caught.value.code == "url-invalid"
    assert "secret" not in repr(caught.value.to_dict())


def test_a_drivers_text_is_scrubbed() -> None:
    """Of the password, as it is and percent-encoded, and of whole URLs."""
    url = "postgresql://u:p%40ssword@h/d"
    assert urls.scrubbed("no: 'p@ssword' or p%40ssword or postgres://x:other@y/z", url) == (
        "no: '***' or *** or postgres://x:***@y/z"
    )


_WORD = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), min_size=1, max_size=12)
# Variables come with a newline at their end, so what is blank at the ends of a URL does not count.
_NAME = _WORD.filter(lambda text: text == text.strip())


@given(user=_WORD, password=_WORD, database=_NAME, new=_NAME)
def test_any_characters_survive(user: str, password: str, database: str, new: str) -> None:
    """User, password and database of any characters come out as they went in."""
    text = sqlalchemy.engine.URL.create(
        "postgresql+asyncpg", user, password, "db.example", 5432, database
    ).render_as_string(hide_password=False)
    changed = urls.parse(urls.with_database(text, new))
    assert (changed.username, changed.password, changed.host, changed.database) == (user, password, "db.example", new)
    assert urls.address(text).database == database
    assert urls.parse(urls.render(urls.parse(text))) == urls.parse(text)


def test_hosts_that_resolve_to_the_same_are_the_same() -> None:
    """And those that cannot be shown to be are not."""
    assert servers.same("localhost", 1, "127.0.0.1", 1)
    assert servers.same("127.0.0.2", 1, "127.0.0.2", 1)
    assert not servers.same("127.0.0.2", 1, "127.0.0.1", 1)
    assert not servers.same("localhost", 1, "localhost", 2)
    assert not servers.same("nowhere.invalid", 1, "elsewhere.invalid", 1)
    assert not servers.same("/nowhere", 1, "localhost", 1)
    assert not servers.same("localhost", 1, "/nowhere", 1)


@pytest.mark.parametrize(
    ("text", "like", "formed"),
    [
        ("postgresql://u:p%40@h/s", "postgres://x/d", "postgres://u:p%40@h/s"),
        ("postgresql+asyncpg://u@h/s?ssl=require", "postgresql://x/d", "postgresql://u@h/s?ssl=require"),
        (
            "postgresql://u@h/s?sslmode=require&connect_timeout=5&application_name=ci",
            "postgresql+asyncpg://x/d",
            "postgresql+asyncpg://u@h/s?ssl=require",
        ),
        (
            "postgresql+asyncpg://u@h/s?ssl=true&command_timeout=5&statement_cache_size=0",
            "postgresql+psycopg2://x/d",
            "postgresql+psycopg2://u@h/s?sslmode=require",
        ),
        (
            "postgresql+psycopg2:///s?host=/run/pg&port=5433",
            "postgresql+asyncpg://x/d",
            "postgresql+asyncpg:///s?host=/run/pg&port=5433",
        ),
        (
            "postgresql+psycopg:///s?host=a:1&host=b:2&target_session_attrs=primary",
            "postgresql+asyncpg://x/d",
            "postgresql+asyncpg:///s?host=a:1&host=b:2&target_session_attrs=primary",
        ),
        ("postgresql+asyncpg://u@h/s", "driver://user:pass@localhost/dbname", "postgresql+asyncpg://u@h/s"),
        (
            "postgresql://u:a b@h/s?options=-csearch_path%3Dx",
            "postgresql://h/d",
            "postgresql://u:a b@h/s?options=-csearch_path%3Dx",
        ),
    ],
)
def test_a_url_takes_the_form_of_another(text: str, like: str, formed: str) -> None:
    """Its scheme, with or without a driver, and the options that its driver knows; place and secrets stay."""
    assert urls.in_form_of(text, like) == formed
    assert urls.address(formed) == urls.address(text)


def test_an_option_that_matters_and_has_no_counterpart_is_told() -> None:
    """Leaving it out would connect otherwise than was asked for."""
    with pytest.raises(faults.ProjectFault) as caught:
        urls.in_form_of("postgresql://u:hush-hush@h/s?options=-csearch_path%3Dx", "postgresql+asyncpg://h/d")
    assert (caught.value.code, caught.value.data) == ("option-untranslatable", {"option": "options"})
    assert "hush-hush" not in str(caught.value.to_dict())


@given(
    st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1),
    st.sampled_from(["db", "::1", "/run/pg", "a,b"]),
)
def test_parts_make_a_url_and_come_out_of_it_again(text: str, host: str) -> None:
    """Whatever signs are in them."""
    port = "1,2" if "," in host else "5433"
    name = f"a{text}b"
    made = urls.of_parts(text, text, host, port, name)
    assert urls.parts(made) == {"host": host, "port": port, "user": text, "password": text, "name": name}
    assert urls.parts(urls.with_password(made, text + "@%"))["password"] == text + "@%"


def test_what_the_owner_wrote_plainly_stays_plain() -> None:
    """An `env.py` that hands a URL to an ini file as it is survives no `%` that was not there."""
    text = "postgresql://me:a!b,c@/shop?host=/run/pg&port=5433"
    assert urls.with_database(text, "other") == text.replace("/shop?", "/other?")
    assert "%" not in urls.with_password("postgresql:///shop?host=/run/pg", "plain")


def test_a_driver_that_this_sqlalchemy_does_not_know_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLAlchemy 1.4 has no dialect for psycopg, also where that is installed beside psycopg2."""
    absent = ("asyncpg", "sqlalchemy.dialects.postgresql.asyncpg", "sqlalchemy.dialects.postgresql.psycopg")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name in absent else object())

    assert urls.parse("postgresql://me@db/shop").drivername == "postgresql+psycopg2"
