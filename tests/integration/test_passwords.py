"""Passwords that a command prints: asked for once a service and run, and never for longer than allowed."""

from __future__ import annotations

import dataclasses
import sys
import threading
from pathlib import Path

import pytest

from stillroom import passwords
from stillroom.registry import model
from stillroom.targets import base
from tests.support import projects


def asking(folder: Path, *command: str) -> model.Service:
    """A service with this command."""
    fleet = projects.make_registry(folder, projects.make_service(folder / "shop"))
    return dataclasses.replace(fleet.services[0], password_command=command)


def test_a_command_is_run_once_for_all_that_ask_at_the_same_time(tmp_path: Path) -> None:
    """In the folder of the registry; blanks around what it prints are no part of the password."""
    code = "import pathlib; pathlib.Path('asked').open('a').write('x'); print('  s3cret ')"
    service = asking(tmp_path, sys.executable, "-c", code)
    known = passwords.Passwords()
    found: list[str] = []
    threads = [threading.Thread(target=lambda: found.append(known.of(service, tmp_path).unmask())) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert found == ["s3cret"] * 4
    assert (tmp_path / "asked").read_text() == "x"


def test_a_command_that_does_not_end_is_ended(tmp_path: Path) -> None:
    """And told without what it printed until then."""
    service = asking(tmp_path, sys.executable, "-c", "print('hush-hush', flush=True); import time; time.sleep(600)")
    with pytest.raises(base.TargetFailed, match=r"did not end within 0\.2 s") as caught:
        passwords.Passwords(seconds=0.2).of(service, tmp_path)
    assert "hush-hush" not in caught.value.message + caught.value.mend + caught.value.detail


@pytest.mark.parametrize("printed", ["", "two\\nlines", "\\x00"])
def test_what_is_no_password_is_an_error(tmp_path: Path, printed: str) -> None:
    """A progress message beside the token, say, would be refused by every server, and nobody would know why."""
    service = asking(tmp_path, sys.executable, "-c", f"print('{printed}')")
    with pytest.raises(base.TargetFailed, match="did not print one line of text"):
        passwords.Passwords().of(service, tmp_path)
