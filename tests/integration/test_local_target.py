"""The local target: the runtime from where it lies, or carried to another interpreter; prepared ahead of its first use."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from stillroom.runtime.wire import protocol
from stillroom.targets import base, channel, local
from tests.support import targets


@pytest.fixture
def target() -> Iterator[local.Local]:
    """A target of the test's own."""
    made = local.Local()
    yield made
    made.close()


@pytest.fixture
def other_python(tmp_path: Path) -> str:
    """This interpreter under another name, which the target can't know to be the same."""
    made = tmp_path / "python"
    made.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n', encoding="utf-8")
    made.chmod(0o755)
    return str(made)


def _ask(target: local.Local, python: str | None) -> dict[str, Any]:
    asked = protocol.Request(id=f"r{os.urandom(4).hex()}", operation="echo", service={}, options={"n": 1})
    return channel.converse(target.start(asked.id, targets.service(python=python)), asked, channel.Quiet())


def _fails(target: local.Local, python: str | None) -> str:
    """The traceback of an operation that takes a service's facts and gets none."""
    asked = protocol.Request(id="r1", operation="status", service={}, options={})
    with pytest.raises(Exception, match="TypeError") as caught:
        channel.converse(target.start(asked.id, targets.service(python=python)), asked, channel.Quiet())
    return str(getattr(caught.value, "detail", ""))


def test_our_own_interpreter_runs_the_runtime_from_where_it_lies(target: local.Local) -> None:
    """Under the carried name all the same, so that a service may use stillroom itself."""
    assert _ask(target, None)["options"] == {"n": 1}
    from stillroom import runtime

    assert f'File "{Path(runtime.__file__).parent / "facts.py"}"' in _fails(target, None)


def test_another_interpreter_gets_the_runtime_carried(target: local.Local, other_python: str) -> None:
    """Out of memory: it may belong to somebody who can't read our files."""
    assert _ask(target, other_python)["options"] == {"n": 1}
    assert 'File "<carried>/stillroom_carried/facts.py"' in _fails(target, other_python)


def test_what_is_prepared_is_used(target: local.Local) -> None:
    """Preparing twice starts nothing twice; the first request finds the parent that was begun."""
    target.prepare([targets.service(), targets.service(python=sys.executable)])
    target.prepare([targets.service()])
    (parent,) = target._parents.values()
    _ask(target, None)
    assert list(target._parents.values()) == [parent]


def test_preparing_fails_where_it_is_used(target: local.Local) -> None:
    """One service's wrong interpreter is not the end of the others."""
    target.prepare([targets.service(python="/nowhere/python"), targets.service()])
    assert _ask(target, None)["options"] == {"n": 1}
    with pytest.raises(base.TargetFailed) as caught:
        target.start("r1", targets.service(python="/nowhere/python"))
    assert caught.value.code == "interpreter-missing"


def test_what_was_prepared_and_not_used_ends_with_the_target() -> None:
    """No process is left behind."""
    target = local.Local()
    target.prepare([targets.service()])
    (parent,) = target._parents.values()
    target.close()
    assert parent._process.returncode is not None
