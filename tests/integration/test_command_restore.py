"""`invoke restore` and `invoke protect`, as people type them."""

from __future__ import annotations

import hashlib

import pytest

from tests.integration.conftest import SHOP
from tests.support import fleets, projects
from tests.support.postgres import Role

ROWS = "SELECT id, email, mood FROM account ORDER BY id"


@pytest.fixture
def twice(auth: fleets.Fleet) -> fleets.Fleet:
    """The fleet `auth`, whose history was replaced twice."""
    for models in (SHOP, SHOP + projects.table("extra"), SHOP + projects.table("extra") + projects.table("more")):
        auth.services["auth"].write_models(models)
        ran = auth.run("regenerate", "--yes")
        assert ran.code == 0, ran.told
    return auth


def test_a_backup_of_the_migrations_comes_back(twice: fleets.Fleet) -> None:
    """The newest without a name; an older one by its stamp; what is replaced is backed up first."""
    backups = twice.run("restore", "--list", "--json").json["backups"]
    assert [(each["service"], "regenerate" in each["what"]) for each in backups] == [("auth", True), ("auth", True)]
    stamps = [each["backup"] for each in backups]
    last = twice.history("auth")
    with twice.untouched():
        unasked = twice.run("restore", "--service", "auth")
        assert unasked.code == 4, unasked.told
        assert f"Put 1 revision file of auth from {stamps[0]} back" in unasked.stderr
    ran = twice.run("restore", "--service", "auth", "--yes")
    assert ran.code == 0, ran.told
    second = twice.history("auth")
    assert second != last
    assert '"extra"' in "".join(second.values()).replace("'", '"')
    assert all(each["kind"] == "files" for each in backups)
    oldest = twice.run(*backups[-1]["command"].split()[1:], "--yes", "--json")
    assert (oldest.code, oldest.json["backup"]) == (0, stamps[-1]), oldest.told
    assert "extra" not in "".join(twice.history("auth").values())
    kept = twice.run("restore", "--list", "--json").json["backups"]
    assert len(kept) > len(backups)
    listed = twice.run("restore", "--list").stdout
    assert all(each["backup"] in listed for each in kept)


def test_wrong_names_of_backups_are_told(twice: fleets.Fleet) -> None:
    """Exit 2, and which there are."""
    with twice.untouched():
        ran = twice.run("restore", "--service", "auth", "--backup", "1999", "--yes")
        assert ran.code == 2, ran.told
        assert "There are: 2" in ran.stderr
        database = twice.run("restore", "--service", "auth", "--database", "--yes")
        assert database.code == 2
        assert "there is no dump of its database" in database.stderr


def test_one_service_at_a_time(shop: fleets.Fleet) -> None:
    """Named, where there are several; and it is told where there is no backup."""
    several = shop.run("restore", "--yes")
    assert several.code == 2
    assert "restore is for one service at a time, and 2 are selected" in several.stderr
    none = shop.run("restore", "--service", "auth", "--yes")
    assert none.code == 2
    assert "There is no backup of the migrations of auth" in none.stderr


def test_the_rows_of_a_cleanup_come_back(auth: fleets.Fleet, owner: Role) -> None:
    """The same rows, types and tables; what was made since is dumped before it goes."""
    database = auth.databases["auth"]
    database.execute(
        "CREATE TYPE mood AS ENUM ('calm', 'busy'); CREATE TABLE account (id serial PRIMARY KEY, email text, mood mood);"
        "INSERT INTO account (email, mood) SELECT md5(n::text), 'busy' FROM generate_series(1, 500) n",
        role=owner,
    )
    before = database.fetch(ROWS)
    cleaned = auth.run("cleanup", "--yes")
    assert cleaned.code == 0, cleaned.told
    database.execute("CREATE TABLE account (id int); INSERT INTO account VALUES (7)", role=owner)
    (dump,) = auth.run("restore", "--list", "--database", "--json").json["backups"]
    assert (dump["kind"], "500 rows" in dump["what"]) == ("rows", True)
    assert f"auth: 500 rows kept; to bring back: {dump['command']}" in cleaned.stderr
    assert auth.run("restore", "--list").stdout.splitlines()[-1] == f"    {dump['command']}"
    with auth.untouched():
        unasked = auth.run("restore", "--service", "auth", "--database")
        assert unasked.code == 4, unasked.told
        assert f"Replace this by the dump of {dump['backup']} (500 rows of 127.0.0.1:" in unasked.stderr
    ran = auth.run(*dump["command"].split()[1:], "--yes")
    assert ran.code == 0, ran.told
    assert "500 rows in 1 table restored" in ran.stdout
    assert database.fetch(ROWS) == before
    database.execute("INSERT INTO account (email, mood) VALUES ('new', 'calm')", role=owner)
    assert len(auth.run("restore", "--list", "--database", "--json").json["backups"]) == 2


def test_a_damaged_dump_is_refused(auth: fleets.Fleet, owner: Role) -> None:
    """Before anything is emptied."""
    database = auth.databases["auth"]
    database.execute("CREATE TABLE account (id int); INSERT INTO account VALUES (7)", role=owner)
    assert auth.run("cleanup", "--yes").code == 0
    database.execute("CREATE TABLE account (id int); INSERT INTO account VALUES (8)", role=owner)
    (file,) = (auth.folder / ".stillroom" / "backups" / "databases" / "auth").glob("*.dump")
    damaged = bytearray(file.read_bytes())
    damaged[-20] ^= 0xFF
    file.write_bytes(damaged)
    with auth.untouched():
        ran = auth.run("restore", "--service", "auth", "--database", "--yes")
        assert ran.code in (1, 4), ran.told
    assert "its SHA-256 differs" in ran.stderr
    assert hashlib.sha256(file.read_bytes()).hexdigest() not in ran.stderr


def test_a_restore_that_fails_changes_nothing(auth: fleets.Fleet, owner: Role) -> None:
    """The dump needs a type that is gone: the very table from before the attempt is there, and it is said."""
    database = auth.databases["auth"]
    database.execute("CREATE SCHEMA extra; CREATE DOMAIN extra.word AS text", role=owner)
    database.execute("CREATE TABLE account (id extra.word); INSERT INTO account VALUES ('old')", role=owner)
    assert auth.run("cleanup", "--yes").code == 0
    database.execute("DROP SCHEMA extra CASCADE; CREATE TABLE account (id int)", role=owner)
    database.execute("INSERT INTO account VALUES (8)", role=owner)
    with auth.untouched():
        ran = auth.run("restore", "--service", "auth", "--database", "--yes")
        assert ran.code == 1, ran.told
    assert "extra" in ran.stderr
    assert "(nothing was changed)" in " ".join(ran.stderr.split())
    assert database.fetch("SELECT id FROM account") == [(8,)]


def test_a_restore_waits_only_so_long_for_a_lock(auth: fleets.Fleet, owner: Role) -> None:
    """Who holds it is named, and nothing was changed."""
    database = auth.databases["auth"]
    database.execute("CREATE TABLE account (id int); INSERT INTO account VALUES (1)", role=owner)
    assert auth.run("cleanup", "--yes").code == 0
    database.execute("CREATE TABLE account (id int); INSERT INTO account VALUES (2)", role=owner)
    with database.connect(owner) as holder, holder.transaction():
        holder.execute("LOCK TABLE account IN ROW EXCLUSIVE MODE")
        ran = auth.run("restore", "--service", "auth", "--database", "--yes")
    assert ran.code == 1, ran.told
    assert "a lock was held by" in " ".join(ran.stderr.split())
    assert database.fetch("SELECT id FROM account") == [(2,)]


def test_protect_marks_the_database_itself(shop: fleets.Fleet) -> None:
    """Asked for first; shown by preflight; kept by other environments' names; taken off with both flags."""
    name = shop.databases["auth"].name
    unasked = shop.run("protect", "--environment", "live")
    assert unasked.code == 4, unasked.told
    assert "Mark as live: the databases of auth, sales?" in unasked.stderr
    ran = shop.run("protect", "--environment", "live", "--yes", "--json")
    assert ran.code == 0, ran.told
    assert [each["marker"] for each in ran.json["services"]] == ["live", "live"]
    assert "marked live" in shop.run("preflight", "--service", "auth").stdout
    refused = shop.run("cleanup", "--yes", "--service", "auth")
    assert refused.code == 4, refused.told
    assert "marks itself as live" in refused.stderr
    erase = ("protect", "--erase", "--yes", "--service", "auth", "--environment", "live")
    assert shop.run(*erase).code == 4
    assert shop.run(*erase, "--allow-protected", "live", "--expect-database", "other").code == 4
    erased = shop.run(*erase, "--allow-protected", "live", "--expect-database", name)
    assert erased.code == 0, erased.told
    assert shop.run("cleanup", "--yes", "--service", "auth").code == 0
