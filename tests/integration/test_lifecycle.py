"""`status`, `apply`, `adopt` and `revision` over a fleet: order, plans, what fails alone, and the example fleet."""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from stillroom import adopt, apply, fleet, regenerate, revision, session, status
from stillroom.registry import load, model
from tests.conftest import NewDatabase
from tests.support import projects
from tests.support.postgres import Database

ROOT = Path(__file__).parents[2]
TABLE = """
op.create_table(
    '{name}', sa.Column('id', sa.Integer, primary_key=True), sa.Column('name', sa.String, nullable=False)
)
"""


class Seen:
    """A watcher that keeps what it is told."""

    def __init__(self) -> None:
        self.began: list[str] = []
        self.warned: list[str] = []

    def begin(self, service: str) -> None:
        """See `fleet.Watcher`."""
        self.began.append(service)

    def step(self, service: str, step: str) -> None:
        """See `fleet.Watcher`."""

    def warn(self, service: str, message: str) -> None:
        """See `fleet.Watcher`."""
        self.warned.append(f"{service}: {message}")

    def output(self, service: str, line: str) -> None:
        """See `fleet.Watcher`."""

    def end(self, service: str, outcome: fleet.Outcome[Any]) -> None:
        """See `fleet.Watcher`."""


@contextlib.contextmanager
def opened(found: model.Fleet, jobs: int = 3) -> Iterator[session.Session]:
    """The default environment of a fleet."""
    environment = found.environments[found.default_environment]
    with session.Session(found, environment, jobs) as ready:
        ready.open(found.services)
        yield ready


def make(
    root: Path, name: str, database: Database | None, monkeypatch: pytest.MonkeyPatch, **more: Any
) -> projects.Made:
    """A service with one table and one revision, connected to this database."""
    made = projects.make_service(
        root / name,
        models=projects.table(name, "name: Mapped[str]"),
        history=[projects.revision(f"{name}1", upgrade=TABLE.format(name=name), downgrade=f"op.drop_table('{name}')")],
        **more,
    )
    made.connects_to(
        monkeypatch, database.asyncpg if database is not None else "postgresql+asyncpg://nobody@127.0.0.1:1/nowhere"
    )
    return made


def outcomes_by_name(outcomes: Sequence[fleet.Outcome[Any]]) -> dict[str, str]:
    """Service -> what it came to, or why not."""
    found = {}
    for each in outcomes:
        if each.failure is not None:
            found[each.service.name] = each.failure.code
        elif each.skipped is not None:
            found[each.service.name] = f"skipped: {each.skipped}"
        else:
            found[each.service.name] = each.value.outcome
    return found


def test_status_of_a_fleet(tmp_path: Path, new_database: NewDatabase, monkeypatch: pytest.MonkeyPatch) -> None:
    """One document for all: states with the documented keys first; broken code is an error of its service alone."""
    at_head, fresh = new_database(), new_database()
    services = [
        make(tmp_path, "ready", at_head, monkeypatch),
        make(tmp_path, "fresh", fresh, monkeypatch),
        make(tmp_path, "gone", None, monkeypatch),
        make(tmp_path, "broken", fresh, monkeypatch),
    ]
    services[3].write("migrations/versions/oops.py", "def")
    found = projects.make_registry(tmp_path, *services)

    with opened(found) as ready:
        apply.run(ready, apply.look(ready, [found.service("ready")], apply.Options(), Seen()), Seen())
        document = status.document(status.run(ready, found.services, Seen()))

    assert json.loads(json.dumps(document)) == document
    assert list(document) == ["services"]
    shown = [list(each.items())[:5] for each in document["services"]]
    assert shown[:3] == [
        [("name", "ready"), ("state", "at_head"), ("revision", "ready1"), ("head", "ready1"), ("tables", 1)],
        [("name", "fresh"), ("state", "empty"), ("revision", None), ("head", "fresh1"), ("tables", 0)],
        [("name", "gone"), ("state", "unreachable"), ("revision", None), ("head", "gone1"), ("tables", None)],
    ]
    assert shown[3] == [("name", "broken"), ("state", None), ("revision", None), ("head", None), ("tables", None)]
    assert document["services"][3]["error"]["code"] == "does-not-parse"


def test_several_revisions_are_joined(
    tmp_path: Path, new_database: NewDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a database is at several revisions by design, they are comma-joined and sorted."""
    service = projects.make_service(
        tmp_path / "shop", history=[projects.revision("b1"), projects.revision("a1")], heads=2
    )
    service.connects_to(monkeypatch, new_database().asyncpg)
    found = projects.make_registry(tmp_path, service)

    with opened(found) as ready:
        apply.run(ready, apply.look(ready, found.services, apply.Options(), Seen()), Seen())
        [only] = status.run(ready, found.services, Seen())

    assert only.value is not None
    assert (only.value.revision, only.value.head) == ("a1,b1", "a1,b1")


def test_apply_plans_first_and_keeps_the_order(
    tmp_path: Path, new_database: NewDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All are looked at before any is touched; then each runs after those that the registry puts before it."""
    databases = [new_database() for _ in range(3)]
    services = [
        make(tmp_path, "last", databases[0], monkeypatch, after=["middle"]),
        make(tmp_path, "middle", databases[1], monkeypatch, after=["first"]),
        make(tmp_path, "first", databases[2], monkeypatch),
    ]
    found = projects.make_registry(tmp_path, *services)

    with opened(found) as ready:
        plan = apply.look(ready, found.services, apply.Options(), Seen())
        untouched = [
            each.fetch("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'")[0][0] for each in databases
        ]
        seen = Seen()
        done = apply.run(ready, plan, seen)
        again = apply.look(ready, found.services, apply.Options(), Seen())

    assert outcomes_by_name(plan.entries) == dict.fromkeys(("last", "middle", "first"), "would upgrade")
    assert plan.question.startswith("Apply 3 revisions of 3 services to 127.0.0.1:")
    assert untouched == [0, 0, 0]
    assert seen.began == ["first", "middle", "last"]
    assert outcomes_by_name(done) == dict.fromkeys(("last", "middle", "first"), "upgraded")
    assert (again.pending, again.refused, again.question) == ([], [], "")


def test_one_refusal_stops_only_what_comes_after_it(
    tmp_path: Path, new_database: NewDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A refused service fails as it was planned; others go on, and those that come after it are left out."""
    filled = new_database()
    filled.execute("CREATE TABLE base (id serial PRIMARY KEY, name varchar NOT NULL)")
    services = [
        make(tmp_path, "base", filled, monkeypatch),
        make(tmp_path, "leaf", new_database(), monkeypatch, after=["base"]),
        make(tmp_path, "other", new_database(), monkeypatch),
        make(tmp_path, "gone", None, monkeypatch),
    ]
    found = projects.make_registry(tmp_path, *services)

    with opened(found) as ready:
        plan = apply.look(ready, found.services, apply.Options(), Seen())
        done = apply.run(ready, plan, Seen())

    assert [each.service.name for each in plan.refused] == ["base", "gone"]
    assert outcomes_by_name(done) == {
        "base": "adopt-first",
        "leaf": "skipped: after base",
        "other": "upgraded",
        "gone": "database-unreachable",
    }
    by_name = {each.service.name: each for each in done}
    assert by_name["base"].failure is not None
    assert by_name["base"].failure.refused
    assert "invoke adopt --service base" in by_name["base"].failure.mend


def test_a_database_that_moved_since_it_was_looked_at(
    tmp_path: Path, new_database: NewDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was planned is what runs: a database that is elsewhere by then is refused."""
    service = make(tmp_path, "shop", new_database(), monkeypatch)
    service.add(projects.revision("shop2", "shop1"), projects.revision("shop3", "shop2"))
    found = projects.make_registry(tmp_path, service)

    with opened(found) as ready:
        plan = apply.look(ready, found.services, apply.Options(), Seen())
        apply.run(ready, apply.look(ready, found.services, apply.Options(to="shop2"), Seen()), Seen())
        done = apply.run(ready, plan, Seen())

    assert outcomes_by_name(done) == {"shop": "changed-since-plan"}


def test_the_script_of_a_dry_run(tmp_path: Path, new_database: NewDatabase, monkeypatch: pytest.MonkeyPatch) -> None:
    """The recorded SQL as a script that does all of it: comments, semicolons, and what notes each revision."""
    database = new_database()
    service = make(tmp_path, "shop", database, monkeypatch)
    service.add(projects.revision("shop2", "shop1", upgrade="op.execute('DROP TABLE shop;')"))
    found = projects.make_registry(tmp_path, service)

    with opened(found) as ready:
        [recorded] = apply.record(ready, found.services, apply.Options(), Seen())

    assert recorded.value is not None
    assert recorded.value.script.splitlines()[1] == "-- shop1 shop1 (shop1_.py)"
    assert recorded.value.script.splitlines()[-3:] == [
        "-- shop2 shop2 (shop2_.py)",
        "DROP TABLE shop;",
        "UPDATE alembic_version SET version_num='shop2' WHERE alembic_version.version_num = 'shop1';",
    ]
    database.execute(recorded.value.script)
    assert database.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'") == [("alembic_version",)]
    assert database.fetch("SELECT version_num FROM alembic_version") == [("shop2",)]


def test_adopt_over_a_fleet(tmp_path: Path, new_database: NewDatabase, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each database is compared on its own: what is equal is stamped, what differs is told; a dry run stamps nothing."""
    equal, other = new_database(), new_database()
    equal.execute("CREATE TABLE equal (id serial PRIMARY KEY, name varchar NOT NULL)")
    other.execute("CREATE TABLE other (id serial PRIMARY KEY)")
    found = projects.make_registry(
        tmp_path, make(tmp_path, "equal", equal, monkeypatch), make(tmp_path, "other", other, monkeypatch)
    )

    with opened(found) as ready:
        dry = adopt.run(ready, found.services, Seen(), dry_run=True)
        done = adopt.run(ready, found.services, Seen())

    assert outcomes_by_name(dry) == {"equal": "would stamp", "other": "adopt-differs"}
    assert outcomes_by_name(done) == {"equal": "stamped", "other": "adopt-differs"}


def test_revision_brings_its_file_home(
    tmp_path: Path, new_database: NewDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A changed model gets one file beside the others; where nothing changed, nothing is written."""
    services = [make(tmp_path, name, new_database(), monkeypatch) for name in ("shop", "calm")]
    services[0].write_models(projects.table("shop", "name: Mapped[str]", "note: Mapped[str | None]"))
    found = projects.make_registry(tmp_path, *services)

    with opened(found) as ready:
        done = {
            each.service.name: each.value
            for each in revision.run(ready, found.services, revision.Options("A note"), Seen())
        }
        again = [each.value for each in revision.run(ready, found.services, revision.Options("A note"), Seen())]

    shop, calm = done["shop"], done["calm"]
    assert shop is not None
    assert calm is not None
    assert (shop.unchanged, shop.follows, shop.operations) == (False, "shop1", 1)
    assert list(services[0].history) == sorted(["shop1_.py", shop.file])
    assert shop.copied == len(services[0].history[shop.file].encode())
    assert (calm.unchanged, calm.file) == (True, "")
    assert list(services[1].history) == ["calm1_.py"]
    assert [each is not None and each.unchanged for each in again] == [True, True]


def test_revision_goes_where_its_branch_is(
    tmp_path: Path, new_database: NewDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With several version locations, the file goes to the one of the revision that it follows."""
    service = projects.make_service(
        tmp_path / "shop",
        models=projects.table("shop", "name: Mapped[str]"),
        ini=projects.INI
        + "version_locations = %(here)s/migrations/versions%(here)s/migrations/more\n".replace(
            "versions%", "versions:%"
        ),
        history=[projects.revision("a1", branch_labels=["a"])],
        files={"migrations/more/b1_.py": projects.revision("b1", branch_labels=["b"]).text},
        heads=2,
    )
    service.connects_to(monkeypatch, new_database().asyncpg)
    found = projects.make_registry(tmp_path, service)

    with opened(found) as ready:
        [done] = revision.run(ready, found.services, revision.Options("shop", head="b"), Seen())

    assert done.value is not None, done.failure
    assert done.value.file.startswith("more/")
    assert (service.migrations / done.value.file).is_file()
    assert list(service.history) == ["a1_.py"]


@pytest.fixture
def bakery(tmp_path: Path, new_database: NewDatabase, monkeypatch: pytest.MonkeyPatch) -> model.Fleet:
    """A copy of the example fleet, each database on the test server."""
    shutil.copytree(
        ROOT / "examples", tmp_path / "examples", ignore=lambda folder, names: [n for n in names if "__pycache__" in n]
    )
    for file in tmp_path.glob("examples/*/*/migrations/versions/*.py"):
        file.unlink()
    text = (ROOT / "services.yaml").read_text().replace("database: embedded", "database: environment")
    (tmp_path / "services.yaml").write_text(text)
    found = load.load(tmp_path)
    databases = {each.database: new_database() for each in found.services}
    for each in found.services:
        monkeypatch.setenv(each.url_variable, databases[each.database].asyncpg)
    return found


def test_the_life_of_the_example_fleet(bakery: model.Fleet) -> None:
    """Fourteen services: generated, applied, at head, adopted where something else made the tables, nothing to revise."""
    with opened(bakery) as ready:
        regenerated = regenerate.run(ready, bakery.services, regenerate.Options(), Seen(), facts={})
        before = [each.value.state for each in status.run(ready, bakery.services, Seen()) if each.value is not None]
        plan = apply.look(ready, bakery.services, apply.Options(), Seen())
        applied = apply.run(ready, plan, Seen())
        after = [each.value for each in status.run(ready, bakery.services, Seen())]
        revised = revision.run(ready, bakery.services, revision.Options("nothing"), Seen())
        adopted = adopt.run(ready, bakery.services, Seen())

    assert [each.failure for each in regenerated if not each.ok] == []
    assert before == ["empty"] * 14
    assert set(outcomes_by_name(applied).values()) == {"upgraded"}
    assert [each is not None and each.state for each in after] == ["at_head"] * 14
    assert [each.failure for each in revised if not each.ok] == []
    assert all(each.value is not None and each.value.unchanged for each in revised)
    assert set(outcomes_by_name(adopted).values()) == {"nothing to do"}
    tables = {each.name: each.tables for each in after if each is not None}
    expected = {each.service.name: each.value.tables for each in regenerated if each.value is not None}
    assert tables == expected
