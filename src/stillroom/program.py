"""The command `stillroom`: what `invoke` gives in a clone, wherever the extra `cli` is installed; without it, says so."""

from __future__ import annotations

import importlib.util
import sys

__all__ = ["main", "missing"]

_NEEDED = {"invoke": "invoke", "pydantic": "pydantic", "yaml": "PyYAML", "rich": "rich", "jinja2": "Jinja2"}
_OLDEST = (3, 11)
_WRONG_USE = 2


def missing() -> list[str]:
    """The distributions of the extra `cli` that are not installed."""
    return [name for module, name in _NEEDED.items() if importlib.util.find_spec(module) is None]


def main() -> None:
    """Runs the commands; ends with 2 where they are not installed."""
    absent = missing()
    if absent or sys.version_info < _OLDEST:
        sys.stderr.write(_excuse(absent))
        sys.exit(_WRONG_USE)
    from invoke.program import Program

    from stillroom import __version__
    from stillroom.tasks import namespace

    Program(namespace=namespace, name="Stillroom", binary="stillroom", version=__version__).run()


def _excuse(absent: list[str]) -> str:
    """What is missing, and what is there without it."""
    lines = []
    if sys.version_info < _OLDEST:
        lines.append("stillroom: the commands need Python 3.11 or newer; the runtime runs on 3.10")
    if absent:
        lines.append(f"stillroom: the commands are the extra `cli`, which is not installed ({', '.join(absent)})")
        lines.append("install it: pip install 'stillroom[cli]'")
    lines.append("what is installed is the runtime of service images: python -m stillroom.runtime --help")
    return "\n".join(lines) + "\n"
