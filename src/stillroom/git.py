"""The one door to git: which files of a folder are not committed.

Git that is not installed, a folder that is in no repository, a repository that git refuses: each is said, none is an
error, since migrations can be regenerated without.
"""

from __future__ import annotations

import dataclasses
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

__all__ = ["Changes", "uncommitted"]

_SECONDS = 30.0
# Set while git runs a hook: they would lead us to another repository, or another index.
_LEADING = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX", "GIT_OBJECT_DIRECTORY", "GIT_COMMON_DIR")


@dataclasses.dataclass(frozen=True)
class Changes:
    """What is not committed in one folder.

    Attributes:
        files: each as git shows it, state and path: `" M versions/0001_.py"`; paths are relative to the repository.
        root: the repository's folder; None if there is none.
        unknown: why it is not known; empty if it is.
    """

    files: tuple[str, ...] = ()
    root: Path | None = None
    unknown: str = ""


def uncommitted(folders: Sequence[Path]) -> dict[Path, Changes]:
    """What is changed, or new, in each of these folders; git is asked once for each repository.

    Files that git is told to ignore are left out.
    """
    found: dict[Path, Changes] = {}
    roots: dict[Path, list[Path]] = {}
    for folder in folders:
        root = _root(folder)
        if root is None:
            found[folder] = Changes(unknown=f"{folder} is in no git repository")
        else:
            roots.setdefault(root, []).append(folder)
    for root, inside in roots.items():
        found.update(_status(root, inside))
    return found


def _root(folder: Path) -> Path | None:
    """The repository that a folder is in: `.git` is a folder, or a file in worktrees and submodules."""
    real = folder.resolve()
    return next((each for each in (real, *real.parents) if (each / ".git").exists()), None)


def _status(root: Path, folders: list[Path]) -> dict[Path, Changes]:
    inside = {folder: folder.resolve().relative_to(root) for folder in folders}
    arguments = ["status", "--porcelain=v1", "-z", "--untracked-files=all", "--no-renames", "--"]
    answer = _run(root, [*arguments, *(f":(top,literal){path}" for path in inside.values())])
    if isinstance(answer, str):
        return {folder: Changes(root=root, unknown=answer) for folder in folders}
    lines = [line for line in os.fsdecode(answer).split("\0") if line]
    return {
        folder: Changes(tuple(line for line in lines if Path(line[3:]).is_relative_to(path)), root)
        for folder, path in inside.items()
    }


def _run(root: Path, arguments: list[str]) -> bytes | str:
    """What git prints, or why it does not."""
    environment = {name: value for name, value in os.environ.items() if name not in _LEADING}
    environment.update(GIT_OPTIONAL_LOCKS="0", LC_ALL="C")
    try:
        done = subprocess.run(
            ["git", "-C", str(root), *arguments],  # noqa: S607 - the git that the person uses
            capture_output=True,
            timeout=_SECONDS,
            env=environment,
            stdin=subprocess.DEVNULL,
            check=False,
        )
    except FileNotFoundError:
        return "git is not installed here"
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"git did not answer: {error}"
    if done.returncode != 0:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()
        return f"git says: {said[0] if said else f'exit status {done.returncode}'}"
    return done.stdout
