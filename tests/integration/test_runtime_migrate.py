"""`python -m stillroom.runtime migrate` as a Job runs it: log lines, exit codes, ledger, rights, repair, truth of env.py."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.conftest import NewDatabase, NewRole
from tests.integration.test_apply import FORGETS_TO_COMMIT, SCHEDULES_ONLY, SWALLOWS
from tests.integration.test_runtime_migrate_lock import SYNC
from tests.support import migrators, projects
from tests.support.postgres import Database

CREATE = "op.create_table('product', sa.Column('id', sa.Integer, primary_key=True), sa.Column('name', sa.String))"
FIRST = projects.revision("0001", upgrade=CREATE, downgrade="op.drop_table('product')")
SECOND = projects.revision(
    "0002",
    "0001",
    upgrade="op.add_column('product', sa.Column('note', sa.String))",
    downgrade="op.drop_column('product', 'note')",
)
BROKEN = projects.revision("0002", "0001", upgrade="op.execute('ALTER TABLE nowhere ADD COLUMN x int')")


@pytest.fixture
def database(new_database: NewDatabase) -> Database:
    """An empty database."""
    return new_database()


@pytest.fixture
def shop(tmp_path: Path) -> projects.Made:
    """A service with two revisions."""
    return projects.make_service(tmp_path / "shop", history=[FIRST, SECOND])


def test_what_a_job_says_and_notes(shop: projects.Made, database: Database) -> None:
    """The documented lines in their order, and which revisions; the ledger has who, whence, whither, and their kinds."""
    about = {
        "STILLROOM_IMAGE": "shop@sha256:1",
        "STILLROOM_COMMIT": "abc",
        "STILLROOM_ACTOR": "ci",
        "HOSTNAME": "pod-1",
    }
    first = migrators.run(shop, database.asyncpg, environment=about)
    second = migrators.run(shop, database.asyncpg)

    assert (first.code, first.lines) == (
        0,
        [
            "[info] Migration job starting",
            "[info] Migration mode - running database migrations",
            "[info] Running pending migrations service=shop",
            "[info] Migrations applied successfully service=shop",
            "[info] Revisions applied service=shop previous_revision=base current_revision=0002 revisions=0001,0002",
            "[info] Migration job completed successfully",
        ],
    )
    assert (second.code, second.lines) == (
        0,
        [
            "[info] Migration job starting",
            "[info] Migration mode - running database migrations",
            "[info] Database is at head already - no pending migrations service=shop current_revision=0002",
            "[info] Migration job completed successfully",
        ],
    )
    assert database.fetch(
        "SELECT service, version_table, outcome, fatal, from_revisions, to_revisions, target, image, commit, actor, host"
        " FROM stillroom.run"
    ) == [
        (
            "shop", "public.alembic_version", "done", False, [], ["0002"], ["0002"],
            "shop@sha256:1", "abc", "ci", "pod-1",
        )
    ]  # fmt: skip
    revisions = database.fetch("SELECT revision, kind, parents FROM stillroom.revision ORDER BY id")
    assert revisions == [("0001", "expand", []), ("0002", "expand", ["0001"])]
    assert database.fetch("SELECT revisions FROM stillroom.fingerprint") == [(["0002"],)]


def test_nothing_to_do_takes_a_driver_alone(shop: projects.Made, database: Database) -> None:
    """What most Jobs find when they are started again is found without Alembic and SQLAlchemy, which take a second."""
    listing = {"PYTHONPROFILEIMPORTTIME": "1"}
    first = migrators.run(shop, database.asyncpg, environment=listing)
    second = migrators.run(shop, database.asyncpg, environment=listing)

    assert {"alembic", "sqlalchemy", "asyncpg"} <= _imported(first)
    assert _imported(second) & {"alembic", "sqlalchemy", "asyncpg"} == {"asyncpg"}
    assert second.code == 0


def _imported(ended: migrators.Ended) -> set[str]:
    """The modules that a process says it has imported."""
    listed = (line.rpartition("|")[2].strip() for line in ended.err.splitlines() if line.startswith("import time:"))
    return set(listed)


def test_as_json(shop: projects.Made, database: Database) -> None:
    """Standard output has one JSON document; log lines go to standard error, as JSON where that is asked for."""
    ended = migrators.run(shop, database.asyncpg, "--json", environment={"LOG_FORMAT": "json"})

    told = json.loads(ended.out)
    assert (told["action"], told["before"], told["after"]) == ("migrations_applied", [], ["0002"])
    assert [each["revision"] for each in told["applied"]] == ["0001", "0002"]
    assert next(json.loads(each)["event"] for each in ended.err.splitlines() if each.startswith("{")) == (
        "Migration job starting"
    )


def test_a_url_in_several_variables(tmp_path: Path, database: Database) -> None:
    """`migrate`, the same again, `verify` and `wait` take its parts where they are said to be; what is not set is named."""
    parts = {"DB_HOST": "127.0.0.1", "DB_PORT": str(database.server.port), "DB_NAME": database.name}
    who = database.server.superuser
    parts |= {"DB_USER": who.name, "DB_PASSWORD": who.password}
    read = (
        "__import__('sqlalchemy').URL.create('postgresql+asyncpg', os.environ['DB_USER'], os.environ['DB_PASSWORD'], "
    )
    read += "os.environ['DB_HOST'], int(os.environ['DB_PORT']), os.environ['DB_NAME'])"
    env = projects.ENV.replace('os.environ["{url_variable}"]', read)
    service = projects.make_service(tmp_path / "shop", history=[FIRST], env=env)
    said = "host=DB_HOST,port=DB_PORT,name=DB_NAME,user=DB_USER,password=DB_PASSWORD"

    def run(command: str, *arguments: str, **environ: str) -> migrators.Ended:
        given = {**parts, "STILLROOM_URL_VARIABLES": said, **environ}
        return migrators.run(service, "", *arguments, command=command, environment=given)

    first, again = run("migrate"), run("migrate")
    assert (first.code, again.code) == (0, 0), first.out
    assert "no pending migrations" in again.out
    assert run("verify", "--url-variables", said, STILLROOM_URL_VARIABLES="").code == 0
    assert run("wait", "--timeout", "5s").code == 0
    unset = run("verify", DB_NAME="")
    assert unset.code == 2 and "the variable DB_NAME, of which the database's URL is made, is not set" in unset.err
    assert run("migrate", DB_NAME="").code == migrators.REFUSED
    assert who.password not in first.out + first.err + unset.out + unset.err


def test_several_heads_are_wrong_unless_they_are_declared(shop: projects.Made, database: Database) -> None:
    """Exit code 20: trying again can't help; both heads are named, and both ways out. Declared, they are applied."""
    shop.add(projects.revision("0003", "0001", upgrade="op.create_table('mill', sa.Column('id', sa.Integer))"))

    refused = migrators.run(shop, database.asyncpg)
    declared = migrators.run(shop, database.asyncpg, "--heads", "2", "--json")

    assert refused.code == migrators.WRONG and "code=unexpected-heads" in refused.lines[-1]
    assert "0002 (" in refused.lines[-1] and "0003 (" in refused.lines[-1], refused.lines[-1]
    assert (
        "alembic merge -m 'merge heads' 0002 0003" in refused.lines[-1] and "`--heads 2` for a Job" in refused.lines[-1]
    )
    assert declared.code == 0 and json.loads(declared.out)["after"] == ["0002", "0003"], declared.err


def test_a_migration_that_is_wrong(tmp_path: Path, database: Database) -> None:
    """Exit code 20 says that trying again can't help; the reason is in the log, the ledger, and where Kubernetes looks."""
    service = projects.make_service(tmp_path / "shop", history=[FIRST, BROKEN])
    last_word = tmp_path / "termination-log"
    last_word.touch()

    ended = migrators.run(service, database.asyncpg, "--termination-log", str(last_word), "--last-attempt")

    assert ended.code == migrators.WRONG
    assert ended.lines[-1].startswith("[error] Migration failed: shop: revision 0002 failed in the database:")
    assert "code=revision-failed" in ended.lines[-1]
    assert last_word.read_text().startswith("Migration failed: shop: revision 0002 failed")
    [(outcome, fatal, last, error, after)] = database.fetch(
        "SELECT outcome, fatal, last_attempt, error, to_revisions FROM stillroom.run"
    )
    assert (outcome, fatal, last, after) == ("failed", True, True, ["0001"])
    assert 'relation "nowhere" does not exist' in error
    assert database.fetch("SELECT revision FROM stillroom.revision") == [("0001",)]


def test_no_termination_log_is_made(tmp_path: Path, shop: projects.Made) -> None:
    """Outside of Kubernetes nothing is written; a database that does not answer means: try again."""
    place = tmp_path / "no-such-file"

    ended = migrators.run(shop, "postgresql+asyncpg://u:secret@127.0.0.1:1/shop", "--termination-log", str(place))

    assert ended.code == migrators.TRY_AGAIN
    assert not place.exists()
    assert "secret" not in ended.out + ended.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--lock-wait", "soon"], "--lock-wait is 'soon', which is no duration"),
        (["--config", "nowhere.ini"], "there is no Alembic configuration"),
        (["--url-variable", "NO_SUCH_URL"], "NO_SUCH_URL"),
        (["--colour"], "unrecognized arguments: --colour"),
    ],
)
def test_wrong_use_is_refused(shop: projects.Made, database: Database, arguments: list[str], said: str) -> None:
    """What makes no sense is refused with the code that says: do not retry; nothing is touched."""
    ended = migrators.run(shop, database.asyncpg, *arguments)

    assert ended.code == migrators.REFUSED
    assert said in ended.out + ended.err
    assert database.fetch("SELECT to_regclass('alembic_version')") == [(None,)]


@pytest.mark.parametrize(
    ("env", "code"),
    [(FORGETS_TO_COMMIT, "nothing-applied"), (SCHEDULES_ONLY, "env-did-nothing"), (SWALLOWS, "other-revision")],
    ids=["never commits", "only schedules", "swallows"],
)
def test_an_env_that_ends_well_and_did_not_do_it(tmp_path: Path, database: Database, env: str, code: str) -> None:
    """The database is believed, not env.py: each way of doing nothing has its name, and is no success."""
    history = [FIRST, BROKEN] if env == SWALLOWS else [FIRST, SECOND]
    service = projects.make_service(tmp_path / "shop", history=history, env=env)

    ended = migrators.run(service, database.asyncpg)

    assert (ended.code, f"code={code}" in ended.out) == (migrators.WRONG, True), ended.out
    assert database.fetch("SELECT outcome, fatal FROM stillroom.run") == [("failed", True)]


HOLDS = SYNC.replace(").connect() as connection:", ").begin() as connection:")


@pytest.mark.parametrize(
    ("env", "configure"),
    [
        (projects.ENV, ""),
        (projects.ENV, "transaction_per_migration=True"),
        (SYNC, ""),
        (SYNC, "transaction_per_migration=True"),
        (HOLDS, ""),
    ],
    ids=["async", "async, a transaction each", "sync", "sync, a transaction each", "sync, in a transaction of its own"],
)
def test_each_revision_is_a_transaction(tmp_path: Path, database: Database, env: str, configure: str) -> None:
    """Whatever env.py says of transactions: what came before a failing revision stays, noted and in the ledger."""
    driver = "postgresql+asyncpg" if env == projects.ENV else "postgresql+psycopg"
    broken = projects.revision("0003", "0002", upgrade="op.execute('ALTER TABLE nowhere ADD COLUMN x int')")
    service = projects.make_service(tmp_path / "shop", history=[FIRST, SECOND, broken], env=env, configure=configure)

    ended = migrators.run(service, database.url(driver))

    assert ended.code == migrators.WRONG
    assert database.fetch("SELECT version_num FROM alembic_version") == [("0002",)]
    assert database.fetch("SELECT revision FROM stillroom.revision ORDER BY id") == [("0001",), ("0002",)]
    service.add(projects.revision("0003", "0002"))
    assert migrators.run(service, database.url(driver)).code == 0


# Rights


def test_rights_of_the_services_role(tmp_path: Path, new_database: NewDatabase, new_role: NewRole) -> None:
    """A new table that the service could not read is found by the migration; declared grants mend it, sequences included."""
    owner, app = new_role(), new_role()
    database = new_database(owner=owner)
    database.execute(f"GRANT CREATE ON DATABASE {database.name} TO {owner.name}")
    service = projects.make_service(tmp_path / "shop", history=[FIRST])
    url = database.url(role=owner)

    lacking = migrators.run(service, url, "--service-role", app.name)
    granted = migrators.run(service, url, "--service-role", app.name, "--grants", "select,insert", "--json")
    again = migrators.run(service, url, "--service-role", app.name, "--grants", "select,insert")

    assert lacking.code == migrators.WRONG
    assert f"role '{app.name}', which the service connects as, lacks" in lacking.out
    assert "SELECT on public.product" in lacking.out
    assert (granted.code, again.code) == (0, 0), granted.out + again.out
    assert f"GRANT INSERT ON TABLE public.product TO {app.name}" in json.loads(granted.out)["granted"]
    database.execute("INSERT INTO product (name) VALUES ('by the service')", role=app)
    assert database.fetch("SELECT version_num FROM alembic_version", role=app) == [("0001",)]
    assert database.fetch("SELECT outcome FROM stillroom.run ORDER BY id LIMIT 1", role=app) == [("failed",)]


def test_a_service_role_that_is_not_there(shop: projects.Made, database: Database) -> None:
    """A role that is declared and does not exist is an error, never passed over."""
    ended = migrators.run(shop, database.asyncpg, "--service-role", "nobody_at_all")

    assert ended.code == migrators.WRONG
    assert "has no role 'nobody_at_all'" in ended.out


def test_without_a_right_to_make_the_ledger(shop: projects.Made, new_database: NewDatabase, new_role: NewRole) -> None:
    """A role that may not make schemas migrates all the same; the line that mends it is told."""
    role = new_role()
    database = new_database()
    database.execute(f"GRANT ALL ON SCHEMA public TO {role.name}")

    ended = migrators.run(shop, database.url(role=role))

    assert ended.code == 0, ended.out
    assert f"GRANT CREATE ON DATABASE {database.name} TO {role.name};" in ended.out
    assert database.fetch("SELECT to_regnamespace('stillroom')") == [(None,)]


# INVALID indexes

UNIQUE = projects.revision(
    "0002",
    "0001",
    upgrade="""
    with op.get_context().autocommit_block():
        op.execute('CREATE UNIQUE INDEX CONCURRENTLY ix_name ON product (name)')
    """,
)


def test_an_invalid_index_is_named_and_repaired(tmp_path: Path, database: Database) -> None:
    """A unique index over duplicates stays INVALID: said with its statement; `--repair` drops it, and the revision runs."""
    service = projects.make_service(tmp_path / "shop", history=[FIRST])
    migrators.run(service, database.asyncpg)
    database.execute("INSERT INTO product VALUES (1, 'same'), (2, 'same')")
    service.add(UNIQUE)

    failed = migrators.run(service, database.asyncpg)
    database.execute("DELETE FROM product WHERE id = 2")
    without = migrators.run(service, database.asyncpg)
    repaired = migrators.run(service, database.asyncpg, "--repair", "--json")

    assert (failed.code, without.code) == (migrators.WRONG, migrators.WRONG)
    assert "code=half-applied" in failed.out
    assert "DROP INDEX CONCURRENTLY ix_name;" in failed.out
    assert repaired.code == 0, repaired.err
    assert json.loads(repaired.out)["repaired"] == ["ix_name"]
    assert database.fetch("SELECT indisvalid FROM pg_index WHERE indexrelid = 'ix_name'::regclass") == [(True,)]


def test_an_invalid_index_of_a_revision_that_is_done(tmp_path: Path, database: Database) -> None:
    """One that is noted as done is reported by later runs, and built again in place."""
    service = projects.make_service(tmp_path / "shop", history=[FIRST, UNIQUE])
    migrators.run(service, database.asyncpg)
    database.execute("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'ix_name'::regclass")
    service.add(projects.revision("0003", "0002"))

    told = migrators.run(service, database.asyncpg)
    repaired = migrators.run(service, database.asyncpg, "--repair")

    assert "the index ix_name of product is INVALID" in told.out
    assert "REINDEX INDEX CONCURRENTLY ix_name; (or: migrate --repair)" in told.out
    assert (told.code, repaired.code) == (0, 0), repaired.out
    assert database.fetch("SELECT indisvalid FROM pg_index WHERE indexrelid = 'ix_name'::regclass") == [(True,)]


# Truth of what was there before


def test_a_database_that_alembic_brought_to_head_gets_its_fingerprint(shop: projects.Made, database: Database) -> None:
    """At head without a ledger: the schema is compared with the history, and its fingerprint recorded only if equal."""
    migrators.run(shop, database.asyncpg)
    database.execute("DROP SCHEMA stillroom CASCADE")

    first = migrators.run(shop, database.asyncpg)

    assert (first.code, database.fetch("SELECT revisions FROM stillroom.fingerprint")) == (0, [(["0002"],)])
    database.execute("DROP SCHEMA stillroom CASCADE; ALTER TABLE product DROP COLUMN note")
    second = migrators.run(shop, database.asyncpg)
    assert second.code == 0
    assert "differs from what its history makes in 1" in second.out
    assert database.fetch("SELECT count(*) FROM stillroom.fingerprint") == [(0,)]


# A release that was rolled back: its migration Job finds a database that is ahead of it


@pytest.fixture
def older(tmp_path: Path) -> projects.Made:
    """The image with the first revision alone."""
    return projects.make_service(tmp_path / "older" / "shop", history=[FIRST])


def test_an_older_image_has_nothing_to_apply_beside_what_only_adds(
    shop: projects.Made, older: projects.Made, database: Database
) -> None:
    """Exit code 0 and the warning of `verify`, whatever the policy; the ledger and the database stay as they are."""
    assert migrators.run(shop, database.asyncpg).code == 0
    ran = migrators.run(older, database.asyncpg, "--json", environment={"STILLROOM_AHEAD": "refuse"})

    assert ran.code == 0, ran.err
    assert "[warning] shop: " in ran.err and "additive (0002); nothing is to be applied" in ran.err
    assert "Database is ahead of this image - no pending migrations" in ran.err
    told = json.loads(ran.out)
    assert (told["state"], told["before"], told["after"], told["applied"]) == ("ahead", ["0002"], ["0002"], [])
    assert database.fetch("SELECT outcome FROM stillroom.run") == [("done",)]


def test_an_older_image_is_refused_beside_a_contraction(
    shop: projects.Made, older: projects.Made, database: Database
) -> None:
    """Exit code 22; the mend is the newer image, and never to empty the database."""
    shop.add(projects.revision("0003", "0002", upgrade="op.drop_column('product', 'name')"))
    assert migrators.run(shop, database.asyncpg).code == 0
    ran = migrators.run(older, database.asyncpg)

    assert (ran.code, "code=newer-database" in ran.out) == (migrators.REFUSED, True), ran.out
    assert "deploy the newer image (one that has 0003); or go back from the newer image" in ran.out
    assert "downgrade --to 0001" in ran.out and "cleanup" not in ran.out


def test_an_older_image_beside_what_the_ledger_does_not_explain(older: projects.Made, database: Database) -> None:
    """The policy of `verify` decides; a history that is another one is refused as ever."""
    assert migrators.run(older, database.asyncpg).code == 0
    database.execute("UPDATE alembic_version SET version_num = '0009'")
    allowed = migrators.run(older, database.asyncpg)
    refused = migrators.run(older, database.asyncpg, environment={"STILLROOM_AHEAD": "refuse"})
    wrong = migrators.run(older, database.asyncpg, environment={"STILLROOM_AHEAD": "maybe"})
    repair = migrators.run(older, database.asyncpg, "--repair")
    database.execute("INSERT INTO stillroom.revision (version_table, revision, kind, reason, parents, run)"
                     " SELECT version_table, '0009', 'expand', 'it is', '{}', id FROM stillroom.run")  # fmt: skip
    replaced = migrators.run(older, database.asyncpg)

    assert (allowed.code, "the policy is to allow that; nothing is to be applied" in allowed.out) == (0, True)
    assert [each.code for each in (refused, wrong, repair, replaced)] == [migrators.REFUSED] * 4
    assert "code=newer-database" in refused.out and "STILLROOM_AHEAD=allow" in refused.out
    assert "code=choice-unknown" in wrong.out
    assert "migrate --repair of the newer image" in repair.out
    assert "code=unknown-revision" in replaced.out
