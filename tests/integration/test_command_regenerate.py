"""`invoke regenerate`, as people type it: every option, what it prints, what it leaves alone."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import NewDatabase, NewRole
from tests.integration.conftest import SHOP
from tests.support import fleets, projects
from tests.support.postgres import Role

BROKEN = "import a_package_that_nobody_has\n"
TRIGGER = """
op.create_table("product", sa.Column("id", sa.Integer(), nullable=False), sa.Column("name", sa.String(), nullable=False),
                sa.PrimaryKeyConstraint("id"))
op.execute("CREATE VIEW product_names AS SELECT name FROM product")
"""


@pytest.fixture
def made(auth: fleets.Fleet) -> fleets.Fleet:
    """The fleet `auth`, with the history that regenerate makes."""
    assert auth.run("regenerate").code == 0
    return auth


@pytest.fixture
def viewed(tmp_path: Path, new_database: NewDatabase, owner: Role) -> fleets.Fleet:
    """One service, `shop`, whose history makes a view that its models do not show."""
    history = [projects.revision("0001", upgrade=TRIGGER, downgrade='op.execute("DROP TABLE product CASCADE")')]
    return fleets.Fleet(tmp_path / "fleet").add("shop", new_database(owner=owner), owner, history=history).written()


def git(folder: Path, *arguments: str) -> str:
    """What git prints."""
    who = ["-c", "user.name=test", "-c", "user.email=test@example.org"]
    return subprocess.run(
        ["git", "-C", str(folder), *who, *arguments], check=True, capture_output=True, text=True
    ).stdout


def only(document: Any) -> Any:
    """The one service of a document."""
    assert len(document["services"]) == 1
    return document["services"][0]


def test_each_service_gets_one_proven_baseline(shop: fleets.Fleet) -> None:
    """Both at once; the table says what was made; the databases are not touched; nothing asks, nothing existed."""
    catalogs = shop.catalogs()
    ran = shop.run("regenerate")
    assert ran.code == 0, ran.told
    rows = {line.split()[0]: line for line in ran.stdout.splitlines() if "✓ proven" in line}
    assert list(rows) == ["auth", "sales"]
    for name, row in rows.items():
        (file, text), *more = shop.history(name).items()
        assert not more
        assert file.partition("_")[0] in row
        assert f"{len(text.encode()):,}" in row
    assert shop.catalogs() == catalogs
    assert shop.leftovers() == []


def test_the_second_run_changes_nothing(made: fleets.Fleet) -> None:
    """`unchanged`, the same times, an empty git diff; no backup of what stayed."""
    git(made.folder, "init", "-q")
    git(made.folder, "add", "-A")
    git(made.folder, "commit", "-q", "-m", "first")
    with made.untouched():
        ran = made.run("regenerate", "--yes")
        assert ran.code == 0, ran.told
        assert "unchanged" in ran.stdout
        assert only(made.run("regenerate", "--yes", "--json").json)["copied"] == 0
    assert git(made.folder, "diff", "--stat") == ""
    assert made.run("restore", "--list").stdout == "there are no backups\n"


def test_a_dry_run_prints_the_plan_of_the_run_and_does_nothing(made: fleets.Fleet) -> None:
    """The same plan with or without --apply and the like; files, catalogs and Stillroom's own folder stay."""
    with made.untouched():
        ran = made.run("regenerate", "--dry-run", "--apply")
        assert ran.code == 0, ran.told
        planned = only(made.run("regenerate", "--dry-run", "--apply", "--json").json)
    database = made.databases["auth"]
    assert planned["address"] == f"127.0.0.1:{database.server.port}/{database.name}"
    assert planned["folder"] == str(made.services["auth"].versions)
    assert planned["replaces"] == list(made.history("auth"))
    assert (planned["backup"], planned["applies"], planned["resets"]) == (True, True, False)
    for said in (planned["address"], "auth/migrations/versions", "1 file, backed up", "upgraded"):
        assert said in ran.stdout
    made.services["auth"].write_models(SHOP + projects.table("extra"))
    done = only(made.run("regenerate", "--yes", "--apply", "--json").json)
    assert done["replaced"] == planned["replaces"]
    assert done["backup"]


def test_message_names_the_baseline(auth: fleets.Fleet) -> None:
    """In the file and in its name."""
    ran = auth.run("regenerate", "--message", "Opening day: 100% fresh")
    assert ran.code == 0, ran.told
    ((name, text),) = auth.history("auth").items()
    assert name.endswith("_opening_day_100_fresh.py")
    assert text.startswith('"""Opening day: 100% fresh\n')


def test_replaced_files_are_backed_up_unless_told_otherwise(made: fleets.Fleet) -> None:
    """One backup for what was replaced; none with --skip-backup."""
    old = made.history("auth")
    made.services["auth"].write_models(SHOP + projects.table("extra"))
    done = only(made.run("regenerate", "--yes", "--json").json)
    (kept,) = Path(done["backup"]).rglob("*.py")
    assert {kept.name: kept.read_text()} == old
    made.services["auth"].write_models(SHOP + projects.table("extra") + projects.table("more"))
    again = only(made.run("regenerate", "--yes", "--skip-backup", "--json").json)
    assert again["backup"] is None
    assert len(made.run("restore", "--list", "--json").json["backups"]) == 1


def test_apply_upgrades_the_database(auth: fleets.Fleet) -> None:
    """And the second time there is nothing to do."""
    ran = auth.run("regenerate", "--apply", "--yes")
    assert ran.code == 0, ran.told
    revision = next(iter(auth.history("auth"))).partition("_")[0]
    assert auth.databases["auth"].fetch("SELECT version_num FROM alembic_version") == [(revision,)]
    assert auth.databases["auth"].fetch("SELECT count(*) FROM account") == [(0,)]
    with auth.untouched():
        again = auth.run("regenerate", "--apply", "--yes")
        assert again.code == 0, again.told
    assert "at head" in again.stdout


def test_without_a_terminal_it_refuses_to_replace_or_apply(made: fleets.Fleet) -> None:
    """Exit 4, naming the flag; with --json as well."""
    with made.untouched():
        for arguments in ([], ["--apply"], ["--json"]):
            ran = made.run("regenerate", *arguments)
            assert ran.code == 4, ran.told
            assert "replace 1 revision file of 1 service" in ran.stderr
            assert "--yes" in ran.stderr.splitlines()[-1]
        assert ran.json["error"]["code"] == "refused"


def _without_coffee(service: projects.Made) -> None:
    """An env.py that fails where it connects, which preflight does not let it do."""
    env = (service.migrations / "env.py").read_text()
    service.write(
        "migrations/env.py",
        env.replace("    engine = create", "    raise RuntimeError('no coffee')\n    engine = create"),
    )


def test_one_failure_does_not_stop_the_others(shop: fleets.Fleet) -> None:
    """Exit 1; the failure comes last with its mend, and its message is in the document, too."""
    _without_coffee(shop.services["auth"])
    ran = shop.run("regenerate", "--skip-db-check")
    assert ran.code == 1, ran.told
    assert "RuntimeError: no coffee" in ran.stderr
    assert "migrations/env.py:20" in ran.stderr
    assert "Traceback" not in ran.stderr
    assert ran.stderr.rstrip().splitlines()[-1].strip().startswith("→ ")
    assert shop.history("auth") == {}
    assert len(shop.history("sales")) == 1
    assert "Traceback" in shop.run("regenerate", "--service", "auth", "--debug", "--skip-db-check").stderr
    document = shop.run("regenerate", "--json", "--yes", "--skip-db-check").json
    assert [each["ok"] for each in document["services"]] == [False, True]
    assert document["services"][0]["error"]["code"] == "service-code-failed"
    assert shop.leftovers() == []


def test_what_was_made_and_not_applied_is_told_as_both(auth: fleets.Fleet, owner: Role) -> None:
    """A database at a revision of another history refuses the upgrade; the file is named all the same."""
    database = auth.databases["auth"]
    database.execute(
        "CREATE TABLE alembic_version (version_num varchar(32) PRIMARY KEY);"
        "INSERT INTO alembic_version VALUES ('cafecafecafe')",
        role=owner,
    )
    ran = auth.run("regenerate", "--apply", "--yes", "--json")
    assert ran.code == 4, ran.told
    (entry,) = ran.json["services"]
    (file,) = auth.history("auth")
    assert (entry["ok"], entry["file"], entry["applied"]) == (False, file, None)
    assert entry["error"]["code"] == "unknown-revision"
    ran = auth.run("regenerate", "--apply", "--yes")
    (row,) = [line.split() for line in ran.stdout.splitlines() if line.startswith(" auth ")]
    assert (entry["revision"] in row, "proven" in row, "refused" in row) == (True, True, True), ran.told


def test_fail_fast_begins_nothing_new(shop: fleets.Fleet) -> None:
    """What was not begun is called skipped."""
    _without_coffee(shop.services["auth"])
    command = ("regenerate", "--skip-db-check", "--fail-fast", "--jobs", "1")
    ran = shop.run(*command)
    assert ran.code == 1, ran.told
    assert "skipped: sales (--fail-fast, auth failed)" in ran.stderr
    assert shop.history("sales") == {}
    assert [each.get("skipped") for each in shop.run(*command, "--json").json["services"]] == [
        None,
        "--fail-fast, auth failed",
    ]


def test_preflight_stops_it_before_anything_is_touched(shop: fleets.Fleet) -> None:
    """Exit 3 for both, although one is sound; with the finding and its mend, once."""
    shop.services["auth"].write_models(BROKEN)
    with shop.untouched():
        ran = shop.run("regenerate")
        assert ran.code == 3, ran.told
        assert (
            ran.stderr.count("a_package_that_nobody_has")
            == ran.stderr.count("pip install a_package_that_nobody_has") + 1
        )
        assert "--ignore-preflight" in ran.stderr.splitlines()[-1]
        machine = shop.run("regenerate", "--json")
        assert (machine.code, machine.json["error"]["code"]) == (3, "preflight-failed")
        (found,) = machine.json["error"]["data"]["errors"]["auth"]
        assert (found["check"], found["mend"].startswith("install it")) == ("models", True)


def test_ignoring_preflight_goes_on_with_what_is_sound(shop: fleets.Fleet) -> None:
    """The broken one fails by itself."""
    shop.services["auth"].write_models(BROKEN)
    ran = shop.run("regenerate", "--ignore-preflight")
    assert ran.code == 1, ran.told
    assert (len(shop.history("auth")), len(shop.history("sales"))) == (0, 1)


def test_skip_db_check_leaves_the_database_out_of_preflight(auth: fleets.Fleet) -> None:
    """So that the run itself finds out; the plan says that nobody looked."""
    away = {auth.services["auth"].url_variable: "postgresql+asyncpg://me:hush@127.0.0.1:1/nowhere"}
    assert auth.run("regenerate", variables=away).code == 3
    ran = auth.run("regenerate", "--skip-db-check", variables=away)
    assert ran.code == 1, ran.told
    assert "No PostgreSQL answers for 127.0.0.1:1/nowhere" in ran.stderr
    planned = auth.run("regenerate", "--skip-db-check", "--dry-run", "--json")
    assert planned.code == 0
    assert auth.run("regenerate", "--skip-db-check").code == 0


def test_check_existing_goes_on_where_the_target_has_the_same(made: fleets.Fleet) -> None:
    """Both histories are shown."""
    ran = made.run("regenerate", "--yes", "--check-existing")
    assert ran.code == 0, ran.told
    revision = next(iter(made.history("auth"))).partition("_")[0]
    assert f"both       {revision}" in ran.stderr
    assert "identical here and on the target (1 files)" in ran.stderr


def test_what_models_do_not_show_refuses_by_name(viewed: fleets.Fleet) -> None:
    """Exit 4; nothing is copied; the two ways out are named, and work."""
    with viewed.untouched():
        ran = viewed.run("regenerate", "--yes")
        assert ran.code == 4, ran.told
        assert "view:public.product_names" in ran.stderr
        assert "--carry-over" in ran.stderr
        assert "--accept-loss 'view:public.product_names'" in ran.stderr
        assert viewed.run("regenerate", "--yes", "--accept-loss", "view:public.other").code == 4
    carried = viewed.run("regenerate", "--yes", "--carry-over", "--skip-backup")
    assert carried.code == 0, carried.told
    assert "product_names" in next(iter(viewed.history("shop").values()))
    assert "schema from old to new, no difference" in carried.stderr


def test_a_loss_can_be_accepted_by_name_or_pattern(viewed: fleets.Fleet) -> None:
    """The baseline goes without, and the difference is printed."""
    ran = viewed.run("regenerate", "--yes", "--accept-loss", "table:*", "--accept-loss", "view:*names")
    assert ran.code == 0, ran.told
    assert "product_names" not in next(iter(viewed.history("shop").values()))
    assert "- view public.product_names" in ran.stderr


def test_verbose_shows_steps_and_what_the_services_code_prints(auth: fleets.Fleet) -> None:
    """Each with the service's name; without it neither is shown."""
    auth.services["auth"].write(
        "app/models.py",
        auth.services["auth"].path.joinpath("app/models.py").read_text() + "\nprint('hello from the models')\n",
    )
    ran = auth.run("regenerate", "--verbose")
    assert ran.code == 0, ran.told
    assert "auth | hello from the models" in ran.stderr
    steps = [line.partition(": ")[2] for line in ran.stderr.splitlines() if line.startswith("auth: ")]
    for step in ("scratch database", "autogenerate", "upgrade", "compare", "downgrade", "upgrade again", "copy back"):
        assert step in steps
    assert "hello" not in auth.run("regenerate", "--yes").stderr


def test_reset_in_place_needs_no_scratch_database(tmp_path: Path, new_database: NewDatabase, new_role: NewRole) -> None:
    """A role without CREATEDB is told so by name; in place it works, after a dump, and leaves the schema empty."""
    role = new_role()
    database = new_database(owner=role)
    fleet = fleets.Fleet(tmp_path / "fleet").add("auth", database, role).written()
    database.execute("GRANT ALL ON SCHEMA public TO PUBLIC; CREATE TABLE product (id int)")
    database.execute("ALTER TABLE product OWNER TO " + role.name)
    database.execute("INSERT INTO product VALUES (1)")
    refused = fleet.run("regenerate")
    assert refused.code == 3, refused.told
    assert f"ALTER ROLE {role.name} CREATEDB" in refused.stderr
    with fleet.untouched():
        unasked = fleet.run("regenerate", "--reset-in-place")
        assert unasked.code == 4, unasked.told
        assert f"empty the databases of 1 service (127.0.0.1:{database.server.port}/{database.name})" in unasked.stderr
    ran = fleet.run("regenerate", "--reset-in-place", "--yes", "--apply")
    assert ran.code == 0, ran.told
    assert database.fetch("SELECT count(*) FROM product") == [(0,)]
    told = [line.partition("to bring back: invoke ")[2] for line in ran.stderr.splitlines()]
    (command,) = filter(None, told)
    back = fleet.run(*command.split(), "--yes")
    assert back.code == 0, back.told
    assert database.fetch("SELECT * FROM product") == [(1,)]


def test_a_protected_environment_refuses_reset_in_place(auth: fleets.Fleet) -> None:
    """Unless both flags are right; generating on a scratch database destroys nothing, and needs neither."""
    name = auth.databases["auth"].name
    reset = ("regenerate", "--environment", "live", "--reset-in-place", "--yes")
    with auth.untouched():
        for wrong in (
            [],
            ["--allow-protected", "live"],
            ["--expect-database", name],
            ["--allow-protected", "local", "--expect-database", name],
            ["--allow-protected", "live", "--expect-database", "other"],
        ):
            ran = auth.run(*reset, *wrong)
            assert ran.code == 4, ran.told
    assert f"--allow-protected live --expect-database {name}" in auth.run(*reset).stderr
    assert auth.run(*reset, "--allow-protected", "live", "--expect-database", name).code == 0
    assert auth.run("regenerate", "--environment", "live", "--yes").code == 0


def test_the_scratch_database_that_the_registry_names_is_used(
    tmp_path: Path, new_database: NewDatabase, new_role: NewRole
) -> None:
    """And is as empty afterwards as it was."""
    role = new_role()
    fleet = fleets.Fleet(tmp_path / "fleet")
    given = new_database(owner=role)
    fleet.add("auth", new_database(owner=role), role, scratch_url_variable="AUTH_SCRATCH_URL")
    fleet.databases["given"] = given
    fleet.written()
    missing = fleet.run("regenerate")
    assert missing.code == 3, missing.told
    assert "AUTH_SCRATCH_URL is not set" in missing.stderr
    fleet.program.variables["AUTH_SCRATCH_URL"] = given.url(role=role)
    assert "the scratch database of $AUTH_SCRATCH_URL" in fleet.run("regenerate", "--dry-run").stdout
    before = fleet.catalogs()["given"]
    ran = fleet.run("regenerate")
    assert ran.code == 0, ran.told
    assert fleet.catalogs()["given"] == before
