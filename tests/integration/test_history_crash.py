"""Kill -9 at every step of replacing revision files: the next command finds the old history or the new one, whole."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

DRIVER = Path(__file__).with_name("history_driver.py")


def driven(*arguments: str) -> dict[str, Any]:
    """What the driver found (see there)."""
    done = subprocess.run([sys.executable, str(DRIVER), *arguments], capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize(
    ("mode", "old", "folder", "at_least"),
    [("coarse", 3, "plain", 10), ("fine", 3, "subfolder", 60), ("coarse", 340, "plain", 50)],
)
def test_a_kill_at_any_step_leaves_the_old_history_or_the_new_one(
    mode: str, old: int, folder: str, at_least: int
) -> None:
    """Before the commit it is undone, after it finished; what is said is what is found; nothing is left behind."""
    found = driven(mode, str(old), folder)
    assert found["wrong"] == []
    assert found["steps"] >= at_least
    assert found["undid"] > 0
    assert found["finished"] > 0


def test_a_kill_during_recovery_is_recovered_from_as_well() -> None:
    """Every step of the recovery from a kill at every step."""
    found = driven("twice", "3", "subfolder")
    assert found["wrong"] == []
    assert found["pairs"] > 100
