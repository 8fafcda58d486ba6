"""Finding the registry, and picking services and environments from it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stillroom import errors
from stillroom.registry import load, model
from tests.unit import registry_help

_FLEET = registry_help.HERE + (
    "environments:\n"
    "  development: {target: local, database: embedded}\n"
    "  staging: {target: kubernetes, namespace: bakery-staging}\n"
    "services:\n  auth:\n  tenant:\n  alert-processor:\n  no:\n"
)


@pytest.fixture
def fleet(tmp_path: Path) -> model.Fleet:
    """A fleet of four services in two environments."""
    return registry_help.loaded(tmp_path, _FLEET)


@pytest.fixture(autouse=True)
def _no_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(load.VARIABLE, raising=False)


def test_the_file_is_found_in_a_folder_above(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From anywhere in a repository its registry is meant; paths start at the file and not at the current folder."""
    registry_help.written(tmp_path, _FLEET)
    below = tmp_path / "services" / "auth"
    below.mkdir(parents=True)
    monkeypatch.chdir(below)
    fleet = load.load()
    assert fleet.root == tmp_path
    assert fleet.path == tmp_path / "services.yaml"
    assert fleet.service("auth").path == tmp_path
    assert fleet.state == tmp_path / ".stillroom"


@pytest.mark.parametrize("named", ["elsewhere", "elsewhere/services.yaml"])
def test_a_variable_names_the_file_or_its_folder(named: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """STILLROOM_REGISTRY goes before what is found."""
    (tmp_path / "elsewhere").mkdir()
    registry_help.written(tmp_path / "elsewhere", registry_help.HERE + "services:\n  other:\n")
    registry_help.written(tmp_path, _FLEET)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(load.VARIABLE, named)
    assert load.load().names == ("other",)


def test_a_variable_that_names_nothing_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong STILLROOM_REGISTRY is not passed over in silence."""
    monkeypatch.setenv(load.VARIABLE, str(tmp_path / "gone.yaml"))
    with pytest.raises(errors.UsageError, match=r"gone\.yaml does not exist \(STILLROOM_REGISTRY\)"):
        load.load()


def test_no_file_anywhere_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Outside any repository the mend names the variable."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(errors.UsageError, match=r"there is no services\.yaml") as caught:
        load.load()
    assert load.VARIABLE in caught.value.mend


def test_a_wrong_file_says_how_many_mistakes_and_where(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One error, with the count, a line for each mistake beginning with the file's place, and what to read."""
    registry_help.written(tmp_path, registry_help.HERE + "services:\n  auth: {heads: 0}\n  Tenant:\n")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(errors.RegistryError, match=r"^services\.yaml has 2 mistakes$") as caught:
        load.load()
    assert caught.value.exit_code == 2
    first, second = caught.value.detail.splitlines()
    assert first.startswith("services.yaml:3:10  services.auth.heads: ")
    assert second.startswith("services.yaml:4:3  services.Tenant: ")
    assert "docs/registry.md" in caught.value.mend


def test_a_file_that_is_not_utf_8_is_located(tmp_path: Path) -> None:
    """The line and column of the first wrong byte are told."""
    file = tmp_path / "services.yaml"
    file.write_bytes("services:\n  é: {message: '".encode() + b"\xff'}\n")
    with pytest.raises(errors.RegistryError) as caught:
        load.load(file)
    assert ":2:17  not UTF-8" in caught.value.detail


def test_a_byte_order_mark_is_survived(tmp_path: Path) -> None:
    """Files that a Windows editor wrote load."""
    file = tmp_path / "services.yaml"
    file.write_bytes(b"\xef\xbb\xbf" + _FLEET.replace("\n", "\r\n").encode())
    assert load.load(file).names == ("auth", "tenant", "alert-processor", "no")


@pytest.mark.parametrize(
    ("patterns", "names"),
    [
        ([], "auth tenant alert-processor no"),
        (["tenant"], "tenant"),
        (["tenant", "auth"], "auth tenant"),
        (["tenant, auth"], "auth tenant"),
        (["a*"], "auth alert-processor"),
        (["?o", "auth"], "auth no"),
        (["auth", "auth,a[u]th"], "auth"),
        (["*"], "auth tenant alert-processor no"),
    ],
)
def test_services_are_selected(fleet: model.Fleet, patterns: list[str], names: str) -> None:
    """Names, lists with commas and globs; always in the order of the file, each once."""
    assert [service.name for service in load.select(fleet, patterns)] == names.split()


@pytest.mark.parametrize(
    ("pattern", "message", "mend"),
    [
        ("auht", "no service is called 'auht'", "Did you mean 'auth'?"),
        ("auth,x*", r"no service matches 'x\*'", "There are: auth, tenant, alert-processor, no"),
        (" , ", "no service is named", "There are: auth"),
    ],
)
def test_a_selection_of_nothing_is_refused(fleet: model.Fleet, pattern: str, message: str, mend: str) -> None:
    """A pattern that means no service is an error, never an empty run."""
    with pytest.raises(errors.UsageError, match=message) as caught:
        load.select(fleet, [pattern])
    assert mend in caught.value.mend


def test_services_are_selected_in_an_environment(fleet: model.Fleet) -> None:
    """The facts are those of the environment asked for, by name or as the environment itself."""
    staging = load.environment(fleet, "staging")
    assert load.select(fleet, ["auth"], staging) == load.select(fleet, ["auth"], "staging")
    assert load.select(fleet, ["auth"], staging)[0].namespace == "bakery-staging"
    assert load.select(fleet, ["auth"])[0].namespace is None


def test_environments_are_found(fleet: model.Fleet) -> None:
    """By name, or the default one."""
    assert load.environment(fleet).name == "development"
    assert load.environment(fleet, "staging").target == "kubernetes"


def test_an_unknown_environment_is_told(fleet: model.Fleet) -> None:
    """With what was probably meant and what there is."""
    with pytest.raises(errors.UsageError, match="no environment 'stagin'") as caught:
        load.environment(fleet, "stagin")
    assert caught.value.mend == "Did you mean 'staging'? There are: development, staging"


@registry_help.ANY_TIME
@given(data=st.data(), names=st.lists(st.from_regex("[a-z][a-z0-9]{0,6}", fullmatch=True), min_size=1, unique=True))
def test_any_subset_is_selected_in_order(
    data: st.DataObject, names: list[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Whatever the order and form of the patterns, the selection is the subset in the order of the file."""
    services = "".join(f"  {name}:\n" for name in names)
    fleet = registry_help.loaded(tmp_path_factory.mktemp("fleet"), registry_help.HERE + "services:\n" + services)
    chosen = data.draw(st.lists(st.sampled_from(names), min_size=1))
    for patterns in (chosen, [",".join(chosen)]):
        selected = [service.name for service in load.select(fleet, patterns)]
        assert selected == [name for name in names if name in chosen]


@pytest.mark.parametrize("module", ["stillroom.registry.model", "stillroom.registry.load", "stillroom.registry.order"])
def test_holding_a_fleet_needs_no_library(module: str) -> None:
    """What other parts import brings neither pydantic nor yaml with it, so that commands start fast."""
    program = f"import sys, {module}; sys.exit(sorted({{'pydantic', 'yaml'}} & set(sys.modules)) != [])"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
