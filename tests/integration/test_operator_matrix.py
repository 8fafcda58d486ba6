"""The operator side as it is installed, beside the oldest and the newest Invoke, on the oldest and the newest Python."""

from __future__ import annotations

import dataclasses
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import tomllib

from stillroom.embedded import binaries
from stillroom.embedded.cluster import Cluster
from tests.support import commands, interpreters, postgres, program

_ROOT = Path(__file__).parents[2]
_TWO = ("--service", "auth,tenant")


@dataclasses.dataclass(frozen=True)
class Beside:
    """What Stillroom is installed beside: a Python's minor version, and what pip is asked for."""

    python: str
    invoke: str


_BESIDE = (Beside("3.11", "2.2.1"), Beside("3.13", "3.*"))
"""The oldest that pyproject.toml allows, which is also what pip picks beside Fabric 3.2.3 (`invoke<3`); and the newest."""


@pytest.fixture(scope="module", params=_BESIDE, ids=lambda each: f"py{each.python}-invoke{each.invoke}")
def bakery(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[program.Program]:
    """The example fleet without a history, and an `invoke` of that version with Stillroom installed beside it."""
    python = _python(request.param)
    site = tmp_path_factory.mktemp("site")
    interpreters.install(python, _ROOT, site)
    folder = postgres.temporary_folder()
    folder.mkdir(parents=True)
    for name in ("services.yaml", "tasks.py"):
        shutil.copy(_ROOT / name, folder / name)
    ignored = shutil.ignore_patterns("__pycache__", "versions", ".*")
    shutil.copytree(_ROOT / "examples", folder / "examples", ignore=ignored)
    for name in ("auth", "tenant"):
        (folder / "examples" / "bakery" / name / "migrations" / "versions").mkdir()
    yield program.Program(folder, {"PYTHONPATH": str(site)}, python)
    Cluster(binaries.wheel(), folder / ".stillroom" / "postgres").remove()
    shutil.rmtree(folder, ignore_errors=True)


def _python(beside: Beside) -> Path:
    """An interpreter with what `stillroom[cli,embedded]` depends on; skipped, and told, where there is none."""
    found = interpreters.find()
    if beside.python not in found:
        pytest.skip(interpreters.absent(beside.python))
    said = tomllib.loads((_ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    extras = said["project"]["optional-dependencies"]
    wanted = [*said["project"]["dependencies"], *extras["cli"], *extras["embedded"], *said["build-system"]["requires"]]
    try:
        return interpreters.venv(found[beside.python], [*wanted, "wheel", f"invoke=={beside.invoke}"])
    except interpreters.Unavailable as problem:
        pytest.fail(str(problem), pytrace=False)


@pytest.fixture(scope="module")
def made(bakery: program.Program) -> program.Program:
    """After `regenerate --apply` of two services."""
    ran = bakery.run("regenerate", "--yes", "--apply", *_TWO)
    assert ran.code == 0, ran.told
    return bakery


def test_invoke_lists_every_command(bakery: program.Program, record_property: Callable[[str, object], None]) -> None:
    """With its own `--list`, and completes their names."""
    ran = bakery.run("--list")
    assert ran.code == 0, ran.told
    listed = [line.split()[0] for line in ran.stdout.splitlines() if line.startswith("  ") and line[2] != " "]
    assert listed == list(commands.NAMES)
    assert set(commands.NAMES) <= set(bakery.run("--complete", "--", "invoke ").stdout.split())
    record_property("table", f"operator side: {bakery.run('--version').stdout.strip()}")


def test_help_is_the_same_whichever_way_it_is_asked_for(bakery: program.Program) -> None:
    """With every flag, and dashes in them."""
    ran = bakery.run("--help", "cleanup")
    assert (ran.code, bakery.run("cleanup", "--help").stdout) == (0, ran.stdout)
    assert {"--environment=STRING", "--skip-backup"} <= set(ran.stdout.split())


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts(bakery: program.Program, shell: str) -> None:
    """Invoke prints one for each shell."""
    ran = bakery.run("--print-completion-script", shell)
    assert ran.code == 0, ran.told
    assert "complet" in ran.stdout


def test_the_whole_way_of_two_services(made: program.Program) -> None:
    """From models to databases at head; then nothing changes."""
    ran = made.run("status", "--json", *_TWO)
    assert ran.code == 0, ran.told
    assert [(each["name"], each["state"]) for each in ran.json["services"]] == [
        ("auth", "at_head"),
        ("tenant", "at_head"),
    ]
    for arguments in (["services"], ["check", *_TWO], ["preflight", *_TWO], ["apply", "--yes", *_TWO]):
        ran = made.run(*arguments)
        assert ran.code == 0, ran.told
    again = made.run("regenerate", "--yes", "--json", *_TWO)
    assert again.code == 0, again.told
    assert [each["copied"] for each in again.json["services"]] == [0, 0]


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["status", "--nonsense"], 1, "--nonsense"),
        (["status", "--service", "nobody"], 2, "nobody"),
        (["status", "--environment", "nowhere"], 2, "nowhere"),
        (["cleanup", *_TWO], 4, "--yes"),
        (["check", "--service", "sales"], 1, "sales"),
    ],
    ids=lambda each: " ".join(each) if isinstance(each, list) else None,
)
def test_exit_codes(made: program.Program, arguments: list[str], code: int, said: str) -> None:
    """A mistake of Invoke's own to tell, wrong use, refused, failed."""
    ran = made.run(*arguments)
    assert (ran.code, said in ran.stdout + ran.stderr) == (code, True), ran.told
    assert "Traceback" not in ran.stderr


def test_interrupted_at_a_question_and_at_work(made: program.Program) -> None:
    """Ctrl-C is 130 in both, and nothing was done."""
    with made.terminal("cleanup", "--service", "auth") as terminal:
        terminal.expect("[y/N]")
        terminal.type("\x03")
        assert terminal.finish().code == 130, terminal.screen
    with made.running("regenerate", "--yes", "--verbose", "--service", "tenant") as running:
        running.until("autogenerate")
        running.signal(signal.SIGINT)
        ran = running.finish()
    assert ran.code == 130, ran.told
    assert "✗ interrupted; not done: tenant" in ran.stderr
