"""Kinds of histories: several heads by design, bases, merges, what must exist first, what has no way back.

    kind = KINDS["two-bases"]
    with fleet([kind], folder, server) as made: made.program.run("apply", "--yes")

A kind is a service with its models and its history, which leads to what the models say.
"""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from tests.support import postgres, program, projects

__all__ = ["KINDS", "Fleet", "Kind", "fleet"]

_PRODUCT = """
op.create_table("product", sa.Column("id", sa.Integer(), primary_key=True), sa.Column("name", sa.String(), nullable=False))
"""
_SHELF = 'op.create_table("shelf", sa.Column("id", sa.Integer(), primary_key=True))'
_NO_PRODUCT, _NO_SHELF = 'op.drop_table("product")', 'op.drop_table("shelf")'
_ROLE_MADE = """
op.execute(
    "DO $$ BEGIN IF NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = '{role}') THEN CREATE ROLE {role}; END IF; END $$"
)
op.execute("GRANT SELECT ON product TO {role}")
"""
_ROLE_GUARDED = """
op.execute(
    "DO $$ BEGIN IF EXISTS (SELECT 1 FROM pg_roles WHERE rolname = 'stillroom_nobody') THEN "
    "GRANT SELECT ON product TO stillroom_nobody; END IF; END $$"
)
if op.get_bind().execute(sa.text("SELECT 1 FROM pg_roles WHERE rolname = 'stillroom_nobody'")).scalar():
    op.execute("GRANT SELECT ON product TO stillroom_nobody")
"""


# What preflight finds stops these; and these branches by design.
_BEFORE = {
    **dict.fromkeys(("revision", "regenerate", "regenerate dry-run"), "preflight-failed"),
}
_BRANCHES = {**dict.fromkeys(("regenerate", "regenerate dry-run"), "baseline-has-one-head")}


def _column(name: str, table: str = "product") -> str:
    return f'op.add_column("{table}", sa.Column("{name}", sa.Integer(), nullable=True))'


def _no_column(name: str, table: str = "product") -> str:
    return f'op.drop_column("{table}", "{name}")'


def _models(*columns: str, shelf: Sequence[str] | None = None) -> str:
    """The table `product` with these further columns, and `shelf` with those, if any."""
    text = projects.table("product", "name: Mapped[str]", *(f"{each}: Mapped[int | None]" for each in columns))
    return text if shelf is None else text + projects.table("shelf", *(f"{each}: Mapped[int | None]" for each in shelf))


@dataclasses.dataclass(frozen=True)
class Kind:
    """A kind of history.

    Attributes:
        name: a service's: lower case, with dashes.
        history: its revisions.
        rows: of the version table after `upgrade heads`.
        models: what the history leads to.
        later: the same and one column more.
        heads: as the registry declares them; None: not at all.
        follows: what `--head` of `revision` has to say; None: nothing.
        steps: what `--to` may say in between, in this order, with the rows of the version table after it.
        role: attributes of the role that owns the database.
        settings: what else the registry says.
        fails: by command, the code that it has to fail with instead.
    """

    name: str
    history: Sequence[projects.Revision]
    rows: tuple[str, ...]
    models: str = _models()
    later: str = _models("later")
    heads: int | None = None
    follows: str | None = None
    steps: Sequence[tuple[str, tuple[str, ...]]] = ()
    role: str = "CREATEDB"
    settings: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    fails: Mapping[str, str] = dataclasses.field(default_factory=dict)


def _kinds() -> Iterator[Kind]:
    revision = projects.revision
    root = revision("root", upgrade=_PRODUCT + _SHELF, downgrade=_NO_SHELF + "\n" + _NO_PRODUCT)
    yield Kind(
        "expand-contract",
        [
            root,
            revision("e1", "root", upgrade=_column("wide"), downgrade=_no_column("wide"), branch_labels=["expand"]),
            revision("c1", "root", upgrade=_column("old"), downgrade=_no_column("old"), branch_labels=["contract"]),
            revision("c2", "c1", upgrade=_no_column("old"), downgrade=_column("old"), depends_on="e1"),
        ],
        rows=("c2",),
        models=_models("wide", shelf=[]),
        later=_models("wide", "later", shelf=[]),
        heads=2,
        follows="expand@head",
        steps=[("expand@head", ("e1",)), ("contract@c1", ("c1", "e1")), ("contract@+1", ("c2",))],
        fails=_BRANCHES,
    )
    base = revision("cat1", upgrade=_PRODUCT, downgrade=_NO_PRODUCT, branch_labels=["catalog"])
    yield Kind(
        "two-bases",
        [
            base,
            revision("cat2", "cat1", upgrade=_column("price"), downgrade=_no_column("price")),
            revision("stock1", upgrade=_SHELF, downgrade=_NO_SHELF, branch_labels=["stock"]),
            revision("stock2", "stock1", upgrade=_column("row", "shelf"), downgrade=_no_column("row", "shelf")),
        ],
        rows=("cat2", "stock2"),
        models=_models("price", shelf=["row"]),
        later=_models("price", "later", shelf=["row"]),
        heads=2,
        follows="catalog@head",
        steps=[("cat1", ("cat1",)), ("stock@+1", ("cat1", "stock1"))],
        fails=_BRANCHES,
    )
    yield Kind(
        "depends-on",
        [
            base,
            revision("cat2", "cat1", upgrade=_column("price"), downgrade=_no_column("price")),
            revision("stock1", upgrade=_SHELF, downgrade=_NO_SHELF, branch_labels=["stock"], depends_on="cat1"),
        ],
        rows=("cat2", "stock1"),
        models=_models("price", shelf=[]),
        later=_models("price", "later", shelf=[]),
        heads=2,
        follows="cat2",
        steps=[("stock@head", ("stock1",))],
        fails=_BRANCHES,
    )
    yield Kind(
        "depends-on-a-head",
        [base, revision("stock1", upgrade=_SHELF, downgrade=_NO_SHELF, branch_labels=["stock"], depends_on="catalog")],
        rows=("stock1",),
        models=_models(shelf=[]),
        later=_models("later", shelf=[]),
        heads=2,
        follows="catalog@head",
        steps=[("catalog@+1", ("cat1",))],
        fails=_BRANCHES,
    )
    yield Kind(
        "merge",
        [
            root,
            revision("l1", "root", upgrade=_column("left"), downgrade=_no_column("left")),
            revision("r1", "root", upgrade=_column("right"), downgrade=_no_column("right")),
            revision("joined", ("l1", "r1")),
        ],
        rows=("joined",),
        models=_models("left", "right", shelf=[]),
        later=_models("left", "right", "later", shelf=[]),
        steps=[("l1", ("l1",)), ("r1", ("l1", "r1"))],
    )
    yield Kind(
        "heads-nobody-declared",
        [
            root,
            revision("l1", "root", upgrade=_column("left"), downgrade=_no_column("left")),
            revision("r1", "root", upgrade=_column("right"), downgrade=_no_column("right")),
        ],
        rows=("l1", "r1"),
        models=_models("left", "right", shelf=[]),
        fails={**dict.fromkeys(("preflight", "apply", "adopt"), "unexpected-heads"), **_BEFORE},
    )
    yield Kind(
        "label-on-a-line",
        [base, revision("cat2", "cat1", upgrade=_column("price"), downgrade=_no_column("price"))],
        rows=("cat2",),
        models=_models("price"),
        later=_models("price", "later"),
        follows="catalog@head",
        steps=[("catalog@+1", ("cat1",)), ("+1", ("cat2",))],
        fails={"regenerate": "would-lose"},
    )
    for name in ("same-ids-here", "same-ids-there"):
        yield Kind(
            name,
            [
                revision("001", upgrade=_PRODUCT, downgrade=_NO_PRODUCT),
                revision("002", "001", upgrade=_column("price"), downgrade=_no_column("price")),
            ],
            rows=("002",),
            models=_models("price"),
            later=_models("price", "later"),
            steps=[("001", ("001",))],
        )
    raising = revision("a2", "a1", upgrade=_column("two"), downgrade='raise NotImplementedError("no way back")')
    missing = revision("a4", "a3", upgrade=_column("four"))
    yield Kind(
        "no-way-back",
        [
            revision("a1", upgrade=_PRODUCT, downgrade="pass"),
            raising,
            revision("a3", "a2", upgrade=_column("three"), downgrade="pass"),
            dataclasses.replace(missing, text=missing.text.partition("def downgrade")[0]),
        ],
        rows=("a4",),
        models=_models("two", "three", "four"),
        later=_models("two", "three", "four", "later"),
        steps=[("a2", ("a2",))],
    )
    yield Kind(
        "extension-there",
        [revision("x1", upgrade='op.execute("CREATE EXTENSION IF NOT EXISTS vector")\n' + _PRODUCT)],
        rows=("x1",),
        role="SUPERUSER",
        settings={"extensions": ["vector"]},
    )
    yield Kind(
        "extension-missing",
        [revision("x1", upgrade='op.execute("CREATE EXTENSION IF NOT EXISTS stillroom_none")\n' + _PRODUCT)],
        rows=("x1",),
        role="SUPERUSER",
        fails={
            "preflight": "extension-missing",
            "apply": "revision-failed",
            "adopt": "nothing-to-adopt",
            **_BEFORE,
        },
    )
    yield Kind(
        "role-missing",
        [revision("g1", upgrade=_PRODUCT + 'op.execute("GRANT SELECT ON product TO stillroom_nobody")')],
        rows=("g1",),
        fails={
            "preflight": "role-missing",
            "apply": "revision-failed",
            "adopt": "nothing-to-adopt",
            **_BEFORE,
        },
    )
    yield Kind(
        "role-there",
        [revision("g1", upgrade=_PRODUCT + 'op.execute("GRANT SELECT ON product TO {role}")')],
        rows=("g1",),
        fails={"regenerate": "would-lose"},
    )
    yield Kind("role-guarded", [revision("g1", upgrade=_PRODUCT + _ROLE_GUARDED)], rows=("g1",))
    yield Kind(
        "role-made",
        [revision("g1", upgrade=_PRODUCT + _ROLE_MADE)],
        rows=("g1",),
        role="CREATEDB CREATEROLE",
        fails={"regenerate": "would-lose"},
    )
    yield Kind(
        "row-missing",
        [
            revision("w1", upgrade=_PRODUCT),
            revision(
                "w2",
                "w1",
                upgrade="""op.get_bind().execute(sa.text("SELECT id FROM product WHERE name = 'main'")).scalar_one()""",
            ),
        ],
        rows=("w2",),
        fails={
            "regenerate": "history-unreplayable",
            "apply": "revision-failed",
            "adopt": "not-at-head",
            "revision": "service-code-failed",
        },
    )
    yield Kind(
        "autocommit",
        [
            revision("k1", upgrade=_PRODUCT),
            revision(
                "k2",
                "k1",
                upgrade="""
with op.get_context().autocommit_block():
    op.execute("CREATE INDEX CONCURRENTLY IF NOT EXISTS ix_name ON product (name)")
""",
            ),
            revision(
                "k3",
                "k2",
                upgrade="""
with op.get_context().autocommit_block():
    op.create_index("ix_both", "product", ["name", "id"], postgresql_concurrently=True, if_not_exists=True)
""",
            ),
        ],
        rows=("k3",),
        models=_models() + '    __table_args__ = (sa.Index("ix_name", "name"), sa.Index("ix_both", "name", "id"))\n',
        later=_models("later")
        + '    __table_args__ = (sa.Index("ix_name", "name"), sa.Index("ix_both", "name", "id"))\n',
        steps=[("k2", ("k2",))],
    )
    many = [f"n{number:03}" for number in range(300)]
    yield Kind(
        "three-hundred",
        [
            revision(many[0], upgrade=_PRODUCT),
            *(
                revision(each, before, upgrade=_column(f"c{each}"), downgrade=_no_column(f"c{each}"))
                for before, each in itertools.pairwise(many)
            ),
        ],
        rows=(many[-1],),
        models=_models(*(f"c{each}" for each in many[1:])),
        later=_models(*(f"c{each}" for each in many[1:]), "later"),
        steps=[("n150", ("n150",))],
    )


KINDS = {kind.name: kind for kind in _kinds()}


@dataclasses.dataclass
class Fleet:
    """Kinds as the services of one fleet, a database and a role each."""

    program: program.Program
    kinds: dict[str, Kind]
    made: dict[str, projects.Made]
    databases: dict[str, postgres.Database]

    def url(self, name: str) -> str:
        """Of a kind's database, as its own role."""
        return self.program.variables[self.made[name].url_variable]

    def answers(self, *arguments: str) -> dict[str, dict[str, Any]]:
        """Runs a command; each service's answer by name."""
        ran = self.program.run(*arguments, "--json")
        try:
            said = ran.json
        except ValueError:
            said = {"error": {"code": "?", "message": ran.told}}
        alike = said if "services" not in said else {}
        return dict.fromkeys(self.kinds, alike) | {each["name"]: each for each in said.get("services", ())}

    def rows(self, name: str) -> tuple[str, ...]:
        """The version table, sorted; none if it is not there."""
        database = self.databases[name]
        if database.fetch("SELECT to_regclass('public.alembic_version')") == [(None,)]:
            return ()
        return tuple(row[0] for row in database.fetch("SELECT version_num FROM alembic_version ORDER BY 1"))


@contextlib.contextmanager
def fleet(kinds: Sequence[Kind], folder: Path, server: postgres.Server) -> Iterator[Fleet]:
    """Writes these kinds, each with a role and a database of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as cleanup:
        reader = server.create_role()
        cleanup.callback(server.drop_role, reader)
        fresh = postgres.Role(postgres.unique("made"), "")
        cleanup.callback(server.drop_role, fresh)
        databases, made = {}, {}
        for kind in kinds:
            role = server.create_role(kind.role)
            cleanup.callback(server.drop_role, role)
            database = server.create_database(owner=role)
            cleanup.callback(server.drop_database, database.name)
            named = fresh.name if "CREATEROLE" in kind.role else reader.name
            history = [dataclasses.replace(each, text=each.text.replace("{role}", named)) for each in kind.history]
            made[kind.name] = projects.make_service(
                folder / kind.name, models=kind.models, history=history, heads=kind.heads, **kind.settings
            )
            databases[kind.name] = (database, role)
        said = {
            "environments": {"local": {"target": "local", "database": "environment"}},
            "services": {
                name: {"path": name, **{key: value for key, value in each.settings.items() if value is not None}}
                for name, each in made.items()
            },
        }
        (folder / "services.yaml").write_text(yaml.safe_dump(said, sort_keys=False))
        (folder / "tasks.py").write_text("from stillroom.tasks import namespace\n")
        variables = {
            each.url_variable: databases[name][0].url("postgresql+asyncpg", databases[name][1])
            for name, each in made.items()
        }
        yield Fleet(
            program.Program(folder, variables),
            {kind.name: kind for kind in kinds},
            made,
            {name: database for name, (database, _) in databases.items()},
        )
