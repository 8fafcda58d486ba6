"""`invoke check`: histories by their files alone, in every form in which published projects have them."""

from __future__ import annotations

from pathlib import Path

import pytest

from stillroom import check, reports
from stillroom.registry import load
from tests.support import fleets, projects

INI = "[alembic]\nscript_location = migrations\n"


def source(id_: str, down: object = None, *, top: str = "", up: str = "op.execute('x')", down_body: str = "") -> str:
    """A revision file."""
    body = down_body or "op.execute('y')"
    return (
        f"from alembic import op\n{top}\nrevision = {id_!r}\ndown_revision = {down!r}\n\n\n"
        f"def upgrade():\n    {up}\n\n\ndef downgrade():\n    {body}\n"
    )


def project(root: Path, files: dict[str, str], *, ini: str = INI, env: str = "", **said: object) -> Path:
    """One service, `auth`: files by name (relative to its folder), and what the registry says of it."""
    folder = root / "auth"
    everything = {"alembic.ini": ini, "migrations/env.py": env or "from alembic import context\n", **files}
    for name, text in everything.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (folder / "migrations/versions").mkdir(parents=True, exist_ok=True)
    lines = [f"    {key}: {value}\n" for key, value in {"url_variable": "AUTH_URL", "path": "auth", **said}.items()]
    (root / "services.yaml").write_text(
        "environments:\n  local: {target: local}\nservices:\n  auth:\n" + "".join(lines)
    )
    return root


def looked(root: Path) -> reports.Report:
    """What check says of the one service."""
    fleet = load.load(root)
    (found,) = check.run(fleet, fleet.services, 1)
    return found


def codes(found: reports.Report, level: str = "error") -> list[str]:
    """The codes of the findings of one level."""
    return [str(each.data.get("code")) for each in found.findings if each.level == level]


def in_versions(**sources: str) -> dict[str, str]:
    """Files of `migrations/versions`; two underscores in a name are a folder."""
    return {f"migrations/versions/{name.replace('__', '/')}.py": text for name, text in sources.items()}


def test_a_sound_history_is_ok_with_its_facts(tmp_path: Path) -> None:
    """Revisions, bases, heads, operations by kind."""
    found = looked(project(tmp_path, in_versions(a=source("a"), b=source("b", "a", up="op.drop_table('t')"))))
    assert found.level == "ok"
    facts = found.facts
    assert (facts["revisions"], facts["bases"], facts["heads"]) == (2, ["a"], ["b"])
    assert facts["operations"] == {"drop_table": 1, "execute": 1}


def test_nothing_is_executed(tmp_path: Path) -> None:
    """Neither revisions nor env.py nor the application: each of them would leave a file."""
    bomb = f"open({str(tmp_path / 'ran')!r}, 'w')\n"
    files = in_versions(a=bomb + source("a", top="import app")) | {"app.py": bomb}
    found = looked(project(tmp_path, files, env=bomb))
    assert not codes(found)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("files", "code", "place"),
    [
        (in_versions(a=source("a") + "def broken(:\n"), "does-not-parse", "a.py:13"),
        (in_versions(a=source("a"), b=source("a")), "duplicate-id", "a.py:3"),
        (in_versions(a=source("a" * 33)), "id-too-long", "a.py:3"),
        (in_versions(a=source("a", "gone")), "missing-parent", "a.py:4"),
        (in_versions(a=source("a", "b"), b=source("b", "a")), "cycle", "py:4"),
        (in_versions(a=source("a"), b=source("b")), "unexpected-heads", "a.py:3"),
        (in_versions(a=source("a"), b="HELP = 1\n"), "not-a-revision", "b.py:1"),
        (in_versions(a="import x\n\nrevision = x.make()\ndown_revision = None\n"), "revision-not-literal", "a.py:3"),
        (in_versions(a="revision = 'a'\ndown_revision = None\n"), "no-upgrade", "a.py:2"),
    ],
)
def test_what_would_fail_is_told_with_file_and_line(
    tmp_path: Path, files: dict[str, str], code: str, place: str
) -> None:
    """One error, by name, and where it is."""
    found = looked(project(tmp_path, files))
    assert codes(found) == [code]
    error = found.errors[0]
    first = error.data["places"][0]
    assert f"{first['file']}:{first['line']}".endswith(place)
    assert first["file"].startswith("auth/migrations/versions/")
    assert error.mend


def test_several_heads_that_are_declared_are_sound(tmp_path: Path) -> None:
    """Several bases, a merge, a dependency between branches."""
    files = in_versions(
        a=source("a"),
        b=source("b", top="branch_labels = ('left',)"),
        c=source("c", ("a", "b")),
        d=source("d", top="depends_on = 'c'"),
    )
    found = looked(project(tmp_path, files, heads=2))
    assert (found.level, found.facts["bases"], found.facts["heads"]) == ("ok", ["a", "b", "d"], ["c", "d"])


def test_a_widened_version_table_takes_long_ids(tmp_path: Path) -> None:
    """Declared in services.yaml."""
    found = looked(project(tmp_path, in_versions(a=source("a" * 40)), version_width=64))
    assert found.level == "ok"


# Where the files are


def test_files_below_that_belong_to_the_history_are_missed(tmp_path: Path) -> None:
    """By year, say, where only the project's own code tells Alembic of it: Alembic's command line sees one head."""
    files = in_versions(a=source("a"), y2026__b=source("b", "a"), y2027__c=source("c", "b"))
    found = looked(project(tmp_path, files))
    assert codes(found) == ["unread-revisions"]
    assert "2 revision files that belong to this history lie" in found.errors[0].message
    assert "recursive_version_locations: true" in found.errors[0].mend
    assert found.errors[0].data["places"][0]["file"].endswith("y2026/b.py")


def test_they_are_missed_where_they_come_first(tmp_path: Path) -> None:
    """What is read follows them: that their folder is not read is the cause, and the missing parent is not told on top."""
    found = looked(project(tmp_path, in_versions(b=source("b", "a"), old__a=source("a"))))
    assert codes(found) == ["unread-revisions"]


def test_a_folder_of_folders_is_no_empty_history(tmp_path: Path) -> None:
    """All files lie below."""
    found = looked(project(tmp_path, in_versions(postgresql__a=source("a"), sqlite__b=source("b"))))
    assert codes(found) == ["unread-revisions"]
    assert not codes(found, "warning")


def test_once_declared_they_are_read(tmp_path: Path) -> None:
    """The mend is one."""
    files = in_versions(a=source("a"), y2026__b=source("b", "a"))
    root = project(tmp_path, files, recursive_version_locations="true")
    assert (looked(root).level, looked(root).facts["heads"]) == ("ok", ["b"])
    root = project(tmp_path, files, version_locations="[migrations/versions, migrations/versions/y2026]")
    assert (looked(root).level, looked(root).facts["heads"]) == ("ok", ["b"])


def test_a_folder_that_was_forgotten_in_the_declaration_is_told(tmp_path: Path) -> None:
    """The next year's."""
    files = in_versions(y2025__a=source("a"), y2026__b=source("b", "a"))
    found = looked(project(tmp_path, files, version_locations="[migrations/versions/y2025]"))
    assert codes(found) == ["unread-revisions"]


def test_another_database_s_history_beside_a_declared_one_is_left_alone(tmp_path: Path) -> None:
    """It has some of the same ids, and parts company then: it is no part of this one."""
    files = in_versions(
        postgresql__a=source("a"), postgresql__b=source("b", "a"), sqlite__a=source("a"), sqlite__c=source("c", "a")
    )
    found = looked(project(tmp_path, files, version_locations="[migrations/versions/postgresql]"))
    assert found.level == "ok"


def test_an_archive_is_a_warning(tmp_path: Path) -> None:
    """Old files that have nothing to do with the history."""
    found = looked(
        project(tmp_path, in_versions(new=source("new"), archive__a=source("a"), archive__b=source("b", "a")))
    )
    assert (codes(found), codes(found, "warning")) == ([], ["unread-folder"])


@pytest.mark.parametrize(
    "line",
    [
        "context.script.version_locations = [find()]",
        "context.config.set_main_option('version_locations', find())",
        "config.set_section_option('alembic', 'version_locations', find())",
    ],
)
def test_locations_that_env_decides_cannot_be_known(tmp_path: Path, line: str) -> None:
    """Only running it would tell: an error with its line, until services.yaml tells."""
    files = {"elsewhere/a.py": source("a")}
    root = project(tmp_path, files, env=f"from alembic import context\n{line}\n")
    found = looked(root)
    assert (codes(found), codes(found, "warning")) == (["version-locations-in-code"], [])
    assert "auth/migrations/env.py:2 sets version_locations" in found.errors[0].message
    root = project(tmp_path, files, env=f"from alembic import context\n{line}\n", version_locations="[elsewhere]")
    assert looked(root).level == "ok"


def test_an_env_that_only_reads_them_is_fine(tmp_path: Path) -> None:
    """Reading decides nothing."""
    env = "from alembic import context\nprint(context.script.version_locations)\n"
    assert looked(project(tmp_path, in_versions(a=source("a")), env=env)).level == "ok"


@pytest.mark.parametrize(
    ("ini", "code"),
    [
        ("[alembic]\nsqlalchemy.url = x\n", "script-location-missing"),
        ("[alembic]\nscript_location = {folder}\n", "script-location-missing"),
        ("[alembic]\nscript_location = migrations\nversion_locations = %(unset)s\n", "config-value"),
        ("[other]\nscript_location = migrations\n", "config-section-missing"),
        ("[alembic]\nscript_location = nowhere.at.all:migrations\n", "package-missing"),
    ],
)
def test_an_ini_that_only_code_completes_is_an_error(tmp_path: Path, ini: str, code: str) -> None:
    """One error; that there are no revisions is not told on top."""
    found = looked(project(tmp_path, in_versions(a=source("a")), ini=ini))
    assert (codes(found), codes(found, "warning")) == ([code], [])


def test_a_migrations_package_is_found_in_the_service_s_folder(tmp_path: Path) -> None:
    """`package:folder` without the service's interpreter, and not some other package of that name."""
    files = {
        "src/stillroom/__init__.py": "",
        "src/stillroom/migrations/env.py": "from alembic import context\n",
        "src/stillroom/migrations/versions/a.py": source("a"),
    }
    found = looked(project(tmp_path, files, ini="[alembic]\nscript_location = stillroom:migrations\n"))
    assert (found.level, found.facts["heads"]) == ("ok", ["a"])


def test_a_migrations_package_is_found_where_the_service_s_interpreter_has_it(tmp_path: Path) -> None:
    """Its site-packages are looked at; it is not started (it is an empty file)."""
    files = {
        "venv/bin/python": "",
        "venv/lib/python3.12/site-packages/shop/migrations/env.py": "from alembic import context\n",
        "venv/lib/python3.12/site-packages/shop/migrations/versions/a.py": source("a"),
    }
    ini = "[alembic]\nscript_location = shop:migrations\n"
    root = project(tmp_path, files, ini=ini, python="auth/venv/bin/python")
    (root / "auth/venv/bin/python").chmod(0o755)
    found = looked(root)
    assert (found.level, found.facts["heads"]) == ("ok", ["a"])


# What revisions do


def test_imports_of_the_application_are_told_and_others_are_not(tmp_path: Path) -> None:
    """The service's own modules, found in its folder, its src and beside the migrations; installed ones are no news."""
    files = in_versions(
        a=source("a", top="import sqlalchemy_utils, json"),
        b=source("b", "a", top="from app.models import Account"),
        c=source("c", "b", up="from shop import prices; op.execute('x')"),
        d=source("d", "c", top="from . import helper"),
    ) | {"app/models.py": "", "src/shop/prices.py": ""}
    found = looked(project(tmp_path, files))
    assert (found.level, codes(found, "note")) == ("ok", ["imports-application"])
    (note,) = (each for each in found.findings if each.level == "note")
    assert "3 of 4 revisions import the application (app.models, shop and .)" in note.message
    assert [(Path(each["file"]).name, each["line"]) for each in note.data["places"]] == [
        ("b.py", 2),
        ("c.py", 8),
        ("d.py", 2),
    ]


@pytest.mark.parametrize(
    ("text", "code", "level"),
    [
        (source("a").partition("\n\n\ndef downgrade")[0] + "\n", "no-downgrade", "warning"),
        (source("a", down_body="pass"), "empty-downgrade", "note"),
        (source("a", down_body='"""Nothing."""'), "empty-downgrade", "note"),
        (source("a", up="pass"), "empty-upgrade", "warning"),
    ],
)
def test_a_way_that_leads_nowhere_is_told(tmp_path: Path, text: str, code: str, level: str) -> None:
    """One finding for the service; what most real histories do is a note, and the service is well."""
    found = looked(project(tmp_path, in_versions(a=text)))
    assert (codes(found), codes(found, level)) == ([], [code])
    assert found.level == ("ok" if level == "note" else "warning")


@pytest.mark.parametrize(
    "text", [source("a", up="pass", down_body="pass"), source("a", down_body="raise NotImplementedError")]
)
def test_an_empty_revision_and_a_downgrade_that_refuses_are_fine(tmp_path: Path, text: str) -> None:
    """A merge point, a base, a step of no return: they say what they are."""
    assert looked(project(tmp_path, in_versions(a=text))).level == "ok"


# The command


@pytest.fixture
def two(tmp_path: Path) -> fleets.Fleet:
    """`auth` is sound, `sales` has two heads; neither has an interpreter or a database."""
    fleet = fleets.Fleet(tmp_path / "shop")
    for name, texts in (("auth", {"a.py": source("a")}), ("sales", {"a.py": source("a"), "b.py": source("b")})):
        made = projects.make_service(fleet.folder / name, history=texts)
        fleet.services[name] = made
    return fleet.written()


def test_the_command_shows_a_table_and_exits_with_1_on_errors(two: fleets.Fleet) -> None:
    """What is wrong stands below, with file and line; nothing needs a variable to be set."""
    ran = two.run("check")
    assert ran.code == 1
    assert [line.split() for line in ran.stdout.splitlines() if line.split()[:1] in (["auth"], ["sales"])] == [
        ["auth", "1", "1", "1", "a", "1", "0", "0"],
        ["sales", "2", "2", "2", "a,", "b", "2", "0", "1"],
    ]
    assert "✗ history: There are 2 heads where 1 is expected" in ran.stdout
    assert "sales/migrations/versions/a.py:3" in ran.stdout
    assert "check found errors in 1 of 2 services (sales)" in ran.stderr


def test_the_command_as_json_and_for_one_service(two: fleets.Fleet) -> None:
    """One document; what each file does only with --verbose."""
    ran = two.run("check", "--json", "--service", "auth")
    assert (ran.code, ran.json["ok"], [each["name"] for each in ran.json["services"]]) == (0, True, ["auth"])
    facts = ran.json["services"][0]["facts"]
    assert (facts["heads"], facts["operations"], "files" in facts) == (["a"], {"execute": 1}, False)
    told = two.run("check", "--json", "--verbose").json
    assert told["ok"] is False
    assert told["services"][0]["facts"]["files"][0]["operations"] == [{"line": 8, "operation": "execute"}]


def test_verbose_lists_all_operations(two: fleets.Fleet) -> None:
    """Each with its line."""
    ran = two.run("check", "--verbose", "--service", "auth")
    assert (ran.code, "operations: 1 execute" in ran.stdout, "      8  execute" in ran.stdout) == (0, True, True)
