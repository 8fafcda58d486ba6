"""A baseline makes what `metadata.create_all()` makes: what autogenerate loses is written out, or told by name."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from stillroom.runtime import faults
from stillroom.runtime.generation import plain_models
from tests.conftest import NewDatabase
from tests.support import asking, projects
from tests.support.postgres import Database

_ALWAYS = "include_schemas=True, render_item=lambda *a: False"
"""With a hook of `env.py` that says nothing the models are asked, also where they are plain."""


@pytest.fixture(scope="module")
def ask() -> Iterator[asking.Asker]:
    """The runtime on this machine."""
    asker = asking.Asker()
    yield asker
    asker.close()


@pytest.fixture
def database(new_database: NewDatabase) -> Database:
    """An empty database."""
    return new_database()


def _columns(name: str, *columns: str) -> str:
    return projects.table(name, *(f"c{number} = mapped_column({text})" for number, text in enumerate(columns)))


_PLAIN = {
    "numbers": _columns(
        "t",
        "sa.Integer",
        "sa.BigInteger",
        "sa.SmallInteger",
        "sa.Numeric",
        "sa.Numeric(10, 2)",
        "sa.Float",
        "sa.Float(53)",
        "sa.Float(10)",
        "sa.REAL",
        "postgresql.DOUBLE_PRECISION",
        "sa.Numeric(10)",
    ),
    "texts": _columns(
        "t",
        "sa.String",
        "sa.String(20)",
        "sa.Text",
        "sa.Unicode(3)",
        "sa.UnicodeText",
        "sa.CHAR(3)",
        "sa.VARCHAR(7)",
        "sa.Text, comment='it is: 50% \\\"of\\\" o\\'clock'",
    ),
    "times": _columns("t", "sa.Date", "sa.DateTime", "sa.DateTime(timezone=True)", "sa.Time", "sa.Time(timezone=True)"),
    "others": _columns(
        "t",
        "sa.Boolean",
        "sa.LargeBinary",
        "sa.JSON",
        "postgresql.JSONB",
        "sa.Uuid",
        "postgresql.UUID",
        "postgresql.UUID(as_uuid=False)",
        "postgresql.INET",
        "postgresql.CIDR",
        "postgresql.MACADDR",
        "postgresql.TSVECTOR",
        "postgresql.BYTEA",
        "postgresql.INT4RANGE",
        "postgresql.TSTZRANGE",
        "postgresql.DATERANGE",
        "postgresql.JSON",
        "postgresql.INT8RANGE",
        "postgresql.NUMRANGE",
        "postgresql.TSRANGE",
        "sa.JSON(none_as_null=True)",
    ),
    "arrays": _columns(
        "t",
        "postgresql.ARRAY(sa.Text)",
        "postgresql.ARRAY(sa.Integer, dimensions=2)",
        "postgresql.ARRAY(sa.Numeric(9, 3))",
    ),
    "enums": "Mood = sa.Enum('sad', 'it is: ok', \"o'clock\", name='mood')\n"
    + _columns(
        "a", "Mood", "postgresql.ENUM('x', 'y', name='letter')", "postgresql.ARRAY(Mood)", "Mood, server_default='sad'"
    )
    + _columns(
        "b", "Mood", "sa.Enum('s', name='size', schema='depot')", "postgresql.ENUM('q', name='new', create_type=False)"
    )
    + projects.table("c", schema="depot"),
    "python_enum": "class Kind(enum.Enum):\n    a = 1\n    b = 2\n" + projects.table("t", "kind: Mapped[Kind]"),
    "defaults": _columns(
        "t",
        "sa.Text, server_default='x'",
        'sa.Text, server_default="o\'clock 50% :x"',
        "sa.Text, server_default=text(\"'a'\")",
        "sa.DateTime(timezone=True), server_default=func.now()",
        "sa.Integer, server_default='3'",
        "sa.Boolean, server_default='false'",
        "postgresql.UUID, server_default=text('gen_random_uuid()')",
        "postgresql.UUID, server_default=func.gen_random_uuid()",
        "postgresql.JSONB, server_default=text(\"'{}'::jsonb\")",
        "postgresql.JSONB, server_default='{}'",
        "sa.DateTime, server_default=text('CURRENT_TIMESTAMP')",
        "sa.Integer, default=3, onupdate=4",
        "sa.DateTime, server_default=func.timezone('utc', func.now())",
        "postgresql.ARRAY(sa.Text), server_default='{}'",
    ),
    "keys": projects.table(
        "a",
        "b: Mapped[int | None] = mapped_column(ForeignKey('b.id', ondelete='CASCADE', onupdate='SET NULL'))",
        "up: Mapped[int | None] = mapped_column(ForeignKey('a.id'), index=True)",
        "code: Mapped[str] = mapped_column(unique=True)",
    )
    + projects.table("b", "name: Mapped[str] = mapped_column(index=True, unique=True)")
    + "\nLink = sa.Table('link', Base.metadata, sa.Column('a', ForeignKey('a.id'), primary_key=True),"
    " sa.Column('b', ForeignKey('b.id', name='link_b', deferrable=None), primary_key=True))\n"
    + projects.table("far", "n: Mapped[int]", schema="depot")
    + projects.table("near", "far: Mapped[int] = mapped_column(ForeignKey('depot.far.id'))"),
    "cycle": projects.table("aa", "b: Mapped[int | None] = mapped_column(ForeignKey('bb.id'))")
    + projects.table("bb", "a: Mapped[int | None] = mapped_column(ForeignKey('aa.id'))"),
    "constraints": projects.table(
        "t",
        "a: Mapped[int] = mapped_column(sa.CheckConstraint('a > 0', name='positive'), sa.CheckConstraint('a < 100'))",
        "b: Mapped[int] = mapped_column(sa.CheckConstraint('b > 0 OR b < a'))",
        "c: Mapped[str]",
        "__table_args__ = (sa.CheckConstraint('b <> 4'), sa.CheckConstraint('b <> 3'), sa.CheckConstraint('a < b'),"
        " sa.CheckConstraint('a <> b'), sa.CheckConstraint(\"c <> 'it is; x'\", name='no_it'),"
        " sa.CheckConstraint(r\"c ~ '^\\+[0-9]'\", name='digits'),"
        " sa.UniqueConstraint('a', 'b'), sa.UniqueConstraint('b', 'a', name='both'),"
        " {'comment': 'it is: 50% \\\"of\\\" all'})",
    ),
    "indexes": projects.table(
        "t",
        "a: Mapped[int]",
        "b: Mapped[str | None]",
        "c: Mapped[dict[str, Any]] = mapped_column(postgresql.JSONB)",
        "__table_args__ = (sa.Index('i1', 'a', 'b'),"
        " sa.Index('i2', 'b', unique=True, postgresql_where=text('b IS NOT NULL')),"
        " sa.Index('i3', 'c', postgresql_using='gin'))",
    ),
    "conventions": "Base.metadata.naming_convention = {'ix': 'ix_%(column_0_label)s',"
    " 'uq': 'uq_%(table_name)s_%(column_0_name)s',"
    " 'ck': 'ck_%(table_name)s_%(constraint_name)s', 'pk': 'pk_%(table_name)s',"
    " 'fk': 'fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s'}\n"
    + projects.table(
        "t",
        "a: Mapped[int] = mapped_column(sa.CheckConstraint('a > 0', name='positive'), unique=True)",
        "b: Mapped[int | None] = mapped_column(ForeignKey('t.id'), index=True)",
        "__table_args__ = (sa.CheckConstraint('b <> a', name='differ'), sa.UniqueConstraint('b', 'a'))",
    ),
    "names": _columns(
        "order", "'User', sa.Integer", "'select', sa.Text, index=True", "'with space', sa.Integer, unique=True"
    )
    + _columns("MixedCase", "sa.Integer, sa.CheckConstraint('c0 > 0', name='Big One')")
    + projects.table("Zähler", "größe: Mapped[int]"),
    "columns_first": "class Stamped:\n"
    "    made: Mapped[datetime.datetime] = mapped_column(server_default=func.now(), sort_order=99)\n"
    "class T(Stamped, Base):\n    __tablename__ = 't'\n    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)\n"
    "    kind: Mapped[str]\n    __mapper_args__ = {'polymorphic_on': 'kind'}\n"
    "class U(T):\n    __tablename__ = 'u'\n    id: Mapped[uuid.UUID] = mapped_column(ForeignKey('t.id'), primary_key=True)\n"
    "    price: Mapped[decimal.Decimal]\n",
    "serials": "a = sa.Table('a', Base.metadata, sa.Column('id', sa.BigInteger, primary_key=True))\n"
    "b = sa.Table('b', Base.metadata, sa.Column('id', sa.SmallInteger, primary_key=True))\n"
    "c = sa.Table('c', Base.metadata, sa.Column('x', sa.Integer, primary_key=True),"
    " sa.Column('y', sa.Integer, primary_key=True))\n"
    "d = sa.Table('d', Base.metadata, sa.Column('x', sa.Text))\n"
    f"e = sa.Table('{'e' * 50}', Base.metadata, sa.Column('{'f' * 40}', sa.Integer, primary_key=True))\n",
}


@pytest.fixture
def metadata_of(monkeypatch: pytest.MonkeyPatch) -> Callable[[projects.Made], Any]:
    """Imports a service's models into this process."""

    def metadata(shop: projects.Made) -> Any:
        spec = importlib.util.spec_from_file_location("models_of_shop", shop.path / "app" / "models.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        # SQLAlchemy looks annotations up there.
        monkeypatch.setitem(sys.modules, "models_of_shop", module)
        spec.loader.exec_module(module)
        return module.Base.metadata

    return metadata


@pytest.mark.parametrize("models", _PLAIN.values(), ids=_PLAIN)
def test_what_counts_as_plain_is_written_out_whole(
    ask: asking.Asker,
    tmp_path: Path,
    database: Database,
    metadata_of: Callable[[projects.Made], Any],
    models: str,
) -> None:
    """What the quick look lets pass is made alike by the baseline and by `create_all`."""
    shop = projects.make_service(tmp_path / "shop", models=models, configure=_ALWAYS)
    assert plain_models.plain([metadata_of(shop)])
    made, heard = ask.heard(shop, database.asyncpg, "generate")
    assert "models" in made["proof"]
    assert heard.warnings == []


_MORE = {
    "computed": _columns("t", "sa.Integer", "sa.Integer, sa.Computed('c0 * 2', persisted=True)"),
    "identity": _columns(
        "t",
        "sa.Integer, sa.Identity()",
        "sa.BigInteger, sa.Identity(always=True, start=10, increment=5, cycle=True, cache=7)",
    ),
    "sequence": "S = sa.Sequence('numbers', start=5, increment=2, metadata=Base.metadata)\n"
    "D = sa.Sequence('far_numbers', schema='depot', data_type=sa.SmallInteger, metadata=Base.metadata)\n"
    + _columns(
        "t", "sa.Integer, S, server_default=S.next_value()", "sa.Integer, D", "sa.Integer, sa.Sequence('x', cache=3)"
    )
    + projects.table("far", schema="depot"),
    "rare types": _columns(
        "t",
        "postgresql.TIMESTAMP(timezone=True, precision=3)",
        "postgresql.INTERVAL(fields='DAY TO SECOND')",
        "sa.Interval",
        "postgresql.BIT(3)",
        "postgresql.BIT(varying=True)",
        "postgresql.OID",
        "postgresql.TSQUERY",
        "postgresql.MACADDR8",
        "sa.String(10, collation='C')",
        "sa.JSON().with_variant(postgresql.JSONB(), 'postgresql')",
    ),
    "exclude": projects.table(
        "t",
        "r = mapped_column(postgresql.TSTZRANGE)",
        "__table_args__ = (postgresql.ExcludeConstraint(('r', '&&'), using='gist', name='no_overlap',"
        " where=text('NOT isempty(r)'), deferrable=True, initially='DEFERRED'),)",
    ),
    "nulls not distinct": projects.table(
        "t",
        "a: Mapped[int | None]",
        "b: Mapped[int | None]",
        "__table_args__ = (sa.UniqueConstraint('a', name='ua', postgresql_nulls_not_distinct=True),"
        " sa.Index('ib', 'b', unique=True, postgresql_nulls_not_distinct=True))",
    ),
    "deferrable": projects.table(
        "t",
        "a: Mapped[int] = mapped_column(ForeignKey('t.id', deferrable=True, initially='DEFERRED', match='FULL'))",
        "__table_args__ = (sa.UniqueConstraint('a', name='ua', deferrable=True, initially='IMMEDIATE'),)",
    ),
    "table options": "p = sa.Table('p', Base.metadata, sa.Column('day', sa.Date, primary_key=True),"
    " postgresql_partition_by='RANGE (day)')\n"
    + projects.table("t", "__table_args__ = {'prefixes': ['UNLOGGED'], 'postgresql_with': {'fillfactor': 70}}"),
    "index options": projects.table(
        "t",
        "a: Mapped[str]",
        "b: Mapped[int]",
        "j = mapped_column(postgresql.JSONB)",
        "__table_args__ = (sa.Index('i1', 'a', postgresql_include=['b']),"
        " sa.Index('i5', 'a', postgresql_with={'fillfactor': 50}),"
        " sa.Index('i2', 'a', postgresql_ops={'a': 'text_pattern_ops'}), sa.Index('i4', text('lower(a)')),"
        " sa.Index('i3', 'j', postgresql_using='gin', postgresql_ops={'j': 'jsonb_path_ops'}))",
    )
    + "\nsa.Index('i6', func.lower(T.a))\nsa.Index('i7', T.b.desc())\n"
    "sa.Index('i8', T.a, unique=True, postgresql_where=(T.b > 3))\n",
    "enum of the table's schema": "import warnings\nwarnings.simplefilter('ignore')\n"
    + projects.table(
        "t", "k = mapped_column(sa.Enum('q', name='ek', inherit_schema=True), nullable=True)", schema="depot"
    ),
    "enum as text": _columns(
        "t",
        "sa.Enum('a', 'bcd', name='e', native_enum=False)",
        "sa.Enum('a', 'b', name='ec', native_enum=False, create_constraint=True)",
        "sa.Boolean(create_constraint=True)",
    ),
    "forced quotes": "t = sa.Table(sa.sql.quoted_name('plain', True), Base.metadata,"
    " sa.Column('id', sa.Integer, primary_key=True),"
    " sa.Column('Ab', sa.Integer, quote=True), sa.Column('per%cent', sa.Integer), sa.Column('col:on', sa.Integer),"
    " sa.Column('par(en)', sa.Integer), sa.Column(\"it's\", sa.Integer))\n",
    "decorators": "class D(sa.types.TypeDecorator):\n    impl = sa.String(12)\n    cache_ok = True\n"
    "class E(sa.types.TypeDecorator):\n    impl = sa.Enum('a', 'b', name='e')\n    cache_ok = True\n"
    "class C(sa.types.TypeDecorator):\n    impl = sa.Enum('a', native_enum=False, create_constraint=True, name='ek')\n"
    "    cache_ok = True\n" + _columns("t", "D", "E", "C"),
    "rare defaults": _columns(
        "t",
        "sa.Boolean, server_default=sa.true()",
        "sa.Integer, server_default=sa.literal_column('3')",
        "sa.Text, server_default=sa.literal('x')",
        "sa.Integer, server_default=sa.FetchedValue()",
        "sa.Text, server_default=sa.null()",
        "sa.Text, server_default=text(r\"E'a\\nb'\")",
    ),
    "keys by hand": projects.table(
        "a", "b: Mapped[int | None] = mapped_column(ForeignKey('b.id', use_alter=True, name='later'))"
    )
    + projects.table("b", "a: Mapped[int | None] = mapped_column(ForeignKey('a.id', use_alter=True))")
    + "\nT = sa.Table('t', Base.metadata, sa.Column('x', sa.Integer, primary_key=True, autoincrement=True),"
    " sa.Column('y', sa.Integer, primary_key=True, autoincrement=False))\n",
    "long names": "Base.metadata.naming_convention = {'fk': 'fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s',"
    " 'ix': 'ix_%(table_name)s_%(column_0_N_name)s', 'ck': 'ck_%(table_name)s_%(constraint_name)s'}\n"
    + projects.table(
        "t" * 45,
        f"{'x' * 40}: Mapped[int | None] = mapped_column(ForeignKey('{'t' * 45}.id'),"
        f" sa.CheckConstraint('{'x' * 40} > 0', name='must_be_positive_indeed'), index=True)",
    ),
    "check expressions": projects.table("t", "a: Mapped[int]", "s: Mapped[str]")
    + "\nfor each in (sa.CheckConstraint(T.a > 3, name='a3'), sa.CheckConstraint(T.s.like('a%'), name='sl'),"
    " sa.CheckConstraint(T.s.in_(['a', 'b:c']))):\n    T.__table__.append_constraint(each)\n",
    "check texts": projects.table("t", "s: Mapped[str]")
    + "\nfor each in (sa.CheckConstraint(\"s LIKE 'b%'\", name='sb'), sa.CheckConstraint(\"s <> 'x\\\\:y'\")):\n"
    "    T.__table__.append_constraint(each)\n",
    "events elsewhere": projects.table("t", "a: Mapped[int]")
    + "\nsa.event.listen(T.__table__, 'after_create', sa.DDL('SELECT no()').execute_if(dialect='sqlite'))\n",
}


_PLAIN_AS_WELL = {
    "computed",
    "identity",
    "nulls not distinct",
    "deferrable",
    "enum of the table's schema",
    "index options",
    "keys by hand",
    "check expressions",
    "long names",
}


@pytest.mark.parametrize("name", _MORE)
def test_what_is_written_out_whole_is_no_difference(
    ask: asking.Asker,
    tmp_path: Path,
    database: Database,
    metadata_of: Callable[[projects.Made], Any],
    name: str,
) -> None:
    """No false alarm: what is asked of the models is made alike, whoever names it and in whatever order it comes."""
    shop = projects.make_service(tmp_path / "shop", models=_MORE[name], configure=_ALWAYS)
    assert plain_models.plain([metadata_of(shop)]) == (name in _PLAIN_AS_WELL)
    made, heard = ask.heard(shop, database.asyncpg, "generate")
    assert "models" in made["proof"]
    assert heard.warnings == []


_EVENT = "\nsa.event.listen({on}, 'after_create', sa.DDL({sql!r}))\n"
_LOST = {
    "interval": (_columns("t", "sa.Interval(second_precision=3)"), ["column:public.t.c0"]),
    "deferrable key": (
        "t = sa.Table('t', Base.metadata, sa.Column('id', sa.Integer),"
        " sa.PrimaryKeyConstraint('id', name='tpk', deferrable=True, initially='DEFERRED'))\n",
        ["constraint:public.t.tpk"],
    ),
    "comment": (
        projects.table("t", "__table_args__ = (sa.CheckConstraint('id > 0', name='ca', comment='why'),)"),
        ["comment:table constraint ca on public.t"],
    ),
    "index by an event": (
        projects.table("t") + _EVENT.format(on="T.__table__", sql="CREATE INDEX byevent ON t (id)"),
        ["index:public.byevent"],
    ),
    "trigger by an event": (
        projects.table("t")
        + _EVENT.format(
            on="Base.metadata", sql="CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RETURN NEW; END$$"
        )
        + _EVENT.format(
            on="Base.metadata", sql="CREATE TRIGGER tr BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION f()"
        ),
        ["function:public.f()", "trigger:public.t.tr"],
    ),
    "unused enum": (
        "E = sa.Enum('a', 'b', name='e', metadata=Base.metadata)\n" + projects.table("t"),
        ["type:public.e"],
    ),
    "compiles": (
        "from sqlalchemy.ext.compiler import compiles\n@compiles(sa.schema.CreateColumn, 'postgresql')\n"
        "def _(element, compiler, **kw):\n    text = compiler.visit_create_column(element, **kw)\n"
        "    return text + ' NOT NULL' if element.element.info.get('hard') else text\n"
        + _columns("t", "sa.Integer, info={'hard': True}"),
        ["column:public.t.c0"],
    ),
}


@pytest.mark.parametrize(("models", "names"), _LOST.values(), ids=_LOST)
def test_what_autogenerate_loses_is_told_by_name(
    ask: asking.Asker, tmp_path: Path, database: Database, models: str, names: list[str]
) -> None:
    """With both definitions in the detail; by its name it can be given up."""
    shop = projects.make_service(tmp_path / "shop", models=models)
    with pytest.raises(faults.JudgedFault) as caught:
        ask(shop, database.asyncpg, "generate")
    assert caught.value.code == "baseline-differs-from-models"
    assert caught.value.data["names"] == names
    assert all(f"--accept-loss '{name}'" in caught.value.mend for name in names)
    assert "models:" in caught.value.detail
    assert "baseline:" in caught.value.detail
    _, heard = ask.heard(shop, database.asyncpg, "generate", accept_loss=names)
    assert len(heard.warnings) == 1
    assert names[0] in heard.warnings[0]


@pytest.mark.parametrize(
    ("event", "reason"),
    [("sa.DDL('SELECT no_such()')", "no_such"), ("lambda target, connection, **kw: connection.commit()", "commits")],
)
def test_models_that_can_not_be_asked_are_a_warning(
    ask: asking.Asker, tmp_path: Path, database: Database, event: str, reason: str
) -> None:
    """Where `create_all` fails nothing is judged, and the database stays as the proof needs it."""
    models = projects.table("t") + f"\nsa.event.listen(T.__table__, 'after_create', {event})\n"
    _, heard = ask.heard(projects.make_service(tmp_path / "shop", models=models), database.asyncpg, "generate")
    assert [reason in each for each in heard.warnings] == [True]


def test_in_place_only_what_is_owned_is_held_against_the_models(
    ask: asking.Asker, tmp_path: Path, database: Database
) -> None:
    """What others have in the same database is none of the models' business, and stays."""
    database.execute("CREATE SCHEMA a; CREATE SCHEMA b; CREATE TABLE b.theirs AS SELECT 1 AS n")
    models = "E = sa.Enum('x', name='e', schema='a')\n" + projects.table(
        "t", "n = mapped_column(sa.Integer, sa.Identity())", "e: Mapped[str] = mapped_column(E)", schema="a"
    )
    configure = f"{_ALWAYS}, include_name=lambda n, t, p: n == 'a' if t == 'schema' else True"
    shop = projects.make_service(tmp_path / "shop", models=models, configure=configure)
    facts = {"schemas": ["a"], "neighbours": ["other"]}
    made, heard = ask.heard(shop, database.asyncpg, "generate", reset_in_place=True, facts=facts)
    assert "models" in made["proof"]
    assert heard.warnings == []
    assert database.fetch("SELECT n FROM b.theirs") == [(1,)]


def test_plain_models_are_not_asked(ask: asking.Asker, tmp_path: Path, database: Database) -> None:
    """They cost nothing more."""
    shop = projects.make_service(tmp_path / "shop", models=_PLAIN["constraints"])
    assert "models" not in ask(shop, database.asyncpg, "generate")["proof"]


def test_indexes_that_env_leaves_out_are_no_difference(ask: asking.Asker, tmp_path: Path, database: Database) -> None:
    """`include_object` of env.py decides on what the baseline makes; and on its tables."""
    models = projects.table("t", "a: Mapped[int] = mapped_column(index=True)") + projects.table("elsewhere")
    left_out = (
        "include_object=lambda o, name, kind, r, c: name not in ('ix_t_a', 'elsewhere'), render_item=lambda *a: False"
    )
    shop = projects.make_service(tmp_path / "shop", models=models, configure=left_out)
    made, heard = ask.heard(shop, database.asyncpg, "generate")
    assert "models" in made["proof"]
    assert heard.warnings == []


def test_a_search_path_of_env_holds_for_the_models(ask: asking.Asker, tmp_path: Path, database: Database) -> None:
    """What `env.py` sets on its connection leads the models' tables to the same schema."""
    env = projects.ENV.replace(
        "def run_on(connection):\n",
        "def run_on(connection):\n    connection.exec_driver_sql('CREATE SCHEMA IF NOT EXISTS tenant')\n"
        "    connection.exec_driver_sql('SET search_path TO tenant')\n    connection.commit()\n"
        "    connection.dialect.default_schema_name = 'tenant'\n",
    )
    shop = projects.make_service(
        tmp_path / "shop",
        env=env,
        models=_PLAIN["constraints"],
        configure="version_table_schema='public', render_item=lambda *a: False",
    )
    database.execute("SELECT 1")
    made, heard = ask.heard(shop, database.asyncpg, "generate")
    assert "models" in made["proof"]
    assert heard.warnings == []


def test_checks_of_new_columns_come_with_them(ask: asking.Asker, tmp_path: Path, database: Database) -> None:
    """In a revision they are added after the column, under the names that PostgreSQL would give, and dropped again."""
    first = _columns("t", "sa.Integer, sa.CheckConstraint('c0 > 0', name='positive'), sa.CheckConstraint('c0 < 9')")
    more = first + (
        "    d: Mapped[int] = mapped_column(sa.CheckConstraint('d > 0'), sa.CheckConstraint('d > c0'))\n"
        "    e: Mapped[str] = mapped_column(sa.CheckConstraint(\"e <> 'it:x'\", name='no_it'))\n"
        "    __table_args__ = (sa.CheckConstraint(\"e <> 'd'\", name='no_d'), sa.CheckConstraint('c0 <> 4', name='old'))\n"
    )
    shop = projects.make_service(tmp_path / "shop", models=first)
    made = ask(shop, database.asyncpg, "generate")
    shop.write(f"migrations/versions/{made['file']['name']}", made["file"]["content"])
    assert "sa.CheckConstraint('c0 > 0', name='positive')" in made["file"]["content"]
    assert any("positive" in each for each in made["mended"])
    shop.write_models(more)
    added = ask(shop, database.asyncpg, "revision", message="more")
    checks = [line.partition(":")[0] for line in added["difference"] if "constraint" in line]
    assert checks == [f"+ constraint public.t.{name}" for name in ("no_d", "no_it", "old", "t_check", "t_d_check")]
    assert added["file"]["content"].count("op.drop_constraint(") == 5


def test_what_the_old_history_has_of_it_is_carried_over(ask: asking.Asker, tmp_path: Path, database: Database) -> None:
    """An index that only an event of the models makes, and a hand-written step of the old history."""
    index = "CREATE INDEX byevent ON t (id)"
    models = projects.table("t") + _EVENT.format(on="T.__table__", sql=index)
    shop = projects.make_service(tmp_path / "shop", models=models)
    refused = _refused(ask, shop, database)
    assert refused.code == "baseline-differs-from-models"
    made = ask(shop, database.asyncpg, "generate", accept_loss=["index:public.byevent"])
    source = made["file"]["content"].replace(
        "def downgrade() -> None:", f"    op.execute({index!r})\n\n\ndef downgrade() -> None:"
    )
    (shop.versions / made["file"]["name"]).write_text(source)
    carried = ask(shop, database.asyncpg, "generate", carry_over=True)
    assert "CREATE INDEX byevent" in carried["file"]["content"]
    assert "models" in carried["proof"]


def _refused(ask: asking.Asker, shop: projects.Made, database: Database) -> faults.Fault:
    with pytest.raises(faults.Fault) as caught:
        ask(shop, database.asyncpg, "generate")
    return caught.value
