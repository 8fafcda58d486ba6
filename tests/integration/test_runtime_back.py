"""`downgrade`, `stamp`, and a Job that recreates: each explicit, and refused wherever something is not proven or free."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from stillroom.runtime.connections import connection
from stillroom.runtime.ledger import listing
from tests.conftest import NewDatabase
from tests.integration.test_runtime_migrate import FIRST, SECOND
from tests.support import migrators, projects
from tests.support.postgres import Database


@pytest.fixture
def database(new_database: NewDatabase) -> Database:
    """An empty database."""
    return new_database()


@pytest.fixture
def shop(tmp_path: Path, database: Database) -> projects.Made:
    """A service with two revisions, applied, and rows."""
    service = projects.make_service(tmp_path / "shop", history=[FIRST, SECOND])
    assert migrators.run(service, database.asyncpg).code == 0
    database.execute("INSERT INTO product (id, name, note) VALUES (1, 'a', 'kept?'), (2, 'b', NULL)")
    return service


def noted(database: Database) -> list[tuple[str]]:
    """The rows of the version table."""
    return [(row[0],) for row in database.fetch("SELECT version_num FROM alembic_version ORDER BY 1")]


def test_a_downgrade_tells_what_it_loses_and_wants_the_present_revision(
    shop: projects.Made, database: Database
) -> None:
    """Without the exact current revision the plan is told and nothing done; with it, it is carried out and noted."""
    planned = migrators.run(shop, database.asyncpg, "--to", "base", command="downgrade")
    wrong = migrators.run(shop, database.asyncpg, "--to", "0001", "--confirm", "0001", command="downgrade")

    assert (planned.code, wrong.code, noted(database)) == (migrators.REFUSED, migrators.REFUSED, [("0002",)])
    assert '[info] Would undo revision revision=0002 loses="column product.note: 1 value lost"' in planned.lines
    assert '[info] Would undo revision revision=0001 loses="table product: 2 rows lost"' in planned.lines
    assert "code=unconfirmed" in planned.out
    assert "--confirm 0002" in planned.out

    done = migrators.run(shop, database.asyncpg, "--to", "0001", "--confirm", "0002", "--json", command="downgrade")

    assert (done.code, noted(database)) == (0, [("0001",)]), done.err
    assert json.loads(done.out)["target"] == ["0001"]
    [(outcome, before, after)] = database.fetch(
        "SELECT outcome, from_revisions, to_revisions FROM stillroom.run ORDER BY id DESC LIMIT 1"
    )
    assert (outcome, before, after) == ("done", ["0002"], ["0001"])
    assert [each.what for each in connection.run(database.asyncpg, listing.runs)] == ["downgrade", "migrate"]
    assert migrators.run(shop, database.asyncpg).code == 0


def test_a_dropped_type_is_no_loss_and_other_sql_is_told(tmp_path: Path, database: Database) -> None:
    """What generated revisions drop of types takes no rows along; what raw SQL does otherwise can't be told."""
    mood = projects.revision(
        "0001",
        upgrade="op.execute('CREATE TYPE \"mood\" AS ENUM (\\'ok\\')')",
        downgrade="op.execute('DROP TYPE \"mood\"')",
    )
    more = projects.revision("0002", "0001", upgrade="op.execute('SELECT 1')", downgrade="op.execute('SELECT 2')")
    service = projects.make_service(tmp_path / "shop", history=[mood, more])
    assert migrators.run(service, database.asyncpg).code == 0

    planned = migrators.run(service, database.asyncpg, "--to", "base", command="downgrade")

    told = [each for each in planned.lines if "Would undo revision" in each]
    assert "revision=0002" in told[0]
    assert "(execute): what is lost can't be told" in told[0]
    assert told[1] == "[info] Would undo revision revision=0001 loses=nothing"


@pytest.mark.parametrize("environment", ["production", "prod", "staging"])
def test_a_downgrade_is_refused_where_it_is_protected(
    shop: projects.Made, database: Database, environment: str
) -> None:
    """In a protected environment the confirmation is not enough: environment and database have to be named as well."""
    said = {"ENVIRONMENT": environment}
    arguments = ("--to", "0001", "--confirm", "0002")
    refused = migrators.run(shop, database.asyncpg, *arguments, command="downgrade", environment=said)
    meant = ("--allow-protected", environment, "--expect-database")
    wrong = migrators.run(shop, database.asyncpg, *arguments, *meant, "x", command="downgrade", environment=said)

    assert (refused.code, wrong.code) == (migrators.REFUSED, migrators.REFUSED)
    assert "code=protected-environment" in refused.out
    assert "code=wrong-database" in wrong.out
    assert noted(database) == [("0002",)]
    right = migrators.run(
        shop, database.asyncpg, *arguments, *meant, database.name, command="downgrade", environment=said
    )
    assert (right.code, noted(database)) == (0, [("0001",)]), right.out


def test_a_downgrade_to_where_it_can_not_go(shop: projects.Made, database: Database) -> None:
    """Forward, to nowhere, or through a revision without a way back: refused by name."""
    shop.add(projects.revision("0003", "0002"))
    forward = migrators.run(shop, database.asyncpg, "--to", "0003", command="downgrade")
    nowhere = migrators.run(shop, database.asyncpg, "--to", "9999", command="downgrade")
    shop.add(projects.revision("0002", "0001", downgrade="raise NotImplementedError"))
    no_way = migrators.run(shop, database.asyncpg, "--to", "0001", command="downgrade")

    assert ["code=not-below" in forward.out, "code=no-such-revision" in nowhere.out] == [True, True]
    assert "code=no-way-back" in no_way.out
    assert noted(database) == [("0002",)]


@pytest.mark.parametrize(
    ("command", "arguments", "code"),
    [
        ("migrate", ("--to", "nothere"), "no-such-revision"),
        ("downgrade", ("--to", "nothere"), "no-such-revision"),
        ("stamp", ("--to", "nothere"), "no-such-revision"),
        ("stamp", ("--to", "base"), "stamp-base"),
        ("downgrade", ("--to", "base"), "unconfirmed"),
        ("downgrade", (), "wrong-use"),
        ("stamp", ("--nowhere",), "wrong-use"),
        ("migrate", ("--lock-wait", "soon"), "duration-invalid"),
    ],
)
def test_what_is_refused_is_one_document_too(
    shop: projects.Made, database: Database, command: str, arguments: tuple[str, ...], code: str
) -> None:
    """Wrong use and refusals end with 22, touch nothing, and say so in the JSON document that success would have been."""
    ended = migrators.run(shop, database.asyncpg, *arguments, "--json", command=command)

    told = json.loads(ended.out)
    assert (ended.code, told["exit_code"], told["code"]) == (migrators.REFUSED, migrators.REFUSED, code), ended.err
    assert (told["ok"], told["outcome"], bool(told["message"]), bool(told["mend"])) == (False, "refused", True, True)
    assert told["message"] in ended.err
    assert noted(database) == [("0002",)]


def test_a_failure_is_one_document(shop: projects.Made, database: Database) -> None:
    """A revision that fails (20) and a database that can't be reached (21) are told apart in it; success has `ok`."""
    done = migrators.run(shop, database.asyncpg, "--json")
    shop.add(projects.revision("0003", "0002", upgrade="op.execute('SELECT 1/0')"))
    failed = migrators.run(shop, database.asyncpg, "--json")
    gone = database.asyncpg.replace(f":{database.server.port}/", ":1/")
    unreached = migrators.run(shop, gone, "--json")

    told = [json.loads(each.out) for each in (done, failed, unreached)]
    assert [each["ok"] for each in told] == [True, False, False]
    assert [each["outcome"] for each in told] == ["nothing to do", "failed", "failed"]
    assert [each["exit_code"] for each in told] == [0, migrators.WRONG, migrators.TRY_AGAIN]
    assert "division by zero" in told[1]["message"]


def test_a_stamp_to_base_is_true_of_nothing_alone(tmp_path: Path, new_database: NewDatabase) -> None:
    """Where no revision is noted and no table is, there is nothing to do; with a table, it is refused."""
    service, database = projects.make_service(tmp_path / "shop", history=[FIRST]), new_database()
    empty = migrators.run(service, database.asyncpg, "--to", "base", command="stamp")
    database.execute("CREATE TABLE product (id int)")
    full = migrators.run(service, database.asyncpg, "--to", "base", command="stamp")

    assert (empty.code, full.code) == (0, migrators.REFUSED), empty.out + full.out
    assert "code=stamp-base" in full.out


def test_a_stamp_is_proven_by_the_fingerprint(shop: projects.Made, database: Database) -> None:
    """What a run left is known: a lost version table is written again, unless the schema is another one by now."""
    database.execute("DROP TABLE alembic_version")

    stamped = migrators.run(shop, database.asyncpg, command="stamp")

    assert (stamped.code, noted(database)) == (0, [("0002",)]), stamped.out
    assert "proof=fingerprint" in stamped.out
    database.execute("DROP TABLE alembic_version; ALTER TABLE product DROP COLUMN note")
    refused = migrators.run(shop, database.asyncpg, command="stamp")
    assert refused.code == migrators.REFUSED
    assert "code=stamp-unproven" in refused.out
    assert "note" in refused.out
    assert database.fetch("SELECT to_regclass('alembic_version')") == [(None,)]


def test_a_stamp_is_proven_by_an_empty_diff(shop: projects.Made, database: Database) -> None:
    """Without a fingerprint the history is replayed and compared, up to the revision that is to be noted."""
    database.execute("DROP SCHEMA stillroom CASCADE; DROP TABLE alembic_version; ALTER TABLE product DROP COLUMN note")

    head = migrators.run(shop, database.asyncpg, command="stamp")
    first = migrators.run(shop, database.asyncpg, "--to", "0001", command="stamp")

    assert (head.code, "code=stamp-unproven" in head.out) == (migrators.REFUSED, True)
    assert (first.code, noted(database)) == (0, [("0001",)]), first.out
    assert "proof=history" in first.out
    assert migrators.run(shop, database.asyncpg).code == 0


def test_a_stamp_where_the_database_is_already(shop: projects.Made, database: Database) -> None:
    """Nothing is stamped, and that is said; a schema that is another one by now is refused, and not passed over."""
    there = migrators.run(shop, database.asyncpg, command="stamp")
    database.execute("ALTER TABLE product DROP COLUMN note")
    drifted = migrators.run(shop, database.asyncpg, command="stamp")

    assert (there.code, there.lines) == (0, ["[info] Database is at 0002 already - nothing was stamped service=shop"])
    assert (drifted.code, "code=stamp-unproven" in drifted.out) == (migrators.REFUSED, True), drifted.out
    assert "product.note" in drifted.out and "verify --deep" in drifted.out


def test_a_job_recreates_where_it_may(shop: projects.Made, database: Database) -> None:
    """With DB_FORCE_RECREATE and a free environment, what the service owns is emptied, told, and built up again."""
    database.execute("CREATE SCHEMA others; CREATE TABLE others.kept (id int)")

    ended = migrators.run(
        shop,
        database.asyncpg,
        "--schemas",
        "public",
        "--json",
        environment={"DB_FORCE_RECREATE": "true", "ENVIRONMENT": "development"},
    )

    assert ended.code == 0, ended.err
    assert json.loads(ended.out)["action"] == "recreated"
    assert "product: 2 rows" in ended.err
    assert database.fetch("SELECT count(*) FROM product") == [(0,)]
    assert database.fetch("SELECT to_regclass('others.kept') IS NOT NULL") == [(True,)]
    assert noted(database) == [("0002",)]


@pytest.mark.parametrize("environment", [{}, {"ENVIRONMENT": ""}, {"ENVIRONMENT": "production"}, {"ENVIRONMENT": "qa"}])
def test_a_job_recreates_nowhere_else(shop: projects.Made, database: Database, environment: dict[str, str]) -> None:
    """Unless ENVIRONMENT says so explicitly, the Job is refused and nothing is touched."""
    ended = migrators.run(shop, database.asyncpg, environment={"DB_FORCE_RECREATE": "true", **environment})

    assert ended.code == migrators.REFUSED
    assert "code=recreate-refused" in ended.out
    assert database.fetch("SELECT count(*) FROM product") == [(2,)]


def test_a_marked_database_is_never_recreated(shop: projects.Made, database: Database) -> None:
    """What the database says of itself goes before what the environment says."""
    database.execute(f"ALTER DATABASE {database.name} SET stillroom.environment = 'production'")

    ended = migrators.run(
        shop, database.asyncpg, environment={"DB_FORCE_RECREATE": "true", "ENVIRONMENT": "development"}
    )

    assert (ended.code, "code=protected-environment" in ended.out) == (migrators.REFUSED, True), ended.out
    assert database.fetch("SELECT count(*) FROM product") == [(2,)]
