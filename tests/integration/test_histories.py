"""Every kind of history under every command: the table is printed, and each of its cells was run."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from stillroom.runtime import faults
from tests.conftest import NewDatabase, NewRole
from tests.support import asking, histories, projects
from tests.support import postgres as support
from tests.support.postgres import Database

PRODUCT = 'op.create_table("product", sa.Column("id", sa.Integer(), primary_key=True), sa.Column("name", sa.String()))'
MODELS = projects.table("product", "name: Mapped[str | None]")
Answer = dict[str, Any]
_SHOWN = 400


@pytest.fixture(scope="module")
def ask() -> asking.Asker:
    """This machine."""
    return asking.Asker()


@pytest.fixture
def database(new_database: NewDatabase) -> Database:
    """An empty database."""
    return new_database()


# The table


@dataclasses.dataclass
class Table:
    """What came of each kind under each command: the empty text where all was as it should be, a dash where nothing was
    to be done. It shows `told` where the command is to fail, and did so by the name of what is wrong."""

    cells: dict[tuple[str, str], str] = dataclasses.field(default_factory=dict)

    @property
    def problems(self) -> dict[tuple[str, str], str]:
        """What went wrong; a cell that was not run did."""
        found = {(kind, each): self.cells.get((kind, each), "not run") for kind in histories.KINDS for each in COMMANDS}
        return {place: text[:_SHOWN] for place, text in found.items() if text not in ("", "-")}

    def _mark(self, kind: str, command: str) -> str:
        if (kind, command) in self.problems:
            return "WRONG"
        if self.cells[kind, command] == "-":
            return "-"
        return (
            "told"
            if command.replace("apply again", "apply").replace("apply revision", "apply") in histories.KINDS[kind].fails
            else "ok"
        )

    def __str__(self) -> str:
        wide = max(map(len, histories.KINDS))
        lines = ["".join([" " * wide, *(f"  {command}" for command in COMMANDS)])]
        for kind in histories.KINDS:
            marks = [f"  {self._mark(kind, each):{len(each)}}" for each in COMMANDS]
            lines.append(f"{kind:{wide}}{''.join(marks)}")
        return "\n".join([*lines, *(f"{kind}, {command}: {text}" for (kind, command), text in self.problems.items())])


class _Run:
    """The commands, one after the other, on all kinds."""

    def __init__(self, fleet: histories.Fleet, ask: asking.Asker) -> None:
        self.fleet = fleet
        self._ask = ask
        self.table = Table()

    def all(self) -> Table:
        for command in COMMANDS:
            getattr(self, "_" + command.replace(" ", "_").replace("-", "_"))()
        return self.table

    def _preflight(self) -> None:
        self._each("preflight", ["preflight"], lambda _, answer: _alarms(answer))

    def _status(self) -> None:
        def look(kind: histories.Kind, answer: Answer) -> str:
            pending = {each["revision"] for each in answer["pending"]}
            return "" if (answer["state"], pending) == ("empty", {each.id for each in kind.history}) else str(answer)

        self._each("status", ["status"], look)

    def _apply_to(self) -> None:
        """By the runtime itself, for each step is another one for each kind."""
        for kind in self.fleet.kinds.values():
            problem = ""
            for to, rows in kind.steps:
                try:
                    declared = {"heads": kind.heads or 1}
                    self._ask(self.fleet.made[kind.name], self.fleet.url(kind.name), "upgrade", facts=declared, to=to)
                except faults.Fault as fault:
                    problem = f"--to {to}: {fault.code}: {fault.message}"
                found = self.fleet.rows(kind.name)
                if found != tuple(sorted(rows)):
                    problem = problem or f"--to {to}: at {found} instead of {rows}"
            self.table.cells[kind.name, "apply-to"] = problem

    def _apply(self) -> None:
        self._each("apply", ["apply", "--yes"], self._at_head)

    def _apply_again(self) -> None:
        def look(kind: histories.Kind, answer: Answer) -> str:
            return "" if answer["outcome"] == "nothing to do" else str(answer)

        self._each("apply again", ["apply", "--yes"], look, fails="apply")

    def _adopt(self) -> None:
        for name, database in self.fleet.databases.items():
            if "adopt" not in self.fleet.kinds[name].fails:
                database.execute("DROP TABLE IF EXISTS alembic_version")
        self._each("adopt", ["adopt", "--yes"], self._at_head)

    def _revision(self) -> None:
        for name, made in self.fleet.made.items():
            made.write_models(self.fleet.kinds[name].later)

        def look(kind: histories.Kind, answer: Answer) -> str:
            count = len(self.fleet.made[kind.name].history)
            return "" if (answer["operations"], count) == (1, len(kind.history) + 1) else str(answer)

        heads = {kind.follows for kind in self.fleet.kinds.values()}
        for head in sorted(heads, key=str):
            names = [name for name, kind in self.fleet.kinds.items() if kind.follows == head]
            said = ["--head", head] if head else []
            self._each("revision", ["revision", "--message", "later", *said], look, names)

    def _apply_revision(self) -> None:
        def look(kind: histories.Kind, answer: Answer) -> str:
            columns = self.fleet.databases[kind.name].fetch(
                "SELECT 1 FROM pg_attribute WHERE attrelid = 'product'::regclass AND attname = 'later'"
            )
            return "" if len(answer["applied"]) == 1 and columns else str(answer)

        self._each("apply revision", ["apply", "--yes"], look, fails="apply")

    def _regenerate_dry_run(self) -> None:
        def look(kind: histories.Kind, answer: Answer) -> str:
            return "" if len(answer["replaces"]) == len(kind.history) + ("revision" not in kind.fails) else str(answer)

        self._each("regenerate dry-run", ["regenerate", "--dry-run"], look)

    def _regenerate(self) -> None:
        def look(kind: histories.Kind, answer: Answer) -> str:
            history = self.fleet.made[kind.name].history
            return "" if len(history) == 1 and answer["backup"] else str(answer)

        self._each("regenerate", ["regenerate", "--yes"], look)
        for name, kind in self.fleet.kinds.items():
            if "regenerate" in kind.fails and len(self.fleet.made[name].history) < len(kind.history):
                self.table.cells[name, "regenerate"] = "it was refused, and the history is another"

    def _restore(self) -> None:
        for name, kind in self.fleet.kinds.items():
            if "regenerate" in kind.fails:
                self.table.cells[name, "restore"] = "-"  # nothing was replaced
                continue
            self._each("restore", ["restore", "--yes"], lambda *_: "", [name])
            if len(self.fleet.made[name].history) != len(kind.history) + ("revision" not in kind.fails):
                self.table.cells[name, "restore"] = f"{sorted(self.fleet.made[name].history)}"

    def _cleanup(self) -> None:
        self._each(
            "cleanup",
            ["cleanup", "--yes", "--skip-backup"],
            lambda kind, answer: (
                "" if not self.fleet.rows(kind.name) and not answer["after"]["tables"] else str(answer)
            ),
        )

    def _at_head(self, kind: histories.Kind, answer: Answer) -> str:
        rows = self.fleet.rows(kind.name)
        there = bool(kind.steps) and kind.steps[-1][1] == kind.rows
        outcomes = ("upgraded", "stamped", *(["nothing to do"] if there else []))
        right = answer["outcome"] in outcomes and rows == tuple(sorted(kind.rows))
        return "" if right else f"{answer['outcome']}: {rows}"

    def _each(
        self,
        command: str,
        arguments: Sequence[str],
        look: Callable[[histories.Kind, Answer], str],
        names: Sequence[str] | None = None,
        *,
        fails: str = "",
    ) -> None:
        """Runs a command once for all that it is to work for, and once for each way in which it is to fail."""
        groups: dict[str | None, list[histories.Kind]] = {}
        for name in names or self.fleet.kinds:
            kind = self.fleet.kinds[name]
            groups.setdefault(kind.fails.get(fails or command), []).append(kind)
        for group in groups.values():
            selected = ",".join(kind.name for kind in group)
            answers = self.fleet.answers(*arguments, "--service", selected)
            for kind in group:
                answer = answers.get(kind.name, {"error": {"code": "?", "message": str(answers)}})
                self.table.cells[kind.name, command] = self._judged(kind, fails or command, answer, look)

    def _judged(
        self, kind: histories.Kind, command: str, answer: Answer, look: Callable[[histories.Kind, Answer], str]
    ) -> str:
        wanted = kind.fails.get(command)
        error = answer.get("error")
        if wanted is not None:
            return "" if wanted in _codes(answer) else f"not {wanted}: {error or answer}"
        if error is not None:
            return f"{error['code']}: {error['message']}"
        try:
            return look(kind, answer)
        except (KeyError, TypeError):
            return f"another answer than it should be: {answer}"


def _codes(answer: Answer) -> list[str]:
    found = [str(each["data"].get("code")) for each in answer.get("findings", ()) if each["level"] == "error"]
    return [*found, str((answer.get("error") or {}).get("code"))]


def _alarms(answer: Answer) -> str:
    return "; ".join(each["message"] for each in answer["findings"] if each["level"] in ("warning", "error"))


COMMANDS = (
    "preflight",
    "status",
    "apply-to",
    "apply",
    "apply again",
    "adopt",
    "revision",
    "apply revision",
    "regenerate dry-run",
    "regenerate",
    "restore",
    "cleanup",
)


def test_every_command_on_every_kind_of_history(
    ask: asking.Asker, tmp_path: Path, postgres: support.Server, record_property: Callable[[str, object], None]
) -> None:
    """Heads and bases by design, merges, no way back, what has to be there before, 300 revisions, CONCURRENTLY."""
    with histories.fleet(list(histories.KINDS.values()), tmp_path / "fleet", postgres) as fleet:
        table = _Run(fleet, ask).all()
    record_property("table", str(table))
    assert not table.problems


# What a table does not show


def _fault(
    ask: asking.Asker, service: projects.Made, database: Database, operation: str, **options: Any
) -> faults.Fault:
    with pytest.raises(faults.Fault) as raised:
        ask(service, database.asyncpg, operation, **options)
    assert raised.value.mend
    return raised.value


def _unique(guard: str = "") -> projects.Revision:
    """A revision that can't make its index while there are two products of a name."""
    text = f"""
    with op.get_context().autocommit_block():
        op.execute('CREATE UNIQUE INDEX CONCURRENTLY {guard} ix_name ON product (name)')
    """
    return projects.revision("0002", "0001", upgrade=text)


def test_an_index_that_could_not_be_made_concurrently_is_told_until_it_is_usable(
    ask: asking.Asker, tmp_path: Path, database: Database
) -> None:
    """It stays, INVALID, and IF NOT EXISTS passes over it: neither run is called well, and the mend mends."""
    first = projects.revision("0001", upgrade=PRODUCT)
    service = projects.make_service(tmp_path / "shop", models=MODELS, history=[first, _unique("IF NOT EXISTS")])
    ask(service, database.asyncpg, "upgrade", to="0001")
    database.execute("INSERT INTO product (name) VALUES ('a'), ('a')")

    failed = _fault(ask, service, database, "upgrade")
    database.execute("DELETE FROM product WHERE id = 2")
    passed_over = _fault(ask, service, database, "upgrade")
    for statement in passed_over.mend.rstrip(";").split(";"):
        database.execute(statement)

    assert (failed.code, failed.data["invalid"], failed.data["at"]) == ("half-applied", ["ix_name"], ["0001"])
    assert "DROP INDEX CONCURRENTLY ix_name;" in failed.mend
    assert "rolled back" not in failed.message
    assert (passed_over.code, passed_over.data["invalid"]) == ("invalid-index", ["ix_name"])
    assert database.fetch("SELECT indisvalid, indisunique FROM pg_index WHERE indexrelid = 'ix_name'::regclass") == [
        (True, True)
    ]
    assert ask(service, database.asyncpg, "upgrade")["outcome"] == "nothing to do"


def test_a_rerun_finishes_what_the_mend_made_possible(ask: asking.Asker, tmp_path: Path, database: Database) -> None:
    """After the index was dropped and the rows mended, the same revision runs."""
    first = projects.revision("0001", upgrade=PRODUCT)
    service = projects.make_service(tmp_path / "shop", models=MODELS, history=[first, _unique()])
    ask(service, database.asyncpg, "upgrade", to="0001")
    database.execute("INSERT INTO product (name) VALUES ('a'), ('a')")

    failed = _fault(ask, service, database, "upgrade")
    database.execute("DELETE FROM product WHERE id = 2")
    database.execute(failed.mend.partition(";")[0])

    assert failed.code == "half-applied"
    assert ask(service, database.asyncpg, "upgrade")["after"] == ["0002"]


def test_an_invalid_index_of_somebody_else_is_nobodys_business(
    ask: asking.Asker, tmp_path: Path, database: Database
) -> None:
    """Only what the run itself makes is looked at."""
    first = projects.revision("0001", upgrade=PRODUCT)
    service = projects.make_service(tmp_path / "shop", models=MODELS, history=[first, _unique()])
    ask(service, database.asyncpg, "upgrade", to="0001")
    database.execute("CREATE INDEX ix_name_of_mine ON product (name)")
    database.execute("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'ix_name_of_mine'::regclass")

    assert ask(service, database.asyncpg, "upgrade")["outcome"] == "upgraded"


LABELLED = [
    projects.revision("0001", upgrade=PRODUCT, branch_labels=["catalog", "shop"]),
    projects.revision(
        "0002",
        "0001",
        upgrade='op.drop_column("product", "name")\n' + 'op.add_column("product", sa.Column("name", sa.String()))',
    ),
]


def test_branch_labels_are_not_lost_unasked(ask: asking.Asker, tmp_path: Path, database: Database) -> None:
    """A deployment may go by them: a baseline without them is refused by name, given up or carried over."""
    service = projects.make_service(tmp_path / "shop", models=MODELS, history=LABELLED)

    refused = _fault(ask, service, database, "generate")
    carried = ask(service, database.asyncpg, "generate", carry_over=True)
    half = ask(service, database.asyncpg, "generate", carry_over=True, accept_loss=["label:shop"])
    given_up = ask(service, database.asyncpg, "generate", accept_loss=["label:*"])

    assert (refused.code, refused.data["names"]) == ("would-lose", ["label:catalog", "label:shop"])
    assert _labels(carried) == ("catalog", "shop")
    assert (_labels(half), half["loss"]["names"]) == (("catalog",), ["label:shop"])
    assert (_labels(given_up), given_up["loss"]["names"]) == ((), ["label:catalog", "label:shop"])


def _labels(answer: Answer) -> tuple[str, ...]:
    from stillroom.runtime.reading import revisions

    return revisions.parse(answer["file"]["content"], "a.py").branch_labels


def test_joined_branches_get_a_baseline(ask: asking.Asker, tmp_path: Path, database: Database) -> None:
    """The way that the refusal names: a merge revision, one head declared."""
    bases = [
        projects.revision("a1", upgrade=PRODUCT),
        projects.revision("b1", upgrade='op.execute("SELECT 1")'),
    ]
    service = projects.make_service(tmp_path / "shop", models=MODELS, history=bases)

    refused = _fault(ask, service, database, "generate", facts={"heads": 2})
    service.add(projects.revision("join", ["a1", "b1"]))
    made = ask(service, database.asyncpg, "generate", facts={"heads": 1})

    assert (refused.code, refused.data["heads"]) == ("baseline-has-one-head", ["a1", "b1"])
    assert "alembic merge -m join a1 b1" in refused.mend
    assert made["operations"] == 1


def test_the_row_that_a_revision_needs_is_told_with_its_place(
    ask: asking.Asker, tmp_path: Path, database: Database
) -> None:
    """On the service's database and on a scratch database alike: the revision, its file, the line."""
    needs = """op.get_bind().execute(sa.text("SELECT id FROM product WHERE name = 'main'")).scalar_one()"""
    history = [projects.revision("0001", upgrade=PRODUCT), projects.revision("0002", "0001", upgrade=needs)]
    service = projects.make_service(tmp_path / "shop", models=MODELS, history=history)

    for operation in ("upgrade", "revision"):
        fault = _fault(ask, service, database, operation)
        assert "revision 0002" in fault.message
        assert "0002_.py:13" in fault.message


def test_roles_are_looked_for_where_scratch_databases_are(
    tmp_path: Path,
    postgres15: support.Server,
    new_database: NewDatabase,
    new_role: NewRole,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A role is of its server: there for the service's own, and missing for a scratch database on another one."""
    reader = new_role()
    grant = projects.revision("0001", upgrade=f'{PRODUCT}\nop.execute("GRANT SELECT ON product TO {reader.name}")')
    service = projects.make_service(tmp_path / "shop", models=MODELS, history=[grant])
    own, elsewhere = new_database(), new_database(postgres15)
    monkeypatch.setenv("SHOP_SCRATCH_URL", elsewhere.asyncpg)

    ask = asking.Asker()  # the service's process takes the variables of its start along
    beside = ask(service, own.asyncpg, "preflight")
    apart = ask(service, own.asyncpg, "preflight", facts={"scratch_url_variable": "SHOP_SCRATCH_URL"})
    ask.close()

    assert [each["level"] for each in beside["findings"] if each["check"] == "roles"] == ["ok"]
    told = [each for each in apart["findings"] if each["check"] == "roles"]
    assert [each["data"]["code"] for each in told] == ["role-missing"]
    assert "the server of its scratch databases" in told[0]["message"]


@pytest.mark.parametrize("login", [False, True])
def test_a_role_that_the_history_makes_is_not_lost_unasked(
    ask: asking.Asker, tmp_path: Path, database: Database, postgres: support.Server, login: bool
) -> None:
    """No catalog of a database shows it. It is carried over where its password is none, and the grants after it."""
    role = support.unique("made")
    asked = f"IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{role}')"
    said = "LOGIN PASSWORD 'x'" if login else "CREATEDB"
    upgrade = f"""
    {PRODUCT}
    op.execute("DO $$ BEGIN {asked} THEN CREATE ROLE {role} {said}; END IF; END $$")
    op.execute("GRANT SELECT ON product TO {role}")
    """
    service = projects.make_service(
        tmp_path / "shop", models=MODELS, history=[projects.revision("0001", upgrade=upgrade)]
    )
    try:
        refused = _fault(ask, service, database, "generate")
        if login:
            with pytest.raises(faults.RefusedFault, match="can log in") as raised:
                ask(service, database.asyncpg, "generate", carry_over=True)
            assert raised.value.code == "cannot-carry-over"
        else:
            carried = ask(service, database.asyncpg, "generate", carry_over=True)["file"]["content"]
            postgres.execute(f"DROP ROLE {role}")
            service.add(projects.Revision("new", carried, "0001_.py"))
            assert ask(service, database.asyncpg, "upgrade")["outcome"] == "upgraded"
            assert postgres.fetch("SELECT rolcreatedb FROM pg_roles WHERE rolname = %s", [role]) == [(True,)]
    finally:
        database.execute("DROP SCHEMA public CASCADE")
        postgres.execute(f"DROP ROLE IF EXISTS {role}")

    assert refused.data["names"] == [f"acl:table public.product to {role}", f"role:{role}"]


def test_labelled_branches_need_no_declaration(ask: asking.Asker, tmp_path: Path, database: Database) -> None:
    """Each head on a branch with a label is meant: preflight says how to declare it, and every command goes on."""
    history = [
        projects.revision("root", upgrade=PRODUCT, downgrade='op.drop_table("product")'),
        projects.revision("e1", "root", branch_labels=["expand"]),
        projects.revision("c1", "root", branch_labels=["contract"]),
    ]
    service = projects.make_service(tmp_path / "shop", models=MODELS, history=history)

    seen = [each for each in ask(service, database.asyncpg, "preflight")["findings"] if each["check"] == "history"]
    applied = ask(service, database.asyncpg, "upgrade")
    fault = _fault(ask, service, database, "revision")
    service.write_models(projects.table("product", "name: Mapped[str | None]", "price: Mapped[int | None]"))
    made = ask(service, database.asyncpg, "revision", head="contract@head")

    assert [(each["level"], each["data"]["code"]) for each in seen] == [("warning", "unexpected-heads")]
    assert applied["after"] == ["c1", "e1"]
    assert fault.code == "several-heads"
    assert (made["follows"], made["operations"]) == ("c1", 1)


def test_a_scratch_database_that_can_not_have_an_extension_says_what_to_do(
    ask: asking.Asker, tmp_path: Path, new_database: NewDatabase, new_role: NewRole
) -> None:
    """A superuser made it in the service's database; a scratch database that the role makes lacks it."""
    role = new_role(attributes="CREATEDB")
    own = new_database(owner=role)
    own.execute("CREATE EXTENSION vector")
    first = projects.revision("0001", upgrade=f'op.execute("CREATE EXTENSION IF NOT EXISTS vector")\n{PRODUCT}')
    service = projects.make_service(tmp_path / "shop", models=MODELS, history=[first])

    applied = ask(service, own.url(role=role), "upgrade")
    for operation in ("revision", "generate"):
        with pytest.raises(faults.Fault) as raised:
            ask(service, own.url(role=role), operation)
        assert "scratch_url_variable" in raised.value.mend

    assert applied["outcome"] == "upgraded"
