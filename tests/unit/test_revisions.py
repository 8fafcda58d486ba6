"""Revision files read from source: who they are, what they do, how they hang together."""

from __future__ import annotations

import pytest

from stillroom.runtime import faults
from stillroom.runtime.reading import revision_file, revisions


def revision(id_: str | None, down: object = None, *, more: str = "", up: str = "pass", down_body: str = "pass") -> str:
    """The source of a revision file."""
    return (
        f'"""make {id_}\n\nRevision ID: {id_}\n"""\nfrom alembic import op\nimport sqlalchemy as sa\n'
        f"revision = {id_!r}\ndown_revision = {down!r}\n{more}\n\ndef upgrade():\n    {up}\n\n"
        f"def downgrade():\n    {down_body}\n"
    )


def parsed(source: str, name: str = "x.py") -> revisions.Revision:
    """One file, read whole."""
    return revisions.parse(source, name)


def graph(*sources: str) -> revisions.Graph:
    """The history of some files, named a.py, b.py, ..."""
    return revisions.Graph([parsed(source, f"{chr(97 + n)}.py") for n, source in enumerate(sources)])


def codes(found: list[revisions.Problem]) -> list[str]:
    """The problems' codes."""
    return [each.code for each in found]


@pytest.mark.parametrize(
    ("declared", "down"),
    [
        ("down_revision = None", ()),
        ("down_revision = 'a'", ("a",)),
        ("down_revision: str | None = 'a'", ("a",)),
        ("down_revision = ('a', 'b')", ("a", "b")),
        ("down_revision = ['a', 'b', 'a']", ("a", "b")),
        ("down_revision = ()", ()),
        ("down_revision = (None,)", ()),
        ("down_revision = 'a' 'b'", ("ab",)),
        ("down_revision = 'a' + 'b'", ("ab",)),
        ("PARENT = 'a'\ndown_revision = PARENT", ("a",)),
        ("down_revision = other = 'a'", ("a",)),
        ("down_revision = 'old'\ndown_revision = 'a'", ("a",)),
        ("down_revision, other = 'a', 'b'", ("a",)),
        ("down_revision = ('a',) + ('b',)", ("a", "b")),
    ],
)
def test_parents_are_read_however_they_are_written(declared: str, down: tuple[str, ...]) -> None:
    """Plain, annotated, concatenated, renamed, tuple or list: the parents are Alembic's."""
    assert parsed(f"revision = 'x'\n{declared}\ndef upgrade(): pass\n").down == down


def test_labels_dependencies_and_message_are_read() -> None:
    """Branch labels and dependencies may be a text or several; the message is the docstring's first paragraph."""
    found = parsed(revision("x", None, more="branch_labels = ('one', 'two')\ndepends_on = 'y'"))
    assert (found.branch_labels, found.depends_on, found.message) == (("one", "two"), ("y",), "make x")


@pytest.mark.parametrize(
    ("source", "code", "words"),
    [
        ("revision = make()\ndown_revision = None", "revision-not-literal", "x.py, line 1: `revision` is computed"),
        ("from base import *", "revision-not-literal", "line 1: `revision`"),
        ("from ids import revision\ndown_revision = None", "revision-not-literal", "`revision`"),
        ("revision = 'x'\nif 1:\n    down_revision = None", "revision-not-literal", "line 3: `down_revision`"),
        ("revision = 'x'\ndown_revision = 'a'\ndown_revision += 'b'", "revision-not-literal", "line 3"),
        ("revision = 'x'\ndown_revision = f'{a}'", "revision-not-literal", "line 2"),
        ("revision = 7\ndown_revision = None", "revision-not-text", "`revision`"),
        ("revision = None\ndown_revision = None", "revision-not-text", "`revision`"),
        ("revision = 'x'\ndown_revision = 7", "revision-not-text", "`down_revision`"),
        ("revision = 'x'\ndown_revision = ('a', None)", "revision-not-text", "`down_revision`"),
        ("def helper(): pass", "not-a-revision", "has no `revision`"),
        ("revision = 'x'", "not-a-revision", "has no `down_revision`"),
        ("", "not-a-revision", "is empty (0 bytes)"),
        ("revision = 'x'\ndown_revision = None\ndef upgrade(:\n", "does-not-parse", "x.py, line 3"),
        ("revision = 'x'\n\0", "does-not-parse", "x.py, line"),
        ("a = " + "(" * 500, "does-not-parse", "x.py, line"),
        ("# -*- coding: martian -*-\n", "does-not-parse", "martian"),
    ],
)
def test_a_file_that_is_no_plain_revision_is_told_by_name(source: str, code: str, words: str) -> None:
    """Nothing crashes: each kind of broken file has its code, its file and its line."""
    with pytest.raises(faults.ProjectFault) as caught:
        parsed(source)
    assert caught.value.code == code
    assert words in caught.value.message
    assert caught.value.mend


def test_a_file_in_another_encoding_is_broken_unless_it_says_so() -> None:
    """Python's own rule: UTF-8 unless a coding line names another."""
    with pytest.raises(faults.ProjectFault, match="does not parse"):
        revisions.parse("revision = 'ü'".encode("latin-1"), "x.py")
    source = "# coding: latin-1\n'''Größe'''\nrevision = 'x'\ndown_revision = None\n".encode("latin-1")
    assert revisions.parse(source, "x.py").message == "Größe"


def test_the_id_may_come_from_an_old_file_name() -> None:
    """Alembic still takes the id of a file without `revision` from a name of hexadecimal digits."""
    assert revisions.parse("down_revision = None\ndef upgrade(): pass", "1a2b.py").id == "1a2b"


@pytest.mark.parametrize(
    "tail",
    [
        "def upgrade():\n    depends_on = 1\n    return '''\nrevision = 'not this'\n'''\n",
        "TEXT = '''\ndef upgrade(): pass\n'''\ndef upgrade(): pass\n",
        "def upgrade(): pass\ndepends_on = ('y',)\n",
        "@decorated\ndef upgrade(): pass\n",
        "async def upgrade(): pass\n",
        "class Helper:\n    revision = 'not this either'\ndef upgrade(): pass\n",
    ],
)
def test_reading_only_the_head_of_a_file_agrees_with_reading_it_whole(tail: str) -> None:
    """The quick look, which stops at the first function, never differs from the parse of everything."""
    from stillroom.runtime.reading import revision_head

    source = ("revision = 'x'\ndown_revision = 'a'\n" + tail).encode()
    whole = revision_head.read_head(source, "x.py", revision_head.parse_module(source))
    assert revision_head.read_head(source, "x.py") == whole


def test_operations_are_listed_with_table_and_subject() -> None:
    """`op.…`, a batch, a renamed `op`, functions imported from alembic.op, and what helpers do."""
    source = """
import sqlalchemy as sa
import alembic
from alembic import op as o
from alembic.op import drop_table
TABLE = "orders"
revision = "x"
down_revision = None

def index():
    o.create_index(o.f("ix_orders_note"), TABLE, ["note"])

def unused():
    o.drop_column("orders", "never")

def upgrade() -> None:
    o.create_table("orders", sa.Column("id", sa.Integer()), schema="shop")
    with o.batch_alter_table("items", schema="shop") as batch:
        batch.add_column(sa.Column("price", sa.Numeric()))
        batch.drop_constraint("ck_price")
    index()
    alembic.op.drop_column(TABLE, "note")
    o.create_foreign_key("fk", source_table="items", referent_table="orders", local_cols=["o"], remote_cols=["id"])
    drop_table("old")
    list(map(o.execute, ["CREATE VIEW v AS SELECT 1"]))
    o.get_bind().execute(sa.text("GRANT SELECT ON v TO reader"))
    o.get_bind().execute(sa.text("SELECT 1"))
    sa.Enum("a", name="kind").create(o.get_bind(), checkfirst=True)

def downgrade() -> None:
    raise NotImplementedError
"""
    found = parsed(source)
    assert [str(each) for each in found.body.upgrade] == [
        "create_table shop.orders",
        "add_column shop.items.price",
        "drop_constraint shop.items.ck_price",
        "drop_column orders.note",
        "create_foreign_key items.fk",
        "drop_table old",
        "execute",
        "execute",
        "create",
        "create_index orders.ix_orders_note",
    ]
    assert found.upgrade_ops == len(found.operations) == 10
    assert [each.line for each in found.body.upgrade][:2] == [17, 19]
    assert not found.body.opaque


@pytest.mark.parametrize(
    ("body", "state"),
    [
        ("pass", "empty"),
        ("...", "empty"),
        ("'''nothing'''\n    return None", "empty"),
        ("raise NotImplementedError('no way back')", "raises"),
        ("op.drop_table('t')", "present"),
        ("helper()", "present"),
    ],
)
def test_the_downgrade_is_judged(body: str, state: str) -> None:
    """Empty, refusing, or doing something."""
    found = parsed(revision("x", down_body=body))
    assert found.body.downgrade_state == state
    assert found.has_downgrade is (state == "present")


def test_a_missing_downgrade_is_missing_and_an_imported_one_is_not() -> None:
    """`from other import downgrade` is a downgrade that cannot be looked into."""
    assert parsed("revision='x'\ndown_revision=None\ndef upgrade(): pass").body.downgrade_state == "missing"
    source = "revision='x'\ndown_revision=None\nfrom other import upgrade, downgrade"
    found = parsed(source).body
    assert (found.downgrade_state, found.has_upgrade, found.opaque) == ("present", True, True)


def test_code_of_another_module_makes_an_upgrade_opaque_and_is_listed() -> None:
    """An upgrade that only calls the application is not called empty."""
    source = revision("x", up="from app.seed import fill\n    fill(op)")
    body = parsed(source).body
    assert body.opaque and not body.upgrade
    assert [(each.module, each.line) for each in body.imports if each.module.startswith("app")] == [("app.seed", 12)]


def test_alembics_template_for_several_databases_is_followed() -> None:
    """`globals()["upgrade_%s" % name]()` reaches every `upgrade_…`."""
    source = (
        "from alembic import op\nrevision='x'\ndown_revision=None\n"
        "def upgrade(engine_name):\n    globals()['upgrade_%s' % engine_name]()\n"
        "def upgrade_one():\n    op.drop_table('a')\ndef upgrade_two():\n    op.drop_table('b')\n"
    )
    assert parsed(source).operations == ("drop_table", "drop_table")


@pytest.mark.parametrize(
    ("up", "lines"),
    [
        ("op.bulk_insert(sa.table('roles'), [{'name': 'admin'}])", ["line 12: bulk_insert into roles"]),
        ("op.execute('INSERT INTO roles VALUES (1)')", ["line 12: INSERT INTO roles VALUES (1)"]),
        ("op.execute('create table insert_log (id int); update a set b = 1')", ["line 12: update a set b = 1"]),
        ("op.execute('''\n    -- UPDATE nothing\n    DELETE FROM a\n    ''')", ["line 14: DELETE FROM a"]),
        ("op.get_bind().execute(sa.text('TRUNCATE a'))", ["line 12: TRUNCATE a"]),
        ("for t in ('a', 'b'):\n        op.execute(f'UPDATE {t} SET x = 1')", ["line 13: UPDATE … SET x = 1"]),
        ("sql = 'DELETE FROM a'\n    op.execute(sql)", ["line 13: DELETE FROM a"]),
        (
            "c = op.get_bind()\n    c.exec_driver_sql('MERGE INTO a USING b ON true')",
            ["line 13: MERGE INTO a USING b ON true"],
        ),
        (
            "op.execute('WITH n AS (SELECT 1) INSERT INTO a SELECT * FROM n')",
            ["line 12: WITH n AS (SELECT 1) INSERT INTO a SELECT * FROM n"],
        ),
        ("op.execute('DO $$ BEGIN UPDATE a SET x = 1; END $$')", ["line 12: DO $$"]),
        ("op.execute('CREATE TABLE b AS SELECT * FROM a')", ["line 12: CREATE TABLE b AS SELECT * FROM a"]),
        ("op.execute(\"COPY a FROM '/tmp/a.csv'\")", ["line 12: COPY a FROM '…'"]),
        ("t = sa.table('a')\n    op.execute(t.update().where(t.c.x == 1).values(x=2))", ["line 13: update a"]),
        ("op.execute(sa.insert(sa.table('a')).values(x=1))", ["line 12: insert a"]),
        (
            "s = sa.orm.Session(bind=op.get_bind())\n    s.add(1)\n    s.commit()",
            ["line 13: s.add(…)"],
        ),
        ("s = Session(op.get_bind())\n    s.query(A).filter(1).update({})", ["line 13: session.query(…).update(…)"]),
        (
            "with Session(op.get_bind()) as s:\n        s.query(A).first().x = 1\n        s.commit()",
            ["line 14: s.commit(…)"],
        ),
    ],
)
def test_data_steps_are_found_with_their_lines(up: str, lines: list[str]) -> None:
    """Whatever changes rows in `upgrade` is listed; literals are left out of the text, since they may be secrets."""
    assert [each.replace(" … END $$", "") for each in revisions.data_statements(revision("x", up=up))] == lines


@pytest.mark.parametrize(
    "up",
    [
        "op.execute('CREATE FUNCTION f() RETURNS trigger AS $$ BEGIN DELETE FROM a; RETURN NEW; END $$ LANGUAGE plpgsql')",
        "op.execute('CREATE TRIGGER t AFTER INSERT OR UPDATE ON a EXECUTE FUNCTION f()')",
        "op.execute('GRANT INSERT, UPDATE ON a TO b')",
        "op.execute(\"COMMENT ON TABLE a IS 'delete from b'\")",
        "op.execute('ALTER TABLE a ADD FOREIGN KEY (b) REFERENCES c ON DELETE CASCADE')",
        "op.execute('DO $$ BEGIN CREATE TYPE kind AS ENUM (); END $$')",
        "op.execute('CREATE RULE r AS ON INSERT TO a DO INSTEAD DELETE FROM b')",
        "op.execute('CREATE TABLE p PARTITION OF a FOR VALUES FROM (1) TO (2)')",
        "rows = op.get_bind().execute(sa.text('SELECT 1 FROM a FOR UPDATE'))",
        "{}.update(a=1)\n    options.delete('x')",
        "s = Session(op.get_bind())\n    s.query(A).all()",
        "op.create_table('updates', sa.Column('insert', sa.ForeignKey('a.b', ondelete='delete from')))",
    ],
)
def test_what_only_looks_like_data_is_not_listed(up: str) -> None:
    """Definitions that name data operations, quoted texts, queries, dictionaries."""
    assert revisions.data_statements(revision("x", up=up)) == []


def test_data_steps_of_downgrade_do_not_count_and_unreadable_sql_is_told() -> None:
    """A downgrade's DELETE is no loss; SQL from a file is a line that could not be read."""
    assert revisions.data_statements(revision("x", down_body="op.execute('DELETE FROM a')")) == []
    assert parsed(revision("x", up="op.execute(open('seed.sql').read())")).body.unread_sql == (12,)


def test_a_sound_history_has_no_problems() -> None:
    """A fork that is merged again, with a dependency and a label."""
    sound = graph(
        revision("a"),
        revision("b", "a", more="branch_labels = 'left'"),
        revision("c", "a", more="depends_on = 'left'"),
        revision("d", ("b", "c")),
    )
    assert sound.problems() == []
    assert (sound.heads, sound.bases) == (("d",), ("a",))
    assert [each.id for each in sound.ordered()] == ["a", "b", "c", "d"]
    assert sound.ancestors(["c"]) == {"a", "b", "c"}


@pytest.mark.parametrize(
    ("sources", "code", "words"),
    [
        ([revision("a"), revision("a")], "duplicate-id", "'a' stands in 2 files: a.py and b.py"),
        (
            [revision("a"), revision("b", "a"), revision("c", "a")],
            "unexpected-heads",
            "b (b.py) and c (c.py), each following a",
        ),
        ([revision("b", "gone")], "missing-parent", "a.py follows revision 'gone'"),
        ([revision("a", "")], "missing-parent", "follows revision ''"),
        ([revision("a", "a")], "cycle", "a -> a (in a.py)"),
        ([revision("a", "c"), revision("b", "a"), revision("c", "b")], "cycle", "in a circle: "),
        ([revision("a", None, more="depends_on = 'b'"), revision("b", "a")], "cycle", "(in "),
        ([revision("a" * 33)], "id-too-long", "has 33 characters; the version table holds 32"),
        ([revision("a-b")], "id-not-allowed", "-"),
        ([revision("")], "id-not-allowed", "is empty"),
        (
            [revision("a", more="branch_labels='l'"), revision("b", "a", more="branch_labels='l'")],
            "label-clash",
            "b.py",
        ),
        ([revision("a", more="branch_labels='b'"), revision("b", "a")], "label-clash", "is the revision id of b.py"),
        ([revision("a", more="branch_labels='a'")], "label-clash", "'a'"),
        ([revision("a", more="branch_labels=('l', 'l')")], "label-clash", "'l'"),
        ([revision("a", more="depends_on='nobody'")], "unknown-dependency", "depends on 'nobody'"),
        (["revision='a'\ndown_revision=None\n"], "no-upgrade", "a.py has no function `upgrade`"),
        ([], "no-revisions", "no revision file yet"),
    ],
)
def test_each_fault_of_a_history_is_told_by_name(sources: list[str], code: str, words: str) -> None:
    """One problem for one cause, with the files."""
    found = graph(*sources).problems()
    assert code in codes(found)
    problem = next(each for each in found if each.code == code)
    assert words in problem.message
    assert problem.mend


def test_the_mend_of_a_missing_parent_knows_shortened_ids_and_labels() -> None:
    """Alembic's command line takes both; its files take neither, and fail with a bare KeyError."""
    short = graph(revision("abcdef"), revision("b", "abcd")).problems()
    assert (codes(short), "'abcdef'" in short[0].mend) == (["missing-parent"], True)
    label = graph(revision("a", more="branch_labels = 'left'"), revision("b", "left@head")).problems()
    assert (codes(label), "is a branch label" in label[0].mend) == (["missing-parent"], True)


def test_a_circle_between_a_base_and_a_head_is_seen() -> None:
    """Alembic walks right through this one."""
    found = graph(revision("a"), revision("b", ("a", "c")), revision("c", "b"), revision("d", "c")).problems()
    assert codes(found) == ["cycle"]
    assert found[0].message in (
        "Revisions follow each other in a circle: b -> c -> b (in b.py and c.py).",
        "Revisions follow each other in a circle: c -> b -> c (in c.py and b.py).",
    )


def test_heads_may_be_declared_by_number_id_or_label() -> None:
    """Two branches by design: declared, they are no fault; declared wrongly, they are."""
    two = graph(revision("a", more="branch_labels='left'"), revision("b", more="branch_labels='right'"))
    for heads in (2, ["a", "b"], ["left", "right"], ["left", "b"]):
        assert two.problems(heads) == [], heads
    for wrong in (1, 3, ["a"], ["left"], ["a", "b", "c"], ["a", "nobody"]):
        assert codes(two.problems(wrong)) == ["unexpected-heads"], wrong


def test_a_wider_version_column_is_honoured() -> None:
    """env.py may widen it; then the limit is its own."""
    assert graph(revision("a" * 40)).problems(id_limit=64) == []


def test_only_the_cause_is_reported_when_a_file_cannot_be_read() -> None:
    """What a broken file may hold is not reported as missing on top, and heads are not counted."""
    broken = revisions.Problem(
        "does-not-parse", "b.py, line 3: does not parse: invalid syntax.", "Correct it.", ("b.py",)
    )
    found = revisions.Graph([parsed(revision("c", "b"))], [broken]).problems()
    assert codes(found) == ["does-not-parse"]


def test_computed_labels_matter_only_where_a_label_is_asked_for() -> None:
    """A label that a module supplies hides neither the revision nor, unnoticed, what may depend on it."""
    labelled = revision("a", more="branch_labels = (cli.EXPAND,)")
    found = graph(labelled)
    assert (found.heads, found.problems()) == (("a",), [])
    asked = graph(labelled, revision("b", "a", more="depends_on = 'expand'")).problems()
    assert sorted((each.code, each.severity) for each in asked) == [
        ("computed", "warning"),
        ("unknown-dependency", "error"),
    ]


def test_computed_dependencies_are_a_warning() -> None:
    """What has to come first can't be known then."""
    found = graph(revision("a", more="depends_on = cli.FIRST")).problems()
    assert [(each.code, each.severity) for each in found] == [("computed", "warning")]


@pytest.mark.parametrize("label", ["branch_labels = '{}'", "branch_labels = (cli.{},)"])
def test_heads_on_branches_with_labels_of_their_own_are_meant(label: str) -> None:
    """Expand and contract: not declared is worth a word, and no error."""
    start = revision("a")
    expand = [revision("e1", "a", more=label.format("expand")), revision("e2", "e1")]
    contract = [revision("c1", "a", more=label.format("contract")), revision("c2", "c1", more="depends_on = 'e2'")]
    found = graph(start, *expand, *contract).problems()
    assert [(each.code, each.severity) for each in found] == [("unexpected-heads", "warning")]
    assert "heads: 2" in found[0].mend


def test_a_second_head_inside_a_labelled_branch_is_not_meant() -> None:
    """Two people added to one branch: that one label cannot stand for both."""
    expand = [revision("e1", "a", more="branch_labels = 'expand'"), revision("e2", "e1"), revision("e3", "e1")]
    contract = [revision("c1", "a", more="branch_labels = 'contract'")]
    found = graph(revision("a"), *expand, *contract).problems()
    assert [(each.code, each.severity) for each in found] == [("unexpected-heads", "error")]


def test_an_outline_is_what_the_whole_reading_says() -> None:
    """Both readers agree on operations, states and imports; the outline's revision reads rows when it is asked."""
    source = revision("a", up="op.bulk_insert(t, [{}])\n    op.execute('DELETE FROM x')", down_body="raise OSError")
    file = revision_file.File("/f/a.py", "a.py", source.encode())
    outline, whole = revision_file.read_outline(file), revision_file.read_whole(file)
    assert isinstance(outline, revisions.Revision) and isinstance(whole, revisions.Revision)
    for name in ("upgrade", "downgrade", "upgrade_state", "downgrade_state", "imports", "opaque"):
        assert getattr(outline.outline, name) == getattr(whole.body, name)
    assert outline.operations == ("bulk_insert", "execute")
    assert outline.body.data == whole.body.data != ()


def test_operations_belong_to_the_batch_around_them() -> None:
    """Autogenerate calls every batch of a file `batch_op`."""
    source = """
revision = "0001"
down_revision = None


def upgrade():
    with op.batch_alter_table("items") as batch_op:
        batch_op.alter_column("name", nullable=False)

    with op.batch_alter_table("orders", schema="shop") as batch_op:
        batch_op.drop_index(batch_op.f("ix_orders"))
"""
    read = revisions.parse(source, "0001.py")

    assert [(each.name, each.table) for each in read.outline.upgrade] == [
        ("alter_column", "items"),
        ("drop_index", "shop.orders"),
    ]
