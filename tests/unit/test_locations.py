"""alembic.ini and env.py read without Alembic and without running anything."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from stillroom.runtime import facts, faults
from stillroom.runtime.projects import locations


def written(folder: Path, text: str) -> Path:
    """An alembic.ini of this text."""
    ini = folder / "alembic.ini"
    ini.write_text(text)
    return ini


def test_defaults_are_alembics(tmp_path: Path) -> None:
    """Only `script_location`: its `versions`, not recursive, Alembic's file names."""
    found = locations.locations(written(tmp_path, "[alembic]\nscript_location = migrations\nother = %(unset)s\n"))
    assert found.script_location == tmp_path / "migrations"
    assert found.version_locations == (tmp_path / "migrations/versions",)
    assert (found.recursive, found.file_template, found.truncate_slug_length) == (False, "%(rev)s_%(slug)s", 40)
    assert found.prepend_sys_path == ()


def test_relative_paths_follow_the_folder_alembic_is_started_in(tmp_path: Path) -> None:
    """`cwd` says which; `%(here)s` is the file's own folder whatever it is."""
    ini = written(
        tmp_path, "[alembic]\nscript_location = migrations\nprepend_sys_path = .\nversion_locations = %(here)s/v\n"
    )
    found = locations.locations(ini, cwd=tmp_path / "elsewhere")
    assert found.script_location == tmp_path / "elsewhere/migrations"
    assert found.version_locations == (tmp_path / "v",)
    assert found.prepend_sys_path == (str(tmp_path / "elsewhere"),)


@pytest.mark.parametrize(
    ("declared", "folders"),
    [
        ("version_locations = a b", ["a", "b"]),
        ("version_locations = a, b", ["a", "b"]),
        ("version_locations = a:b\nversion_path_separator = :", ["a", "b"]),
        ("version_locations = a:b\nversion_path_separator = os", ["a", "b"]),
        ("version_locations = a;b\nversion_path_separator = ;", ["a", "b"]),
        ("version_locations = a b\nversion_path_separator = space", ["a", "b"]),
        ("version_locations =\n    a\n    with blank\npath_separator = newline", ["a", "with blank"]),
        ("version_locations = a:b c\npath_separator = :\nversion_path_separator = space", ["a", "b c"]),
        ("version_locations = /abs:b\npath_separator = os", ["/abs", "b"]),
    ],
)
def test_version_locations_are_split_as_declared(tmp_path: Path, declared: str, folders: list[str]) -> None:
    """Both names of the separator, the newer one first; without one, blanks and commas."""
    found = locations.locations(written(tmp_path, f"[alembic]\nscript_location = m\n{declared}\n"))
    assert found.version_locations == tuple(tmp_path / each for each in folders)


def test_another_section_inherits_from_default(tmp_path: Path) -> None:
    """`alembic -n tenants`, values from [DEFAULT], the other options."""
    ini = written(
        tmp_path,
        "[DEFAULT]\nscript_location = all\n[alembic]\nscript_location = one\n[tenants]\n"
        "recursive_version_locations = true\nfile_template = %%(year)d_%%(rev)s\nsourceless = true\n"
        "truncate_slug_length = 20\ntimezone = UTC\n",
    )
    found = locations.locations(ini, "tenants")
    assert found.script_location == tmp_path / "all"
    assert (found.recursive, found.sourceless, found.truncate_slug_length) == (True, True, 20)
    assert (found.file_template, found.timezone) == ("%(year)d_%(rev)s", "UTC")


def test_a_folder_inside_a_package_is_found_without_importing_it(tmp_path: Path) -> None:
    """`package.module:folder`, on the path that the ini file prepends; the package is not run."""
    package = tmp_path / "lib" / "bakery_that_explodes"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("raise SystemExit('imported')")
    ini = written(
        tmp_path,
        "[alembic]\nscript_location = bakery_that_explodes.db:migrations\nprepend_sys_path = lib\npath_separator = os\n",
    )
    assert locations.locations(ini).script_location == package / "db/migrations"


@pytest.mark.parametrize(
    ("text", "code", "words"),
    [
        (None, "config-missing", "There is no"),
        ("no section\n", "config-unreadable", "line: 1"),
        ("[alembic]\na = 1\na = 2\n", "config-unreadable", "already exists"),
        ("[other]\n", "config-section-missing", "it has [other]"),
        ("[alembic]\n", "script-location-missing", "has no `script_location`"),
        ("[alembic]\nscript_location = %(root)s/m\n", "config-value", "%(root)s/m"),
        ("[alembic]\nscript_location = m\nversion_locations = a\npath_separator = |\n", "config-value", "allowed are"),
        ("[alembic]\nscript_location = m\ntruncate_slug_length = ten\n", "config-value", "no number"),
        ("[alembic]\nscript_location = no_such_package_here:m\n", "package-missing", "'no_such_package_here'"),
    ],
)
def test_each_mistake_in_an_ini_file_is_told(tmp_path: Path, text: str | None, code: str, words: str) -> None:
    """The file, what is wrong, what is allowed."""
    ini = written(tmp_path, text) if text is not None else tmp_path / "alembic.ini"
    with pytest.raises(faults.ProjectFault) as caught:
        locations.locations(ini)
    assert caught.value.code == code
    assert words in caught.value.message
    assert "alembic.ini" in caught.value.message
    assert caught.value.mend


@pytest.mark.parametrize(
    ("source", "table", "schema"),
    [
        ("context.configure(connection=c)", "alembic_version", None),
        ("context.configure(version_table='auth_version')", "auth_version", None),
        (
            "T = 'auth' + '_version'\ncontext.configure(version_table=T, version_table_schema='auth')",
            "auth_version",
            "auth",
        ),
        ("context.configure(version_table_schema=None)", "alembic_version", None),
        (
            "def offline():\n    context.configure(url=u)\ndef online():\n    context.configure(connection=c)",
            "alembic_version",
            None,
        ),
        ("opts = {'compare_type': True}\ncontext.configure(**opts, version_table='v')", "v", None),
        ("structlog.configure(processors=[])\nalembic.context.configure(version_table='v')", "v", None),
    ],
)
def test_a_version_table_named_by_constants_is_known(source: str, table: str, schema: str | None) -> None:
    """Absent: Alembic's own name; constants, also through a name, are what they say."""
    assert locations.version_table_in_env(source) == locations.VersionTable(table, schema)


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("context.configure(version_table=settings.version_table)", "line 1: `settings.version_table`"),
        ("context.configure(version_table=f'{name}_version')", "line 1: `f'{name}_version'`"),
        ("context.configure(**options())", "line 1: `**options()`"),
        ("o = dict(version_table='v')\ncontext.configure(**o)", "`**dict(version_table='v')`"),
        ("from shared import run_migrations\nrun_migrations()", "does not call context.configure itself"),
        ("context.configure(version_table='a')\ncontext.configure(url=u)", "name different tables"),
    ],
)
def test_a_version_table_that_only_running_tells_is_unknown(source: str, why: str) -> None:
    """Never guessed: what stands there instead is said."""
    found = locations.version_table_in_env(source)
    assert not found.known
    assert why in found.why


def test_an_env_py_that_does_not_parse_is_told() -> None:
    """With its line."""
    with pytest.raises(faults.ProjectFault, match=r"env\.py, line 2") as caught:
        locations.version_table_in_env("x = 1\nx = = 2")
    assert caught.value.code == "env-does-not-parse"


# What the registry declares, and what a pyproject.toml says


def declaring(folder: Path, **said: Any) -> locations.Locations:
    """The places of a service in this folder."""
    return locations.of(facts.ServiceFacts("shop", str(folder), said.pop("config", None), **said))


TOML = """
[tool.alembic]
script_location = "%(here)s/database"
version_locations = ["%(here)s/database/a", "b"]
prepend_sys_path = ["src"]
recursive_version_locations = true
file_template = "%%(year)d_%%(rev)s"
"""


def test_a_pyproject_says_what_the_ini_file_does_not(tmp_path: Path) -> None:
    """Alone, or beside an ini file, which goes before it; as Alembic 1.16 has it."""
    (tmp_path / "pyproject.toml").write_text(TOML)
    found = declaring(tmp_path)
    assert (found.ini, found.toml, found.file) == (None, tmp_path / "pyproject.toml", tmp_path / "pyproject.toml")
    assert found.script_location == tmp_path / "database"
    assert found.version_locations == (tmp_path / "database/a", tmp_path / "b")
    assert found.prepend_sys_path == (str(tmp_path / "src"),)
    assert (found.recursive, found.file_template) == (True, "%(year)d_%(rev)s")
    written(tmp_path, "[alembic]\nversion_locations = c\nrecursive_version_locations = false\n")
    found = declaring(tmp_path)
    assert (found.script_location, found.version_locations) == (tmp_path / "database", (tmp_path / "c",))
    assert not found.recursive


def test_a_pyproject_of_other_tools_is_not_read(tmp_path: Path) -> None:
    """It may even be broken: that is somebody else's business."""
    (tmp_path / "pyproject.toml").write_text("[tool.black\n")
    with pytest.raises(faults.ProjectFault) as caught:
        declaring(tmp_path)
    assert caught.value.code == "config-missing"


def test_the_registry_goes_before_every_file(tmp_path: Path) -> None:
    """Folders start at the service's; there need not be a file at all."""
    assert declaring(tmp_path, script_location="m").version_locations == (tmp_path / "m/versions",)
    ini = written(tmp_path, "[alembic]\nscript_location = x\nversion_locations = y\nprepend_sys_path = z\n")
    found = declaring(
        tmp_path,
        config=str(ini),
        script_location="m",
        version_locations=("a", "/b"),
        recursive_version_locations=True,
        prepend_sys_path=("src",),
    )
    assert (found.script_location, found.version_locations) == (tmp_path / "m", (tmp_path / "a", Path("/b")))
    assert (found.recursive, found.prepend_sys_path) == (True, (str(tmp_path / "src"),))


def test_a_file_that_is_named_has_to_be_there(tmp_path: Path) -> None:
    """Also where the folder of env.py is named."""
    with pytest.raises(faults.ProjectFault) as caught:
        declaring(tmp_path, config=str(tmp_path / "database.ini"), script_location="m")
    assert caught.value.code == "config-missing"


@pytest.mark.parametrize(
    ("folders", "shown"),
    [
        (["/s/versions"], "0001.py"),
        (["/s/core", "/s/more"], "core/0001.py"),
        (["/s/a/versions", "/s/b/versions"], "a/versions/0001.py"),
    ],
)
def test_files_are_shown_with_what_tells_their_folders_apart(folders: list[str], shown: str) -> None:
    """And with no more, so that the same file is called the same everywhere."""
    places = [Path(each) for each in folders]
    assert locations.shown(places, places[0], "0001.py") == shown
