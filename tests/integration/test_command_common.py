"""What every command has: its options, its exit codes, its two streams."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import commands, fleets, projects


@pytest.fixture(scope="module")
def idle(tmp_path_factory: pytest.TempPathFactory) -> fleets.Fleet:
    """A fleet whose databases nobody asks for: nothing is listening where they are said to be."""
    fleet = fleets.Fleet(tmp_path_factory.mktemp("idle"))
    for name in ("auth", "sales", "salty"):
        fleet.services[name] = projects.make_service(fleet.folder / name)
        fleet.program.variables[fleet.services[name].url_variable] = "postgresql+asyncpg://me:hush@127.0.0.1:1/nowhere"
    return fleet.written()


def selected(fleet: fleets.Fleet, *arguments: str) -> list[str]:
    """The names that `invoke services` lists."""
    return [each["name"] for each in fleet.run("services", "--json", *arguments).json["services"]]


def test_the_list_names_every_command_in_a_line(idle: fleets.Fleet) -> None:
    """`invoke --list` in a repository of two lines."""
    ran = idle.run("--list")
    assert ran.code == 0
    listed = [line.split()[0] for line in ran.stdout.splitlines() if line.startswith("  ") and line[2] != " "]
    assert listed == sorted(commands.NAMES)


@pytest.mark.parametrize("name", commands.NAMES)
def test_each_has_the_common_options_with_dashes_and_help(idle: fleets.Fleet, name: str) -> None:
    """Every flag is explained, none has an underscore, and an example is shown."""
    ran = idle.run("--help", name)
    flags = [line.split()[0].partition("=")[0] for line in ran.stdout.splitlines() if line.startswith("  --")]
    common = {"--service", "--environment", "--namespace", "--jobs", "--json", "--verbose", "--debug"}
    assert common <= set(flags)
    assert not [flag for flag in flags if "_" in flag]
    assert not [line for line in ran.stdout.splitlines() if line.startswith("  --") and len(line.split()) == 1]
    assert "Example: " in ran.stdout


def test_services_are_chosen_by_name_list_and_glob(idle: fleets.Fleet) -> None:
    """Repeated, with commas, with a glob; always in the order of the file."""
    assert selected(idle) == ["auth", "sales", "salty"]
    assert selected(idle, "--service", "salty", "--service", "auth") == ["auth", "salty"]
    assert selected(idle, "--service", "sales,auth") == ["auth", "sales"]
    assert selected(idle, "--service", "sal*") == ["sales", "salty"]


@pytest.mark.parametrize(
    ("arguments", "message", "mend"),
    [
        (["--service", "auht"], "no service is called 'auht'", "Did you mean 'auth'? There are: auth, sales, salty"),
        (["--service", "x*"], "no service matches 'x*'", "There are: auth, sales, salty"),
        (["--environment", "locl"], "there is no environment 'locl' in services.yaml", "Did you mean 'local'?"),
        (
            ["--namespace", "shop"],
            "--namespace was given, but environment local has target local, which has no namespaces",
            "leave --namespace out, or name a kubernetes environment with --environment",
        ),
        (["--jobs", "many"], "--jobs many: a whole number of at least 1 is needed", "leave it out"),
        (["--jobs", "0"], "--jobs 0: a whole number of at least 1 is needed", "leave it out"),
    ],
)
def test_wrong_use_is_two_lines_and_exit_2(idle: fleets.Fleet, arguments: list[str], message: str, mend: str) -> None:
    """What happened and what to do, on standard error; with --json the same as a document, and nothing else there."""
    ran = idle.run("regenerate", *arguments)
    assert (ran.code, ran.stdout) == (2, ""), ran.told
    assert ran.stderr.splitlines()[0] == f"✗ {message}"
    assert ran.stderr.splitlines()[1].startswith(f"→ {mend}")
    assert len(ran.stderr.splitlines()) == 2
    machine = idle.run("regenerate", *arguments, "--json")
    assert (machine.code, machine.json["command"], machine.json["ok"]) == (2, "regenerate", False)
    assert machine.json["error"]["code"] == "wrong-use"
    assert machine.json["error"]["message"] == message
    assert machine.json["error"]["mend"].startswith(mend)


def test_an_unknown_flag_is_invokes_own_exit(idle: fleets.Fleet) -> None:
    """Which is 1, and names it."""
    ran = idle.run("services", "--bogus")
    assert (ran.code, ran.stdout) == (1, "")
    assert "--bogus" in ran.stderr


def test_a_traceback_is_for_debug_only(idle: fleets.Fleet) -> None:
    """With --debug it comes after the two lines, which are the same."""
    plain = idle.run("services", "--service", "auht")
    debug = idle.run("services", "--service", "auht", "--debug")
    assert "Traceback" not in plain.stderr
    assert debug.stderr.startswith(plain.stderr)
    assert "Traceback" in debug.stderr
    assert (plain.code, debug.code) == (2, 2)


def test_a_wrong_registry_shows_every_mistake_with_its_line(idle: fleets.Fleet, tmp_path: Path) -> None:
    """All at once, exit 2; nothing is a traceback."""
    (tmp_path / "tasks.py").write_text("from stillroom.tasks import namespace\n")
    (tmp_path / "services.yaml").write_text(
        "environments:\n  local: {target: lokal}\nservices:\n  auth: {paht: x}\n  Sales_: {}\n"
    )
    ran = idle.program.run("services", folder=tmp_path)
    assert (ran.code, ran.stdout) == (2, "")
    lines = ran.stderr.splitlines()
    assert lines[0].startswith("✗ services.yaml has ")
    for place, hint in (("2:", "did you mean 'local'"), ("4:", "did you mean 'path'"), ("5:", "Sales_")):
        assert [line for line in lines if line.startswith(f"services.yaml:{place}") and hint in line], ran.told
    assert lines[-1].startswith("→ ")
    machine = idle.program.run("services", "--json", folder=tmp_path)
    assert machine.json["error"]["code"] == "wrong-registry"
    assert [each["line"] for each in machine.json["error"]["data"]["mistakes"]][:2] == [2, 4]


def test_no_registry_at_all_is_told(idle: fleets.Fleet, tmp_path: Path) -> None:
    """And how to name one that lies elsewhere, which works."""
    (tmp_path / "tasks.py").write_text("from stillroom.tasks import namespace\n")
    ran = idle.program.run("services", folder=tmp_path)
    assert ran.code == 2
    assert "there is no services.yaml in" in ran.stderr
    assert "export STILLROOM_REGISTRY=" in ran.stderr
    found = idle.program.run(
        "services", "--json", folder=tmp_path, variables={"STILLROOM_REGISTRY": str(idle.folder / "services.yaml")}
    )
    assert [each["name"] for each in found.json["services"]] == ["auth", "sales", "salty"]


def test_commands_work_from_a_folder_below(idle: fleets.Fleet) -> None:
    """Paths still mean the same."""
    ran = idle.program.run("services", "--json", folder=idle.folder / "auth" / "migrations")
    assert ran.json["services"][0]["path"] == str(idle.folder / "auth")


def test_a_teams_own_tasks_can_mount_the_commands(idle: fleets.Fleet) -> None:
    """Under a name of their own, beside tasks that are called the same."""
    (idle.folder / "team").mkdir()
    (idle.folder / "team" / "tasks.py").write_text(
        "from invoke import Collection, task\n"
        "from stillroom.tasks import namespace as db\n\n\n"
        "@task\n"
        "def cleanup(c):\n"
        '    """The team\'s own."""\n'
        '    print("swept the floor")\n\n\n'
        'namespace = Collection(cleanup)\nnamespace.add_collection(db, name="db")\n'
    )
    folder = idle.folder / "team"
    assert "db.regenerate" in idle.program.run("--list", folder=folder).stdout
    assert idle.program.run("cleanup", folder=folder).stdout == "swept the floor\n"
    ran = idle.program.run("db.services", "--json", folder=folder)
    assert [each["name"] for each in ran.json["services"]] == ["auth", "sales", "salty"]


def test_json_is_one_document_also_when_services_fail(idle: fleets.Fleet) -> None:
    """Standard output holds it and nothing else; the failure is in it."""
    for name, code in (("cleanup", 1), ("apply", 1), ("preflight", 3)):
        ran = idle.run(name, "--json", "--service", "auth")
        assert ran.code == code, ran.told
        document = ran.json
        assert (document["command"], document["ok"]) == (name, False)
        assert document["services"][0]["name"] == "auth"


def test_a_reader_that_leaves_early_is_no_error(idle: fleets.Fleet) -> None:
    """`invoke services | true`."""
    done = subprocess.run(
        ["/bin/sh", "-c", f"'{sys.executable}' -m invoke services 3>&1 | true"],
        cwd=idle.folder,
        capture_output=True,
        text=True,
    )
    assert (done.stderr, done.returncode) == ("", 0)


def test_a_terminal_without_our_characters_gets_others(idle: fleets.Fleet) -> None:
    """An ASCII stream is no reason to fail."""
    ran = idle.run("services", "--service", "auht", variables={"PYTHONIOENCODING": "ascii"})
    assert ran.code == 2
    assert "no service is called 'auht'" in ran.stderr


def test_a_target_of_another_kind_is_refused_by_name(idle: fleets.Fleet) -> None:
    """Where this version can't reach it; --namespace is right in a cluster."""
    ran = idle.run("preflight", "--environment", "hosts")
    assert ran.code == 2
    assert "environment hosts has target ssh" in ran.stderr
    listed = idle.run("services", "--environment", "cluster", "--json")
    assert {each["namespace"] for each in listed.json["services"]} == {"shop"}


def test_services_lists_the_fleet(idle: fleets.Fleet) -> None:
    """As people read it: no line is padded with blanks, and the table fits."""
    ran = idle.run("services")
    assert ran.code == 0
    assert "3 services, environment local (target local)" in ran.stdout
    assert [line for line in ran.stdout.splitlines() if line != line.rstrip()] == []
    assert ran.stdout.count("_DATABASE_URL") == 3
    assert "protected" in idle.run("services", "--environment", "live").stdout
    assert json.loads(idle.run("services", "--json").stdout)["environment"] == "local"


_COMPLETED = """
source <("$0" -m invoke --print-completion-script bash)
invoke() { "$PYTHON" -m invoke "$@"; }
completed() {
    COMP_LINE="$1"; COMP_POINT=${#1}; read -ra COMP_WORDS <<<"$1"; COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); COMPREPLY=()
    _complete_invoke invoke "${COMP_WORDS[COMP_CWORD]}" invoke
    echo "${COMPREPLY[@]}"
}
completed "invoke re"
completed "invoke apply --d"
"""


def test_bash_completes_commands_and_flags(idle: fleets.Fleet) -> None:
    """With the script that the README names."""
    done = subprocess.run(
        ["bash", "-c", _COMPLETED, sys.executable],
        cwd=idle.folder,
        env={**os.environ, "PYTHON": sys.executable},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines() == ["regenerate render-manifests restore revision", "--debug --dry-run"], (
        done.stderr
    )
