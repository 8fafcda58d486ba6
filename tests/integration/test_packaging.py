"""What is installed: the base is the runtime and nothing more, and what is missing beside it is named."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import tomllib
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
BASE = ("alembic", "asyncpg", "sqlalchemy", "greenlet", "mako", "markupsafe", "typing_extensions")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from a copy of what it is built from."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    source.mkdir()
    for name in ("pyproject.toml", "README.md", "src", "tasks", "templates"):
        subprocess.run(["cp", "-r", str(ROOT / name), str(source)], check=True)
    done = subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder), str(source)],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    (made,) = folder.glob("*.whl")
    return made


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel unpacked, and its base dependencies as this environment has them; none of any extra."""
    folder = tmp_path_factory.mktemp("installed")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    for name in BASE:
        found = importlib.util.find_spec(name)
        assert found is not None and found.origin is not None, name
        origin = Path(found.origin)
        source = origin.parent if origin.name == "__init__.py" else origin
        (folder / source.name).symlink_to(source)
    return folder


def python(installed: Path, code: str, *arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Runs code with nothing importable but the standard library and that folder."""
    bare = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return subprocess.run(
        [sys.executable, "-S", "-P", "-c", f"import sys; sys.path.insert(0, {str(installed)!r})\n{code}", *arguments],
        cwd=cwd or installed,
        env=bare,
        capture_output=True,
        text=True,
    )


def test_the_base_install_is_the_runtime_and_nothing_more() -> None:
    """What it depends on: Alembic, SQLAlchemy, the driver. The rest are extras, and each extra has its own."""
    assert sorted(Requirement(each).name for each in PROJECT["project"]["dependencies"]) == [
        "alembic",
        "asyncpg",
        "sqlalchemy",
    ]
    extras = PROJECT["project"]["optional-dependencies"]
    names = {extra: {Requirement(each).name for each in extras[extra]} for extra in ("service", "metrics", "cli")}
    assert names["service"] == {"fastapi", "structlog"}
    assert names["metrics"] == {"prometheus-client"}
    assert {"invoke", "jinja2", "pydantic", "PyYAML", "rich"} == names["cli"]


def test_the_wheel_holds_every_file_of_the_packages_and_no_other(wheel: Path) -> None:
    """Each package, its SQL, schemas and templates; no test, no example, nothing of a machine."""
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if ".dist-info/" not in name}
    source = {
        f"stillroom/{path.relative_to(ROOT / 'src' / 'stillroom')}"
        for path in (ROOT / "src" / "stillroom").rglob("*")
        if path.suffix in (".py", ".sql", ".json", ".typed") and "__pycache__" not in path.parts
    }
    for name, endings in (("tasks", (".py",)), ("templates", (".py", ".j2"))):
        source |= {f"stillroom/{name}/{path.name}" for path in (ROOT / name).iterdir() if path.suffix in endings}
    assert held == source


def test_every_module_of_the_runtime_can_be_imported_without_any_extra(installed: Path) -> None:
    """What services import as well: structlog, FastAPI and prometheus-client are asked for when they are used."""
    code = """
import importlib, pkgutil, stillroom.runtime
wrong = []
for each in pkgutil.walk_packages(stillroom.runtime.__path__, "stillroom.runtime."):
    if each.name.rpartition(".")[2] != "__main__":
        importlib.import_module(each.name)
    wrong += [name for name in ("structlog", "fastapi", "starlette", "prometheus_client", "invoke") if name in sys.modules]
print(sorted(set(wrong)))
"""
    ran = python(installed, code)
    assert (ran.returncode, ran.stdout) == (0, "[]\n"), ran.stderr


def test_the_runtime_has_a_command_line_without_any_extra(installed: Path) -> None:
    """`python -m stillroom.runtime --help`."""
    ran = python(
        installed,
        "import runpy; sys.argv = ['x', '--help']; runpy.run_module('stillroom.runtime', run_name='__main__')",
    )
    assert ran.returncode == 0, ran.stderr
    assert "migrate" in ran.stdout


@pytest.mark.parametrize("arguments", [[], ["--list"], ["regenerate"]])
def test_the_command_without_its_extra_names_it_and_exits_with_2(installed: Path, arguments: list[str]) -> None:
    """Not a traceback."""
    ran = python(installed, "from stillroom.program import main; main()", *arguments)
    assert ran.returncode == 2
    assert "pip install 'stillroom[cli]'" in ran.stderr
    assert "python -m stillroom.runtime" in ran.stderr
    assert "Traceback" not in ran.stderr
    assert ran.stdout == ""


@pytest.mark.parametrize(
    ("code", "extra"),
    [
        ("s.BaseFastAPIService('auth', 'postgresql://u@h/d')", "service"),
        ("s.configure_logging()", "service"),
        ("s.add_health_endpoints(None)", "service"),
        ("from stillroom.runtime.service import metrics; metrics.exposition()", "metrics"),
    ],
)
def test_what_needs_an_extra_names_it(installed: Path, code: str, extra: str) -> None:
    """As a fault with its mend; what does not need it works."""
    ran = python(
        installed,
        f"import stillroom.runtime.service as s\ns.logger().info('works')\n"
        f"try:\n    {code}\nexcept Exception as error:\n    print(error.code, error.mend)",
    )
    assert ran.stdout.splitlines() == ["[info] works", f"extra-missing pip install 'stillroom[{extra}]'"], ran.stderr


def test_the_command_with_its_extra_lists_the_tasks() -> None:
    """The same commands as `invoke` has in a clone."""
    assert PROJECT["project"]["scripts"] == {"stillroom": "stillroom.program:main"}
    ran = subprocess.run(
        [sys.executable, "-c", "from stillroom.program import main; main()", "--list"], capture_output=True, text=True
    )
    assert ran.returncode == 0, ran.stderr
    assert "regenerate" in ran.stdout
    assert importlib.metadata.version("invoke")
