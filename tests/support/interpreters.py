"""Interpreters of other versions, and virtual environments made with them: once, into a cache folder of the user's.

    python = interpreters.venv(interpreters.find()["3.10"], ["sqlalchemy==1.4.*", "alembic==1.12.*"])

Where they are looked for: `STILLROOM_TEST_PYTHONS`, paths with `:` between them (what is said there and is none is an
error, and nothing else is looked at); else this interpreter for its own version, and `pyenv prefix` for the others.
"""

from __future__ import annotations

import concurrent.futures
import dataclasses
import functools
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from stillroom.embedded.lease import gate

__all__ = ["VARIABLE", "VERSIONS", "Interpreter", "Unavailable", "absent", "find", "install", "report", "venv", "venvs"]

VARIABLE = "STILLROOM_TEST_PYTHONS"
"""Names the interpreters to test with."""

VERSIONS = ("3.10", "3.11", "3.12", "3.13")
"""Those that services are tested with."""

_BASE = getattr(sys, "_base_executable", sys.executable)  # what the virtual environment of the tests was made with
_PATIENCE_SECONDS = 600.0  # against a hanging pip only
_WHOLE = "whole"  # written when everything else is there
_ASK = "import sys; print('%d.%d %d.%d.%d' % (sys.version_info[:2] + sys.version_info[:3]))"


class Unavailable(Exception):
    """What was named is no interpreter, or pip can't install for it; the text tells why."""


@dataclasses.dataclass(frozen=True)
class Interpreter:
    """One that is there.

    Attributes:
        path: its program.
        minor: `3.10`.
        version: `3.10.13`.
        by: who told of it.
    """

    path: Path
    minor: str
    version: str
    by: str


@functools.cache
def find() -> Mapping[str, Interpreter]:
    """The interpreters of this machine, by `VERSIONS`; those that are not there are missing.

    Raises:
        Unavailable: the variable names something that is no interpreter.
    """
    said = os.environ.get(VARIABLE)
    if said is not None:
        named = [_asked(Path(each), VARIABLE) for each in said.split(os.pathsep) if each]
        return {each.minor: each for each in reversed(named)}
    found = {}
    for minor in VERSIONS:
        path = Path(_BASE) if minor == _running() else _pyenv(minor)
        if path is not None:
            found[minor] = _asked(path, "the one that runs the tests" if minor == _running() else "pyenv")
    return found


def report() -> str:
    """One line: which there are, and which there are not."""
    found = find()
    told = [f"{each.version} ({each.by})" for each in found.values()]
    told += [f"{minor} ABSENT" for minor in VERSIONS if minor not in found]
    return "interpreters: " + ", ".join(told)


def absent(minor: str) -> str:
    """What to say where a version is missing."""
    return (
        f"there is no Python {minor} here: name it in {VARIABLE} (paths, with {os.pathsep} between them), "
        f"or install it with pyenv install {minor}"
    )


def venv(interpreter: Interpreter, requirements: Sequence[str]) -> Path:
    """The interpreter of a virtual environment that has these packages; made where it was not.

    What a range (`alembic==1.20.*`) was resolved to stays until somebody removes the folder.

    Raises:
        Unavailable: pip failed.
    """
    wanted = "\n".join([str(interpreter.path), interpreter.version, *requirements])
    kept = _cache() / f"python{interpreter.minor}-{hashlib.sha256(wanted.encode()).hexdigest()[:16]}"
    if not (kept / _WHOLE).exists():
        with gate(_cache() / f"{kept.name}.lock"):
            if not (kept / _WHOLE).exists():
                _make(interpreter, requirements, kept)
    return kept / "bin" / "python"


def install(python: Path, checkout: Path, folder: Path) -> None:
    """Installs a checkout, without what it depends on, into a folder: what its wheel holds, and nothing else.

    Args:
        python: an interpreter that has the setuptools which the checkout is built with; see `venv`.
        checkout: it is copied first, since building leaves files where it builds.
        folder: where modules are put; for `PYTHONPATH`.

    Raises:
        Unavailable: it can't be built.
    """
    with tempfile.TemporaryDirectory() as temporary:
        copy = Path(temporary) / "checkout"
        ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
        for name in ("src", "tasks", "templates"):
            shutil.copytree(checkout / name, copy / name, ignore=ignored)
        for name in ("pyproject.toml", "README.md"):
            shutil.copy(checkout / name, copy / name)
        alone = ["--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--no-compile", "--target", str(folder)]
        _run([*_pip(python), "install", *alone, str(copy)], "install the checkout")


def venvs(wanted: Iterable[tuple[Interpreter, Sequence[str]]]) -> list[Path]:
    """The same for several, two at a time."""
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        return list(pool.map(lambda each: venv(*each), wanted))


def _running() -> str:
    return f"{sys.version_info.major}.{sys.version_info.minor}"


def _pyenv(minor: str) -> Path | None:
    """What `pyenv prefix` says; also where it is neither on the path nor told its root, but runs these tests."""
    root = _pyenv_root()
    program = shutil.which("pyenv") or (root and shutil.which("pyenv", path=str(root / "bin")))
    if not program:
        return None
    env = {**os.environ, **({"PYENV_ROOT": str(root)} if root else {})}
    done = subprocess.run(
        [program, "prefix", minor], capture_output=True, text=True, timeout=_PATIENCE_SECONDS, env=env
    )
    path = Path(done.stdout.strip()) / "bin" / "python"
    return path if done.returncode == 0 and path.is_file() else None


def _pyenv_root() -> Path | None:
    if "PYENV_ROOT" in os.environ:
        return Path(os.environ["PYENV_ROOT"])
    versions = next((each for each in Path(_BASE).resolve().parents if each.name == "versions"), None)
    return versions.parent if versions else None


def _asked(path: Path, by: str) -> Interpreter:
    try:
        done = subprocess.run([path, "-c", _ASK], capture_output=True, text=True, timeout=_PATIENCE_SECONDS)
    except OSError as error:
        raise Unavailable(f"{by} names {path}: {error.strerror}") from None
    words = done.stdout.split()
    if done.returncode != 0 or len(words) != 2:
        raise Unavailable(f"{by} names {path}, which is no Python: {done.stderr.strip()[-200:]}")
    return Interpreter(path, words[0], words[1], by)


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "stillroom-tests" / "venvs"


def _make(interpreter: Interpreter, requirements: Sequence[str], kept: Path) -> None:
    shutil.rmtree(kept, ignore_errors=True)  # what a killed session left
    _run([str(interpreter.path), "-m", "venv", "--without-pip", str(kept)], "make a virtual environment")
    _run([*_pip(kept / "bin" / "python"), "install", "--quiet", *requirements], f"install {' '.join(requirements)}")
    (kept / _WHOLE).write_text("\n".join(requirements))


def _pip(python: Path) -> list[str]:
    return [sys.executable, "-m", "pip", "--python", str(python), "--disable-pip-version-check"]


def _run(command: Sequence[str], what: str) -> None:
    done = subprocess.run(
        command,
        env={**os.environ, "DISABLE_SQLALCHEMY_CEXT": "1"},  # where there is no wheel, its speed is not what is tested
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=_PATIENCE_SECONDS,
    )
    if done.returncode:
        raise Unavailable(f"{command[0]} could not {what}: {done.stderr.strip()[-1000:]}")
