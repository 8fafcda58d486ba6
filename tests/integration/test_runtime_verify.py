"""`python -m stillroom.runtime verify` against real servers: each state, one statement, and nothing but SELECT."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from stillroom.runtime.connections import connection
from stillroom.runtime.ledger import entries, fingerprint, tables, writing
from stillroom.runtime.verifying import expected, judge, question, verification
from tests.conftest import NewDatabase, NewRole
from tests.support import migrators, projects, verifiers
from tests.support.postgres import Database, Server

CREATE = "op.create_table('product', sa.Column('id', sa.Integer, primary_key=True), sa.Column('name', sa.String))"
EXPAND = "op.add_column('product', sa.Column('note', sa.Text()))"
CONTRACT = "op.drop_column('product', 'name')"
HISTORY = (projects.revision("0001", upgrade=CREATE), projects.revision("0002", "0001", upgrade=EXPAND))
NOTED = "CREATE TABLE alembic_version (version_num varchar(32) PRIMARY KEY)"


@pytest.fixture
def shop(tmp_path: Path) -> projects.Made:
    """An image with two revisions."""
    return projects.make_service(tmp_path / "shop", history=HISTORY)


@pytest.fixture(params=[18, 14])
def database(request: pytest.FixtureRequest, new_database: NewDatabase) -> Database:
    """An empty database on the newest and on an old server."""
    if request.param == 18:
        return new_database()
    older: Callable[[int], Server] = request.getfixturevalue("postgres_version")
    return new_database(older(request.param))


@pytest.fixture
def newest(new_database: NewDatabase) -> Database:
    """An empty database on the newest server."""
    return new_database()


def noted(database: Database, *revisions: str) -> None:
    """The database says that it is there, with a table of the service."""
    database.execute(f"CREATE TABLE product (id int PRIMARY KEY, name text); {NOTED}")
    for each in revisions:
        database.execute(f"INSERT INTO alembic_version VALUES ('{each}')")


def kept(database: Database, *revisions: tuple[str, str, tuple[str, ...]], at: str, **run: object) -> None:
    """A ledger with one run that applied these revisions (id, kind, parents), and the fingerprint that it left."""

    def work(conn):  # type: ignore[no-untyped-def]
        assert tables.ensure(conn)
        number = writing.begin(conn, entries.Run("shop", "public.alembic_version", (at,)))
        for revision, kind, parents in revisions:
            writing.applied(conn, number, entries.AppliedRevision(revision, kind, f"{kind} it is", parents))
        writing.record_fingerprint(
            conn, "public.alembic_version", [at], fingerprint.take(conn, '"alembic_version"'), number
        )
        writing.finish(conn, number, **{"outcome": entries.DONE, **run})  # type: ignore[arg-type]

    connection.run(database.asyncpg, work, autocommit=True)


# One test a state


def test_at_head(shop: projects.Made, database: Database) -> None:
    """Exit 0, one line on standard output, nothing on standard error."""
    noted(database, "0002")
    ran = verifiers.run(shop, database.asyncpg)
    assert (ran.code, ran.err) == (0, ""), ran.told
    assert ran.out == "at_head: the database is at 0002, as this image expects\n"


def test_behind(shop: projects.Made, database: Database) -> None:
    """Exit 10: says what is pending."""
    noted(database, "0001")
    ran = verifiers.run(shop, database.asyncpg)
    assert ran.code == 10 and ran.err.startswith("DB not ready: database ") and "1 revision pending (0002)" in ran.err


def test_ahead_without_a_ledger(shop: projects.Made, database: Database) -> None:
    """Exit 0 with a warning by default, 11 where the policy is to refuse; by option or variable."""
    noted(database, "0009")
    allowed = verifiers.run(shop, database.asyncpg)
    assert allowed.code == 0 and "warning: database" in allowed.err and "there is no ledger" in allowed.err
    assert verifiers.run(shop, database.asyncpg, "--ahead", "refuse").code == 11
    refused = verifiers.run(shop, database.asyncpg, environment={"STILLROOM_AHEAD": "refuse"})
    assert refused.code == 11 and "0009 is unknown to it (its heads: 0002)" in refused.err


def test_diverged(shop: projects.Made, database: Database) -> None:
    """Exit 12: a revision that is unknown beside one whose child is pending."""
    noted(database, "0001", "0009")
    ran = verifiers.run(shop, database.asyncpg)
    assert ran.code == 12 and "0009 is unknown to this image" in ran.err and "merge the branches" in ran.err


def test_empty(shop: projects.Made, database: Database) -> None:
    """Exit 13, whether or not there is an empty version table: the documented words, and what to do."""
    bare = verifiers.run(shop, database.asyncpg)
    assert bare.code == 13 and bare.err.startswith("DB not ready: Database is empty") and "migration Job" in bare.err
    database.execute(NOTED)
    assert verifiers.run(shop, database.asyncpg).code == 13


def test_unversioned(shop: projects.Made, database: Database) -> None:
    """Exit 14: tables and no revision; an empty version table is no pass."""
    database.execute("CREATE TABLE product (id int)")
    bare = verifiers.run(shop, database.asyncpg)
    assert bare.code == 14 and "holds 1 table and no revision: there is no alembic_version" in bare.err
    database.execute(NOTED)
    ran = verifiers.run(shop, database.asyncpg)
    assert ran.code == 14 and "alembic_version holds no row" in ran.err


def test_unreachable(shop: projects.Made, database: Database) -> None:
    """Exit 15: nobody there, no such database, wrong password; and no password in what is said."""
    gone = database.asyncpg.replace(f":{database.server.port}/", ":1/")
    ran = verifiers.run(shop, gone)
    assert ran.code == 15 and "no PostgreSQL answers for 127.0.0.1:1/" in ran.err
    missing = verifiers.run(shop, database.asyncpg + "x")
    assert (
        missing.code == 15 and f"there is no database 127.0.0.1:{database.server.port}/{database.name}x" in missing.err
    )
    wrong = database.asyncpg.replace(":" + database.asyncpg.split(":")[2].split("@")[0] + "@", ":not-the-one@")
    denied = verifiers.run(shop, wrong)
    assert denied.code == 15 and "may not log in" in denied.err and "not-the-one" not in denied.told


def test_no_migrations(shop: projects.Made, database: Database) -> None:
    """Exit 16 with the documented words, without asking anybody: no URL has to be there."""
    for file in shop.versions.iterdir():
        file.unlink()
    shop.versions.rmdir()
    ran = verifiers.run(shop, None)
    assert ran.code == 16 and "No migration files found for shop" in ran.err and "COPY" in ran.err


def test_drifted(shop: projects.Made, database: Database) -> None:
    """Exit 17: stamped at head, and a column was dropped by hand; the stamp alone does not see it."""
    noted(database, "0002")
    kept(database, at="0002")
    deep = verifiers.run(shop, database.asyncpg, "--deep")
    assert deep.code == 0 and "its schema is what the last migration left" in deep.out
    database.execute("ALTER TABLE product DROP COLUMN name")
    assert verifiers.run(shop, database.asyncpg).code == 0
    ran = verifiers.run(shop, database.asyncpg, environment={"VERIFY_DEPTH": "deep"})
    assert ran.code == 17 and "column public.product.name is missing (text)" in ran.err


def test_unproven(shop: projects.Made, database: Database) -> None:
    """Exit 18: depth was asked for, and there is no ledger, no fingerprint of these revisions, or one of another major."""
    noted(database, "0002")
    assert "there is no ledger" in (ran := verifiers.run(shop, database.asyncpg, "--deep")).err and ran.code == 18
    kept(database, at="0001")
    assert (
        "no fingerprint is recorded" in (ran := verifiers.run(shop, database.asyncpg, "--deep")).err and ran.code == 18
    )
    kept(database, at="0002")
    database.execute("UPDATE stillroom.fingerprint SET server_major = 12")
    assert "taken by PostgreSQL 12" in (ran := verifiers.run(shop, database.asyncpg, "--deep")).err and ran.code == 18


def test_json(shop: projects.Made, newest: Database) -> None:
    """One object on standard output for machines, ready or not, and for what makes no sense."""
    noted(newest, "0001")
    told = verifiers.run(shop, newest.asyncpg, "--json").json
    assert (told["state"], told["exit_code"], told["ready"], told["pending"]) == ("behind", 10, False, ["0002"])
    assert (told["current_revision"], told["tables"], told["migrations"]) == ("0001", 1, 2)
    wrong = verifiers.run(shop, newest.asyncpg, "--json", "--config", "nowhere.ini")
    assert wrong.code == 2 and wrong.json["code"] == "config-missing" and wrong.json["ready"] is False


# Ahead, with a real older image and real migrations


@pytest.mark.parametrize(("upgrade", "code"), [(EXPAND, 0), (CONTRACT, 11)])
def test_an_older_image_beside_a_newer_database(tmp_path: Path, newest: Database, upgrade: str, code: int) -> None:
    """What `migrate` of the newer image noted decides: an expansion is accepted, a contraction is refused by its name."""
    older = projects.make_service(tmp_path / "older" / "shop", history=HISTORY[:1])
    newer = projects.make_service(
        tmp_path / "newer" / "shop",
        history=(*HISTORY[:1], projects.revision("0002", "0001", upgrade=upgrade), projects.revision("0003", "0002")),
    )
    migrated = migrators.run(newer, newest.asyncpg)
    assert migrated.code == 0, migrated
    assert verifiers.run(newer, newest.asyncpg, "--deep").code == 0
    ran = verifiers.run(older, newest.asyncpg, "--ahead", "refuse" if code == 0 else "allow")
    assert ran.code == code, ran.told
    if code:
        assert "revision 0002 contracts the schema" in ran.err and "one that has 0002" in ran.err
    else:
        assert "all of it is additive (0002, 0003)" in ran.err


def test_a_ledger_that_the_service_may_not_read_means_the_policy(
    shop: projects.Made, newest: Database, new_role: NewRole
) -> None:
    """Without the grant: the plain policy and a warning; with it, the ledger decides."""
    noted(newest, "0003")
    kept(newest, ("0003", "contract", ("0002",)), at="0003")
    role = new_role()
    newest.execute(f"GRANT SELECT ON alembic_version TO {role.name}")
    ran = verifiers.run(shop, newest.url(role=role))
    assert ran.code == 0 and "the ledger can't be read by this role" in ran.err, ran.told
    connection.run(newest.asyncpg, lambda conn: tables.grant(conn, role.name), autocommit=True)
    ran = verifiers.run(shop, newest.url(role=role))
    assert ran.code == 11 and "0003 contracts" in ran.err


# What it costs and needs


@pytest.mark.parametrize("driver", ["postgresql+asyncpg", "postgresql+psycopg", "postgresql+psycopg2"])
@pytest.mark.parametrize("deep", [False, True])
def test_one_statement(shop: projects.Made, newest: Database, driver: str, deep: bool) -> None:
    """The server's own log has one statement for a verification: no BEGIN, no ROLLBACK, no ping."""
    noted(newest, "0002")
    kept(newest, at="0002")
    wanted = expected.expected(shop.path)
    found = []
    seen = verifiers.statements(
        newest, lambda: found.append(verification.verify(newest.url(driver), wanted, deep=deep))
    )
    assert found[0].ready and found[0].deep == deep
    # psycopg2 sets the style of dates on connecting where the server has another one: the driver's own.
    own = [line for line in seen if "SET datestyle" not in line]
    assert len(own) == 1 and "WITH place" in own[0], seen


def test_one_statement_of_the_whole_process(shop: projects.Made, newest: Database) -> None:
    """The command line sends no other, either; nor does it where the database is behind and the ledger is read."""
    noted(newest, "0001")
    kept(newest, ("0001", "expand", ()), at="0001")
    seen = verifiers.statements(newest, lambda: verifiers.run(shop, newest.asyncpg))
    assert len(seen) == 1, seen


@pytest.mark.parametrize("driver", ["asyncpg", "psycopg", "psycopg2"])
def test_only_the_driver_is_imported(shop: projects.Made, newest: Database, tmp_path: Path, driver: str) -> None:
    """Neither Alembic nor SQLAlchemy is imported by the command line: it works where they can't be."""
    noted(newest, "0002")
    kept(newest, at="0002")
    program = tmp_path / "only_driver.py"
    program.write_text(
        "import sys\n"
        "class Refused:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.split('.')[0] in ('alembic', 'sqlalchemy', 'mako', 'structlog', 'fastapi'):\n"
        "            raise AssertionError(f'{name} is imported')\n"
        "sys.meta_path.insert(0, Refused())\n"
        "from stillroom.runtime import __main__\n"
        "code = __main__.main(sys.argv[1:])\n"
        "found = sorted({each.split('.')[0] for each in sys.modules} & {'alembic', 'sqlalchemy'})\n"
        "sys.exit(f'{found} are imported' if found else code)\n"
    )
    for arguments in ((), ("--deep",)):
        process = verifiers.start(shop, newest.url(f"postgresql+{driver}"), *arguments, program=(str(program),))
        ran = verifiers.ended(process)
        assert ran.code == 0 and "at_head" in ran.out, ran.told


def test_a_read_only_role(shop: projects.Made, database: Database, new_role: NewRole) -> None:
    """SELECT on the version table is enough, in sessions that can't write, deep too; and nothing is made."""
    role = new_role(database.server)
    noted(database, "0002")
    kept(database, at="0002")
    database.execute(f"REVOKE ALL ON SCHEMA public FROM PUBLIC; GRANT USAGE ON SCHEMA public TO {role.name}")
    database.execute(f"GRANT SELECT ON alembic_version TO {role.name}")
    database.execute(f"ALTER ROLE {role.name} SET default_transaction_read_only = on")
    connection.run(database.asyncpg, lambda conn: tables.grant(conn, role.name), autocommit=True)
    before = database.fetch("SELECT count(*), max(oid) FROM pg_class")
    ran = verifiers.run(shop, database.url(role=role), "--deep")
    assert ran.code == 0, ran.told
    assert database.fetch("SELECT count(*), max(oid) FROM pg_class") == before


def test_a_role_without_the_right_is_told_the_grant(shop: projects.Made, database: Database, new_role: NewRole) -> None:
    """The version table is there and can't be read: not empty, not unversioned, and the line that mends it."""
    role = new_role(database.server)
    noted(database, "0002")
    ran = verifiers.run(shop, database.url(role=role))
    assert ran.code == 15 and f"GRANT SELECT ON public.alembic_version TO {role.name};" in ran.err, ran.told


def test_no_lock_is_waited_for(newest: Database, shop: projects.Made) -> None:
    """A migration that holds locks on the service's tables, and the migration lock, keeps no service waiting."""
    noted(newest, "0002")
    wanted = expected.expected(shop.path)
    with newest.connect() as holder:
        holder.execute("SELECT pg_advisory_lock(1)")
        with holder.transaction():
            holder.execute("LOCK TABLE product IN ACCESS EXCLUSIVE MODE")
            holder.execute("LOCK TABLE alembic_version IN EXCLUSIVE MODE")
            assert verification.verify(newest.asyncpg, wanted).ready


# What is odd, or meant badly


@pytest.mark.parametrize(
    "name", ['ver"sion', "Version Table", "pct%s", "colon:name", "ünï", "a.b", "'; DROP TABLE x; --"]
)
@pytest.mark.parametrize("driver", ["postgresql+asyncpg", "postgresql+psycopg", "postgresql+psycopg2"])
def test_any_name_of_a_version_table(new_database: NewDatabase, name: str, driver: str) -> None:
    """Quoted names, percent signs, colons and quotes in the names of schema and table, and in revisions."""
    database = new_database()
    wanted = expected.Expected(
        "x", (f"r-{name}",), 1, version_table=name, version_schema=name, links={f"r-{name}": ((), ())}
    )
    quoted, literal = name.replace('"', '""'), f"r-{name}".replace("'", "''")
    assert verification.verify(database.url(driver), wanted).state == "empty"
    database.execute(f'CREATE SCHEMA "{quoted}"; CREATE TABLE "{quoted}"."{quoted}" (version_num text)')
    database.execute(f"""INSERT INTO "{quoted}"."{quoted}" VALUES ('{literal}')""")
    found = verification.verify(database.url(driver), wanted)
    assert found.state == "at_head" and found.current == (f"r-{name}",), found

    def work(conn):  # type: ignore[no-untyped-def]
        assert tables.ensure(conn)
        writing.begin(conn, entries.Run("x", entries.noted_in(name, name), (f"r-{name}",)))

    connection.run(database.url(driver), work, autocommit=True)
    database.execute(f"""UPDATE "{quoted}"."{quoted}" SET version_num = 'gone'""")
    found = verification.verify(database.url(driver), wanted)
    assert found.state == "ahead" and found.run is not None and found.run["target"] == [f"r-{name}"]


def test_the_version_table_of_another_schema_is_not_taken(shop: projects.Made, database: Database) -> None:
    """One that the search_path does not find is a neighbour's; it is said that it is there."""
    database.execute(f"CREATE SCHEMA other; {NOTED.replace('TABLE ', 'TABLE other.')}")
    database.execute("INSERT INTO other.alembic_version VALUES ('0002')")
    ran = verifiers.run(shop, database.asyncpg)
    assert ran.code == 13 and "there is other.alembic_version, in another schema" in ran.err
    assert "--version-table-schema other" in ran.err
    assert verifiers.run(shop, database.asyncpg, "--version-table-schema", "other").code == 0


@pytest.mark.parametrize(
    ("made", "state"),
    [
        ("CREATE VIEW alembic_version AS SELECT '0002'::text AS version_num", "unversioned"),
        ("CREATE MATERIALIZED VIEW alembic_version AS SELECT '0002'::text AS version_num", "unversioned"),
        ("CREATE TABLE alembic_version (id int)", "unversioned"),
        ("CREATE TABLE alembic_version (version_num int); INSERT INTO alembic_version VALUES (2)", "ahead"),
        ("CREATE TABLE alembic_version (version_num text); INSERT INTO alembic_version VALUES ('2'), ('2')", "diverged"),
        ("CREATE TABLE alembic_version (version_num text); INSERT INTO alembic_version VALUES ('0002'), (NULL)", "diverged"),
        ("CREATE TABLE alembic_version (version_num text); INSERT INTO alembic_version VALUES (NULL)", "empty"),
        ("CREATE TABLE alembic_version (version_num text); INSERT INTO alembic_version VALUES ('')", "ahead"),
        (
            "CREATE TABLE alembic_version (version_num text); INSERT INTO alembic_version SELECT repeat('x', 5000) || g"
            " FROM generate_series(1, 3000) g",
            "diverged",
        ),
        (
            "CREATE TABLE alembic_version (version_num text); INSERT INTO alembic_version VALUES ('0002');"
            " CREATE FUNCTION public.ts_stat(text) RETURNS TABLE (word text, ndoc int, nentry int)"
            " LANGUAGE sql AS $$ SELECT 'v0002', 1, 1 $$; UPDATE alembic_version SET version_num = '0001'",
            "behind",
        ),
    ],
)  # fmt: skip
def test_an_odd_version_table_is_not_ready(shop: projects.Made, database: Database, made: str, state: str) -> None:
    """Views, other columns, doubles, empty rows, rows beyond measure, functions in the way: fails closed."""
    database.execute(made)
    wanted = expected.expected(shop.path)
    found = verification.verify(database.asyncpg, wanted, policy=judge.REFUSE)
    assert (found.state, found.ready) == (state, False), found


def test_row_security_is_not_taken_for_an_empty_table(shop: projects.Made, newest: Database, new_role: NewRole) -> None:
    """Rows that this role may not see are not rows that are not there."""
    role = new_role()
    noted(newest, "0002")
    newest.execute(
        f"GRANT SELECT ON alembic_version TO {role.name}; ALTER TABLE alembic_version ENABLE ROW LEVEL SECURITY"
    )
    ran = verifiers.run(shop, newest.url(role=role))
    assert ran.code == 15 and "row security hides its rows" in ran.err


@pytest.mark.parametrize(
    "made",
    [
        "CREATE SCHEMA stillroom; CREATE TABLE stillroom.run (id int)",
        "CREATE SCHEMA stillroom; COMMENT ON SCHEMA stillroom IS 'stillroom ledger';"
        " CREATE TABLE stillroom.run (id int)",
        "CREATE SCHEMA stillroom; COMMENT ON SCHEMA stillroom IS 'stillroom ledger';"
        " CREATE VIEW stillroom.revision AS SELECT 1 / 0 AS id",
    ],
)
@pytest.mark.parametrize("deep", [False, True])
def test_a_ledger_that_is_none_breaks_nothing(shop: projects.Made, database: Database, made: str, deep: bool) -> None:
    """A schema of that name with anything in it: the plain policy; in depth, nothing is proven."""
    noted(database, "0003")
    database.execute(made)
    wanted = expected.expected(shop.path)
    assert verification.verify(database.asyncpg, wanted, policy=judge.REFUSE, deep=deep).exit_code == 11
    allowed = verification.verify(database.asyncpg, wanted, deep=deep)
    assert allowed.exit_code == (18 if deep else 0), allowed
    assert allowed.ledger in ("foreign", "unreadable")


def test_a_service_beside_others_in_one_database(newest: Database, tmp_path: Path) -> None:
    """Tables of neighbours, version tables and the ledger do not make a database look used; what may be its own does."""
    newest.execute("CREATE SCHEMA other; CREATE TABLE other.x (id int)")
    newest.execute(NOTED.replace("alembic_version", "other.alembic_version"))
    connection.run(newest.asyncpg, tables.ensure, autocommit=True)
    image = projects.make_service(tmp_path / "shop", history=HISTORY)
    derived = verifiers.run(image, newest.asyncpg)
    assert derived.code == 13 and "is of others, who note their revisions in other.alembic_version" in derived.err
    newest.execute("CREATE TABLE other.product (id int)")
    open_ = verifiers.run(image, newest.asyncpg)
    assert open_.code == 14 and "name the service's own schemas (STILLROOM_SCHEMAS)" in open_.err
    assert verifiers.run(image, newest.asyncpg, "--schemas", "public").code == 13
    newest.execute("DROP TABLE other.x, other.product")
    assert verifiers.run(image, newest.asyncpg).code == 13
    newest.execute("DROP TABLE other.alembic_version; CREATE TABLE other.x (id int)")
    assert verifiers.run(image, newest.asyncpg).code == 14


def test_several_heads_and_dependencies(newest: Database, tmp_path: Path) -> None:
    """Sets of heads: both are needed, in any order; a head on which another depends is no row."""
    image = projects.make_service(
        tmp_path / "shop",
        history=(
            projects.revision("a1"),
            projects.revision("b1", branch_labels=["b"]),
            projects.revision("b2", "b1"),
            projects.revision("c1", depends_on="a1"),
        ),
    )
    newest.execute(NOTED)
    for rows, code in (
        (("b2",), 10),
        (("c1", "b2"), 0),
        (("b2", "c1", "a1"), 0),
        (("a1", "b2"), 10),
        (("b1", "c1"), 10),
    ):
        newest.execute("DELETE FROM alembic_version")
        for each in rows:
            newest.execute(f"INSERT INTO alembic_version VALUES ('{each}')")
        ran = verifiers.run(image, newest.asyncpg)
        assert ran.code == code, (rows, ran.told)


def test_the_question_holds_nothing_that_a_driver_takes_for_a_parameter() -> None:
    """No percent sign, whatever the names; and each place in the text was filled."""
    odd = expected.Expected("x", ("100%s",), 1, version_table="%(a)s", version_schema=":zz", schemas=("a%",))
    for deep in (False, True):
        text, parameters = question.question(odd, deep)
        assert "%" not in text and ":zz" not in text and parameters == ()
        for name in (
            "PLACE",
            "VERSION_TABLE",
            "SCHEMA_NAME",
            "HEADS",
            "PIECES",
            "MORE_CLAUSES",
            "FINGERPRINT",
            "SCHEMAS",
        ):
            assert name not in text
