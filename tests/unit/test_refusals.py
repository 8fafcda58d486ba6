"""Why an interpreter did not start: too old for the runtime, or a file that is broken whichever Python reads it."""

from __future__ import annotations

import importlib.resources

import pytest

from stillroom.targets import refusals

TRACE = """Traceback (most recent call last):
  File "<stillroom>", line 31, in <module>
  File "{}", line 7
    x = (
        ^
{}
"""


@pytest.mark.parametrize("error", ["SyntaxError: '(' was never closed", "IndentationError: unexpected indent"])
def test_a_broken_file_is_named(error: str) -> None:
    """With its line, and a mend that is about it."""
    failed = refusals.of("/venv/bin/python", TRACE.format("/srv/app/models.py", error))
    assert failed.message.endswith(f"{error} (/srv/app/models.py:7)")
    assert "3.10" not in failed.mend and "py_compile /srv/app/models.py" in failed.mend


@pytest.mark.parametrize(
    "said",
    [
        TRACE.format("<carried>/stillroom_carried/entry.py", "SyntaxError: invalid syntax"),
        TRACE.format(f"{importlib.resources.files('stillroom.runtime')}/entry.py", "SyntaxError: invalid syntax"),
        TRACE.format("/srv/app/models.py", "TypeError: unsupported operand"),
        "",
    ],
)
def test_what_cannot_read_the_runtime_is_too_old(said: str) -> None:
    """Our own files are sound; and silence tells nothing of a file."""
    failed = refusals.of("/venv/bin/python", said)
    assert "has to be Python 3.10 or newer" in failed.mend
    assert (said.strip().splitlines() or ["it said nothing"])[-1] in failed.message
