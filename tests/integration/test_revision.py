"""`revision` at the service's side: one more revision, made and proven from where the history ends."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from stillroom.runtime import faults
from stillroom.runtime.connections import connection
from stillroom.runtime.reading import kinds, known_sql
from stillroom.runtime.schema import catalog
from tests.conftest import NewDatabase
from tests.support import asking, projects
from tests.support.postgres import Database

FIRST = projects.revision(
    "0001",
    upgrade="""
    op.create_table(
        'product', sa.Column('id', sa.Integer, primary_key=True), sa.Column('name', sa.String, nullable=False)
    )
    """,
    downgrade="op.drop_table('product')",
)
PRODUCT = projects.table("product", "name: Mapped[str]")
WITH_NOTE = projects.table("product", "name: Mapped[str]", "note: Mapped[str | None]")
KINDS = """
class Kind(enum.Enum):
    {labels}


class Product(Base):
    __tablename__ = "product"
    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[Kind] = mapped_column(server_default=text("'bread'"))
"""


@pytest.fixture(scope="module")
def ask() -> Iterator[asking.Asker]:
    """Asks for operations."""
    asker = asking.Asker()
    yield asker
    asker.close()


@pytest.fixture
def database(new_database: NewDatabase) -> Database:
    """The service's own database; it stays empty."""
    return new_database()


@pytest.fixture
def shop(tmp_path: Path) -> projects.Made:
    """A service whose one revision makes what its model says."""
    return projects.make_service(tmp_path / "shop", models=PRODUCT, history=[FIRST])


def revise(ask: asking.Asker, service: projects.Made, database: Database, **options: Any) -> dict[str, Any]:
    """Asks for a revision, and puts its file where the operator side would."""
    made = ask(service, database.asyncpg, "revision", **{"message": "more", **options})
    if made["file"]:
        service.write(f"migrations/versions/{made['file']['name']}", made["file"]["content"])
    return made


def fault_of(ask: asking.Asker, service: projects.Made, database: Database, **options: Any) -> faults.Fault:
    """What a revision is answered with."""
    with pytest.raises(faults.Fault) as raised:
        ask(service, database.asyncpg, "revision", **options)
    return raised.value


def items(database: Database) -> list[str]:
    """What is in a database."""
    snapshot = connection.run(database.psycopg, catalog.snapshot)
    return [str(item) for item in snapshot.all if item.kind in ("table", "type", "schema")]


def test_a_new_column(ask: asking.Asker, shop: projects.Made, database: Database) -> None:
    """A column that the model has gained comes as one revision that follows the last; the database is not touched."""
    shop.write_models(WITH_NOTE)
    before = items(database)

    made = ask(shop, database.asyncpg, "revision", message="A note")

    content = made["file"]["content"]
    assert (made["unchanged"], made["follows"], made["tables"], made["operations"]) == (False, "0001", 1, 1)
    assert made["file"]["name"] == f"{made['revision']}_a_note.py"
    assert made["file"]["sha256"] == hashlib.sha256(content.encode()).hexdigest()
    assert "down_revision = '0001'" in content
    assert "op.add_column('product', sa.Column('note', sa.String(), nullable=True))" in content
    assert (made["drops"], made["renames"]) == ([], [])
    assert made["difference"] == ["+ column public.product.note: character varying"]
    assert set(made["proof"]) == {"upgrade", "diff", "downgrade", "again"}
    assert items(database) == before
    assert shop.history == {"0001_.py": FIRST.text}


def test_what_rows_may_break_is_warned_of(ask: asking.Asker, shop: projects.Made, database: Database) -> None:
    """The proof runs on empty tables: NOT NULL without a default is told by table, column and mend; a new table is not."""
    columns = ("name: Mapped[str]", "code: Mapped[int]", "size: Mapped[int] = mapped_column(server_default='1')")
    unique = "label: Mapped[str] = mapped_column(unique=True)"
    shop.write_models(projects.table("product", *columns) + projects.table("shelf", unique))

    made, heard = ask.heard(shop, database.asyncpg, "revision")

    assert not made["unchanged"]
    assert heard.warnings == [
        "the new column product.code is NOT NULL without a default: fails where product has rows; "
        "the proof runs on empty tables"
    ]


def test_it_can_be_applied(ask: asking.Asker, shop: projects.Made, database: Database) -> None:
    """The revision goes on from a database at the old head, and afterwards the models say nothing new."""
    ask(shop, database.asyncpg, "upgrade")
    shop.write_models(WITH_NOTE)

    made = revise(ask, shop, database)

    assert ask(shop, database.asyncpg, "upgrade")["after"] == [made["revision"]]
    assert revise(ask, shop, database)["unchanged"]


def test_twice_is_the_same(ask: asking.Asker, shop: projects.Made, database: Database) -> None:
    """Id and bytes are derived from the content."""
    shop.write_models(WITH_NOTE)

    first, second = (ask(shop, database.asyncpg, "revision", message="A note") for _ in range(2))

    assert first["file"] == second["file"]


def test_no_changes(ask: asking.Asker, shop: projects.Made, database: Database) -> None:
    """Where the models say nothing new, there is no file."""
    made = ask(shop, database.asyncpg, "revision", message="nothing")

    assert (made["unchanged"], made["file"], made["operations"]) == (True, None, 0)


def test_a_drop_is_made_and_told(ask: asking.Asker, shop: projects.Made, database: Database) -> None:
    """What the models no longer have is dropped, and every drop is told, since its data go with it."""
    shop.add(
        projects.revision(
            "0002",
            "0001",
            upgrade="op.create_table('old', sa.Column('id', sa.Integer, primary_key=True))",
            downgrade="op.drop_table('old')",
        )
    )

    made, heard = ask.heard(shop, database.asyncpg, "revision", message="less")

    assert made["drops"] == ["drop_table old"]
    assert any("has drop_table old" in each for each in heard.warnings)
    assert "op.drop_table('old')" in made["file"]["content"]


def test_a_rename_is_recognised(ask: asking.Asker, shop: projects.Made, database: Database) -> None:
    """A renamed column is a drop and an add to autogenerate: that is said, with what to write instead."""
    shop.write_models(projects.table("product", "title: Mapped[str]"))

    made, heard = ask.heard(shop, database.asyncpg, "revision", message="title")

    assert made["drops"] == ["drop_column product.name"]
    assert made["renames"] == [
        "column public.product.name is dropped and public.product.title added, both character varying NOT NULL"
    ]
    assert any("both character varying" in each for each in heard.warnings)


def test_a_renamed_table_is_recognised(ask: asking.Asker, shop: projects.Made, database: Database) -> None:
    """A table that comes back under another name is told as what it looks like."""
    shop.write_models(projects.table("goods", "name: Mapped[str]"))

    made = ask(shop, database.asyncpg, "revision", message="goods")

    assert made["renames"] == ["table public.product is dropped and public.goods added, with the same columns"]


def test_an_enum_label_is_added(ask: asking.Asker, tmp_path: Path, database: Database) -> None:
    """A label more is `ADD VALUE`, which autogenerate does not see; the downgrade can't take it away, and may not fail."""
    service = projects.make_service(tmp_path / "shop", models=KINDS.format(labels='bread = "bread"'))
    baseline = ask(service, database.asyncpg, "generate", message="initial")
    service.write(f"migrations/versions/{baseline['file']['name']}", baseline["file"]["content"])
    ask(service, database.asyncpg, "upgrade")
    service.write_models(KINDS.format(labels='bread = "bread"\n    cake = "cake"'))

    made = revise(ask, service, database, message="cake")

    assert "ADD VALUE IF NOT EXISTS 'cake' AFTER 'bread'" in made["file"]["content"].replace("\\'", "'")
    assert any("the downgrade can't take it away" in each for each in made["mended"])
    assert made["difference"] == [
        "~ type public.kind: CREATE TYPE public.kind AS ENUM ('bread')"
        " -> CREATE TYPE public.kind AS ENUM ('bread', 'cake')"
    ]
    ask(service, database.asyncpg, "upgrade")
    assert database.fetch("SELECT unnest(enum_range(NULL::kind))::text") == [("bread",), ("cake",)]


def test_an_enum_label_taken_away_is_refused(ask: asking.Asker, tmp_path: Path, database: Database) -> None:
    """A label less can't be done in place: that is told by name, and nothing is made."""
    service = projects.make_service(tmp_path / "shop", models=KINDS.format(labels='bread = "bread"\n    cake = "cake"'))
    baseline = ask(service, database.asyncpg, "generate", message="initial")
    service.write(f"migrations/versions/{baseline['file']['name']}", baseline["file"]["content"])
    service.write_models(KINDS.format(labels='bread = "bread"'))

    fault = fault_of(ask, service, database)

    assert (fault.code, fault.kind) == ("enum-labels-removed", "judged")
    assert "cake" in fault.message


def test_a_new_enum_is_made_and_dropped(ask: asking.Asker, shop: projects.Made, database: Database) -> None:
    """A column with a new enum type makes the type, and the downgrade drops it again; the image before can live with it."""
    shop.write_models(
        'class Kind(enum.Enum):\n    bread = "bread"\n'
        + projects.table("product", "name: Mapped[str]", "kind: Mapped[Kind | None]")
    )

    content = ask(shop, database.asyncpg, "revision", message="kind")["file"]["content"]

    assert 'CREATE TYPE "kind" AS ENUM' in content
    assert 'DROP TYPE "kind"' in content
    assert kinds.of(content) == kinds.Kind("expand", "additive operations only")
    [dropping] = [number for number, line in enumerate(content.splitlines(), 1) if "DROP TYPE" in line]
    assert known_sql.lines_without_loss(content) == {dropping}


def test_a_history_that_fails(ask: asking.Asker, shop: projects.Made, database: Database) -> None:
    """Where the history itself fails on an empty database, that is told with its revision."""
    shop.add(projects.revision("0002", "0001", upgrade="op.drop_table('nowhere')"))

    fault = fault_of(ask, shop, database)

    assert fault.kind == "database"
    assert '"nowhere" does not exist' in fault.message
    assert "0002_.py" in fault.message


def test_no_history(ask: asking.Asker, tmp_path: Path, database: Database) -> None:
    """Without a history there is nothing to follow: `regenerate` makes the first."""
    fault = fault_of(ask, projects.make_service(tmp_path / "shop"), database)

    assert fault.code == "no-migrations"
    assert "invoke regenerate --service shop" in fault.mend


def test_heads_that_nobody_declared(ask: asking.Asker, shop: projects.Made, database: Database) -> None:
    """A history with another number of heads than the registry says is refused, with both files."""
    shop.add(projects.revision("0002a", "0001"), projects.revision("0002b", "0001"))

    fault = fault_of(ask, shop, database)

    assert fault.code == "unexpected-heads"
    assert "0002a_.py" in fault.message
    assert "0002b_.py" in fault.message


def test_heads_by_design(ask: asking.Asker, tmp_path: Path, database: Database) -> None:
    """With several heads declared, the new revision follows the one that is named; the other stays a head."""
    service = projects.make_service(
        tmp_path / "shop",
        models=WITH_NOTE,
        history=[FIRST, projects.revision("0002a", "0001", branch_labels=["a"]), projects.revision("0002b", "0001")],
        heads=2,
    )

    several = fault_of(ask, service, database)
    inner = fault_of(ask, service, database, head="0001")
    made = revise(ask, service, database, head="a@head")

    assert several.code == "several-heads"
    assert "--head" in several.mend
    assert inner.code == "not-a-head"
    assert made["follows"] == "0002a"
    assert ask(service, database.asyncpg, "upgrade")["after"] == sorted([made["revision"], "0002b"])
    assert revise(ask, service, database, head="0002b")["unchanged"]


def test_files_beside_a_revision_are_found(ask: asking.Asker, shop: projects.Made, database: Database) -> None:
    """A revision that reads a file beside itself does so here, too, and in a proof."""
    shop.write("migrations/versions/view.sql", "CREATE VIEW names AS SELECT name FROM product")
    shop.add(
        projects.revision(
            "0002",
            "0001",
            upgrade="import pathlib\nop.execute((pathlib.Path(__file__).parent / 'view.sql').read_text())",
            downgrade="op.execute('DROP VIEW names')",
        )
    )
    shop.write_models(WITH_NOTE)

    assert ask(shop, database.asyncpg, "revision", message="note")["follows"] == "0002"


def test_a_version_table_of_its_own(ask: asking.Asker, tmp_path: Path, database: Database) -> None:
    """Name and schema of the version table are env.py's."""
    service = projects.make_service(
        tmp_path / "shop",
        models=WITH_NOTE,
        history=[FIRST],
        configure="version_table='noted', version_table_schema='notes'",
    )

    assert ask(service, database.asyncpg, "revision", message="note")["operations"] == 1


def test_a_file_in_the_projects_own_naming(ask: asking.Asker, tmp_path: Path, database: Database) -> None:
    """The file's name follows `file_template`."""
    service = projects.make_service(
        tmp_path / "shop", models=WITH_NOTE, history=[FIRST], ini=projects.INI + "file_template = v_%%(rev)s\n"
    )

    made = ask(service, database.asyncpg, "revision", message="note")

    assert made["file"]["name"] == f"v_{made['revision']}.py"


HELPER = """
import os
from alembic import context
from sqlalchemy import create_engine

config = context.config


def run(metadata):
    config.set_main_option("names", "shop")
    if context.is_offline_mode():
        with open("shop.sql", "w") as buffer:
            context.configure(url=os.environ["{url_variable}"], target_metadata=metadata, output_buffer=buffer)
            with context.begin_transaction():
                context.run_migrations()
        return
    engine = create_engine(os.environ["{url_variable}"].replace("+asyncpg", "+psycopg"))
    with engine.connect() as connection:
        context.configure(connection=connection, target_metadata=metadata)
        with context.begin_transaction():
            context.run_migrations()
"""


def test_a_module_that_keeps_the_configuration(ask: asking.Asker, tmp_path: Path, database: Database) -> None:
    """What a module of env.py sets in the `context.config` that it was imported with, the template finds.

    And its offline mode, which writes a file, writes none here.
    """
    service = projects.make_service(
        tmp_path / "shop",
        models=WITH_NOTE,
        history=[FIRST],
        env="from app import helper\nfrom app.models import Base\n\nhelper.run(Base.metadata)\n",
        files={
            "app/helper.py": HELPER.replace("{url_variable}", "SHOP_DATABASE_URL"),
            "migrations/script.py.mako": projects.MAKO + "# for ${config.get_main_option('names').upper()}\n",
        },
    )
    ask(service, database.asyncpg, "preflight", database=True)

    made = ask(service, database.asyncpg, "revision", message="note")

    assert "# for SHOP" in made["file"]["content"]
    assert not (service.path / "shop.sql").exists()


@pytest.mark.parametrize(
    ("hook", "said"),
    [
        ("tidy.type = console_scripts\ntidy.entrypoint = nobody-has-this\n", "nobody-has-this"),
        ("tidy.type = exec\ntidy.executable = /nowhere/tidy\n", "/nowhere/tidy"),
        ("tidy.type = nonsense\n", "nonsense"),
    ],
)
def test_a_hook_that_is_not_installed(
    ask: asking.Asker, tmp_path: Path, database: Database, hook: str, said: str
) -> None:
    """A formatter that the ini file names and that this interpreter lacks costs a warning, not the revision."""
    ini = projects.INI + f"[post_write_hooks]\nhooks = tidy\n{hook}"
    service = projects.make_service(tmp_path / "shop", models=WITH_NOTE, history=[FIRST], ini=ini)

    made, heard = ask.heard(service, database.asyncpg, "revision", message="note")

    assert made["difference"] == ["+ column public.product.note: character varying"]
    assert [said in each for each in heard.warnings] == [True]


def test_a_hook_that_is_installed(ask: asking.Asker, tmp_path: Path, database: Database) -> None:
    """What a hook makes of the file is what arrives."""
    tidy = tmp_path / "tidy"
    tidy.write_text("#!/bin/sh\necho '# tidied' >> \"$1\"\n")
    tidy.chmod(0o755)
    ini = projects.INI + f"[post_write_hooks]\nhooks = tidy\ntidy.type = exec\ntidy.executable = {tidy}\n"
    service = projects.make_service(tmp_path / "shop", models=WITH_NOTE, history=[FIRST], ini=ini)

    made, heard = ask.heard(service, database.asyncpg, "revision", message="note")

    assert made["file"]["content"].endswith("# tidied\n")
    assert heard.warnings == []


def test_a_model_that_is_rendered_wrongly(ask: asking.Asker, shop: projects.Made, database: Database) -> None:
    """What the proof finds stops it: here a column that can't be added, since the default is no number."""
    shop.write_models(
        projects.table(
            "product", "name: Mapped[str]", "size: Mapped[int] = mapped_column(server_default=text(\"'large'\"))"
        )
    )

    fault = fault_of(ask, shop, database)

    assert (fault.code, fault.kind) == ("upgrade-fails", "judged")
    assert "on a database at 0001" in fault.message
    assert "large" in fault.message


CHECKED = r"""
op.create_table(
    'product', sa.Column('id', sa.Integer, primary_key=True), sa.Column('name', sa.String, nullable=False),
    sa.Column('size', sa.String, nullable=False), sa.Column('stock', sa.Integer, nullable=False),
    sa.CheckConstraint('stock > 0', name='dear'), sa.CheckConstraint('stock >= 0 AND stock < 10'),
    sa.CheckConstraint("size = ANY (ARRAY['s'::varchar, 'l'::varchar]::text[])", name='sizes'),
    sa.CheckConstraint(r"name ~ '^[[\:alpha\:] %%]+$'", name='letters')
)
"""
SAME = (
    "'stock > 0', name='dear'",
    "'(stock >= 0) and stock < 10', name='otherwise_called'",
    "\"size in ('s', 'l')\", name='sizes'",
    "r\"name ~ '^[[\\:alpha\\:] %%]+$'\", name='letters'",
)


def _checked(*checks: str, column: str = "") -> str:
    """The model of `CHECKED`, with these checks, and perhaps one more column."""
    arguments = "".join(f"sa.CheckConstraint({each}), " for each in checks)
    columns = ["name: Mapped[str]", "size: Mapped[str]", "stock: Mapped[int]", *filter(None, [column])]
    return projects.table("product", *columns, f"__table_args__ = ({arguments})")


def _shop_with_checks(folder: Path, models: str) -> projects.Made:
    history = [projects.revision("0001", upgrade=CHECKED, downgrade="op.drop_table('product')")]
    return projects.make_service(folder / "shop", models=models, history=history)


def test_checks_that_say_the_same_in_other_words_are_no_change(
    ask: asking.Asker, tmp_path: Path, database: Database
) -> None:
    """PostgreSQL's way of writing, and a name that it gave: nothing is to be done, and nothing is told."""
    made, heard = ask.heard(_shop_with_checks(tmp_path, _checked(*SAME)), database.asyncpg, "revision")
    assert made["unchanged"], made
    assert heard.warnings == []


def test_checks_of_tables_that_are_there_are_written_and_proven(
    ask: asking.Asker, tmp_path: Path, database: Database
) -> None:
    """New, by name and without; otherwise than before; on a column that is there; beside a new column."""
    column = "note: Mapped[str] = mapped_column(sa.CheckConstraint(\"note <> ''\", name='said'), server_default='-')"
    checks = ("'stock > 1', name='dear'", *SAME[1:], "'stock <> 7', name='lucky'", "'stock <> id'", "'note <> name'")
    service = _shop_with_checks(tmp_path, _checked(*checks, column=column))
    made = ask(service, database.asyncpg, "revision")
    assert set(made["difference"]) == {
        "+ column public.product.note: character varying DEFAULT '-'::character varying NOT NULL",
        "+ constraint public.product.lucky: CHECK ((stock <> 7))",
        "+ constraint public.product.product_check: CHECK ((stock <> id))",
        "+ constraint public.product.product_check1: CHECK (((note)::text <> (name)::text))",
        "+ constraint public.product.said: CHECK (((note)::text <> ''::text))",
        "~ constraint public.product.dear: CHECK ((stock > 0)) -> CHECK ((stock > 1))",
    }
    assert "the check lucky is added to product: rows that break it make the upgrade fail" in made["mended"]
    service.write(f"migrations/versions/{made['file']['name']}", made["file"]["content"])
    again = ask(service, database.asyncpg, "revision")
    assert again["unchanged"], again


def test_checks_that_only_the_history_has_stay_and_are_told(
    ask: asking.Asker, tmp_path: Path, database: Database
) -> None:
    """What a model never showed is not dropped; the mend says how it would be."""
    made, heard = ask.heard(_shop_with_checks(tmp_path, _checked(*SAME[1:])), database.asyncpg, "revision")
    assert made["unchanged"]
    assert heard.warnings == ["the history gives product the check dear, which its model does not have; kept"]


def test_a_template_without_a_downgrade_is_the_projects_own_way(
    ask: asking.Asker, tmp_path: Path, new_database: NewDatabase
) -> None:
    """Histories that only go forward write none: the way there is proven, and that there is none back is said."""
    forward = projects.MAKO.partition("def downgrade")[0]
    shop = projects.make_service(tmp_path / "shop", files={"migrations/script.py.mako": forward})
    url = new_database().asyncpg

    made, heard = ask.heard(shop, url, "generate")
    assert "def downgrade" not in made["file"]["content"] and {"upgrade", "again"} <= set(made["proof"])
    assert any("writes no downgrade" in each for each in heard.warnings)
    shop.write(f"migrations/versions/{made['file']['name']}", made["file"]["content"])
    shop.write_models(projects.table("product", "price: Mapped[int | None]"))

    added, heard = ask.heard(shop, url, "revision")

    assert (added["operations"], "def downgrade" in added["file"]["content"]) == (2, False)
    assert any("writes no downgrade" in each for each in heard.warnings)
