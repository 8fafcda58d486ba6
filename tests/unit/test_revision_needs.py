"""What a history needs to be there before it runs, read from its SQL."""

from __future__ import annotations

import textwrap

import pytest

from stillroom.runtime.readiness import preflight_findings, preflight_needs, preflight_rights
from stillroom.runtime.reading import revision_needs, revisions


def needs(body: str, *, top: str = "") -> revision_needs.Needs:
    """What one revision with this `upgrade()` needs."""
    source = f"revision = 'a'\ndown_revision = None\n{top}\n\ndef upgrade():\n{textwrap.indent(body, '    ')}\n"
    return revision_needs.read([revisions.parse(source, "a.py")])


@pytest.mark.parametrize(
    ("sql", "roles"),
    [
        ("GRANT SELECT ON t TO reader", ["reader"]),
        ("grant all on all tables in schema public to Reader, GROUP writers with grant option", ["reader", "writers"]),
        ("GRANT parent TO child", ["child", "parent"]),
        ("GRANT SELECT ON t TO PUBLIC, current_user", []),
        ('GRANT SELECT ON t TO "App User"', ["App User"]),
        ("REVOKE ALL ON t FROM reader CASCADE", ["reader"]),
        ("ALTER TABLE t OWNER TO boss; ALTER TABLE t RENAME TO u", ["boss"]),
        ("CREATE POLICY p ON t FOR SELECT TO reader USING (owner = current_user)", ["reader"]),
        ("CREATE POLICY p ON t USING (a BETWEEN b AND c)", []),
        ("ALTER DEFAULT PRIVILEGES FOR ROLE boss IN SCHEMA s GRANT SELECT ON TABLES TO reader", ["boss", "reader"]),
        ("SET LOCAL ROLE boss", ["boss"]),
        ("SET ROLE NONE; RESET ROLE", []),
        ("REASSIGN OWNED BY old TO boss", ["boss", "old"]),
        ("CREATE SCHEMA s AUTHORIZATION boss", ["boss"]),
        ("ALTER ROLE reader SET search_path = s", ["reader"]),
        ("CREATE USER MAPPING FOR me SERVER s", []),
        ("-- GRANT SELECT ON t TO reader\nSELECT 'GRANT a TO b'", []),
        ("DO $$ BEGIN GRANT SELECT ON t TO reader; END $$", ["reader"]),
        ("DO $$ BEGIN IF EXISTS (SELECT 1) THEN GRANT SELECT ON t TO reader; END IF; END $$", []),
        ("DO $$ BEGIN GRANT SELECT ON t TO reader; EXCEPTION WHEN OTHERS THEN NULL; END $$", []),
        ("CREATE FUNCTION f() RETURNS void LANGUAGE sql AS $$ GRANT SELECT ON t TO reader $$", []),
    ],
)
def test_roles_of_a_statement(sql: str, roles: list[str]) -> None:
    """As the server keeps their names; not what it has by itself, nor what is only perhaps executed."""
    assert sorted(needs(f"op.execute({sql!r})").roles) == roles


@pytest.mark.parametrize(
    ("body", "roles"),
    [
        ('op.execute("GRANT SELECT ON t TO reader")', ["reader"]),
        ('op.get_bind().execute(sa.text("GRANT SELECT ON t TO reader"))', ["reader"]),
        ('for each in ("t", "u"):\n    op.execute(f"GRANT SELECT ON {each} TO reader")', ["reader"]),
        ('for each in ("a", "b"):\n    op.execute(f"GRANT SELECT ON t TO {each}")', []),
        ('op.execute(f"GRANT SELECT ON t TO {ROLE}")', ["reader"]),
        ('op.execute(f"GRANT SELECT ON t TO {os.environ[NAME]}")', []),
        ('op.execute("GRANT SELECT ON t TO %s" % ROLE)', []),
        ("_grant()", ["reader"]),
        ('with op.get_context().autocommit_block():\n    op.execute("GRANT SELECT ON t TO reader")', ["reader"]),
        ('if there():\n    op.execute("GRANT SELECT ON t TO reader")', []),
        ('if op.get_bind().dialect.name == "postgresql":\n    op.execute("GRANT SELECT ON t TO reader")', ["reader"]),
        (
            'if op.get_bind().dialect.name != "postgresql":\n    return\nop.execute("GRANT a TO reader")',
            ["a", "reader"],
        ),
        ('pg = bind.dialect.name in ("postgresql",)\nif not pg:\n    return\nop.execute("GRANT a TO b")', ["a", "b"]),
        ('if name == "sqlite":\n    op.execute("GRANT a TO b")\nelse:\n    op.execute("SET ROLE c")', ["c"]),
        ('if name == "production":\n    op.execute("GRANT SELECT ON t TO reader")', []),
        ('there() and op.execute("GRANT SELECT ON t TO reader")', []),
        ('if not there():\n    return\nop.execute("GRANT SELECT ON t TO reader")', []),
        ('try:\n    op.execute("GRANT SELECT ON t TO reader")\nexcept Exception:\n    pass', []),
        ('op.execute("CREATE ROLE reader")\nop.execute("GRANT SELECT ON t TO reader")', []),
        ('if not there():\n    op.execute("CREATE ROLE reader")\nop.execute("GRANT SELECT ON t TO reader")', []),
        ('op.execute(f"CREATE ROLE {name}")\nop.execute("GRANT SELECT ON t TO reader")', []),
        ("op.execute('CREATE ROLE \"reader\"')\nop.execute('GRANT SELECT ON t TO \"reader\"')", []),
    ],
)
def test_roles_of_a_revision(body: str, roles: list[str]) -> None:
    """What `upgrade()` surely executes, and no revision makes."""
    top = 'ROLE = "reader"\n\ndef _grant():\n    op.execute("GRANT SELECT ON t TO reader")\n'
    assert sorted(needs(body, top=top).roles) == roles


def test_extensions_and_their_places() -> None:
    """Those that are surely created; neither in a downgrade nor in a text nor where somebody asks before."""
    found = needs(
        '"""CREATE EXTENSION postgis"""\n'
        "op.execute('CREATE EXTENSION IF NOT EXISTS \"uuid-ossp\"')\n"
        'op.execute("create extension pg_trgm")  # CREATE EXTENSION hstore\n'
        'if large():\n    op.execute("CREATE EXTENSION timescaledb")',
        top='def downgrade():\n    op.execute("CREATE EXTENSION citext")\n',
    )
    assert found.extensions == {"uuid-ossp": "a.py, line 9", "pg_trgm": "a.py, line 10"}


@pytest.mark.parametrize(
    ("there", "scratch", "bootstrapped", "expected"),
    [
        (["reader"], None, False, ["ok"]),
        ([], None, False, ["error"]),
        ([], None, True, ["warning"]),
        (["reader"], frozenset({"reader"}), False, ["ok"]),
        (["reader"], frozenset({"postgres"}), False, ["error"]),
        ([], frozenset({"postgres"}), False, ["error"]),
    ],
)
def test_roles_are_looked_for_on_each_server(
    there: list[str], scratch: frozenset[str] | None, bootstrapped: bool, expected: list[str]
) -> None:
    """A server of scratch databases has roles of its own; each missing one is told once."""
    found = preflight_findings.Findings()
    facts = {"roles": there, "database": "shop", "role": "me", "extensions": {}}
    where = preflight_rights.Scratch(given="S", roles=scratch, extensions=frozenset() if scratch else None)
    needed = revision_needs.Needs({"reader": "a.py, line 3"}, {})
    preflight_needs.judge(found, facts, needed, where, bootstrapped=bootstrapped)
    told = found.to_list()
    assert [each["level"] for each in told] == expected
    assert all("reader" in each["message"] for each in told)


def test_an_extension_that_only_the_services_own_server_has() -> None:
    """Its scratch databases are made where it is not to be had."""
    found = preflight_findings.Findings()
    facts = {"roles": [], "database": "shop", "role": "me", "extensions": {"postgis": "3.4"}}
    scratch = preflight_rights.Scratch(server=True, roles=frozenset(), extensions=frozenset({"plpgsql"}))
    preflight_needs.judge(found, facts, revision_needs.Needs({}, {"postgis": "a.py, line 3"}), scratch)
    assert [(each["check"], each["level"]) for each in found.to_list()] == [("extensions", "error")]


@pytest.mark.parametrize(
    ("body", "made"),
    [
        ('op.execute("CREATE ROLE reader NOLOGIN")', ["reader"]),
        ("if not there():\n    op.execute('CREATE USER \"App User\"')", ["App User"]),
        ('op.execute("DO $$ BEGIN IF NOT there() THEN CREATE ROLE reader; END IF; END $$")', ["reader"]),
        ('op.execute(f"CREATE ROLE {name}")', []),
        ('op.execute("CREATE USER MAPPING FOR me SERVER s")', []),
        ('"""CREATE ROLE reader"""\nop.execute("SELECT 1 -- CREATE ROLE reader")', []),
    ],
)
def test_roles_that_a_revision_makes(body: str, made: list[str]) -> None:
    """Whether it surely does or asks before; not what stands in texts, nor what `downgrade` makes again."""
    top = 'def downgrade():\n    op.execute("CREATE ROLE other")\n'
    source = f"revision = 'a'\ndown_revision = None\n{top}\n\ndef upgrade():\n{textwrap.indent(body, '    ')}\n"
    assert sorted(revision_needs.made_roles([revisions.parse(source, "a.py")])) == made
