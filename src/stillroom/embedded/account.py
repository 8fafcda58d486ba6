"""Which system user runs the server, and whether that user can reach a path.

PostgreSQL refuses to run as root. Where a command runs as root, the server therefore runs as another user: the owner
of the data if there is data, else `postgres`, else `stillroom` (made as a system user without login when needed).
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from stillroom import errors

__all__ = ["Account", "can_execute", "for_server", "popen_options"]

_PREFERRED = ("postgres", "stillroom")


@dataclass(frozen=True)
class Account:
    """A system user that is not the one of this process."""

    name: str
    uid: int
    gid: int


def for_server(data: Path) -> Account | None:
    """The user that must run the server of `data`; None means: whoever runs this process.

    Raises:
        StillroomError: this is root, no fitting user exists and none can be made.
    """
    if os.geteuid() != 0:
        return None
    try:
        owner = data.stat().st_uid
    except OSError:
        owner = 0
    if owner:
        return _by_uid(owner)
    for name in _PREFERRED:
        try:
            return _account(pwd.getpwnam(name))
        except KeyError:
            continue
    return _make(_PREFERRED[-1])


def popen_options(account: Account | None) -> dict[str, object]:
    """The keyword arguments of `subprocess` that make a child run as `account`."""
    if account is None:
        return {}
    return {"user": account.uid, "group": account.gid, "extra_groups": []}


def can_execute(path: Path, account: Account | None) -> bool:
    """Whether `account` may execute the file, or enter the folder, at `path`: tried, not computed."""
    if account is None:
        return os.access(path, os.X_OK)
    probe = subprocess.run(
        ["/bin/sh", "-c", 'test -x "$1"', "sh", str(path)],
        check=False,
        cwd="/",
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=30,
        user=account.uid,
        group=account.gid,
        extra_groups=[],
    )
    return probe.returncode == 0


def _account(entry: pwd.struct_passwd) -> Account:
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)


def _by_uid(uid: int) -> Account:
    try:
        return _account(pwd.getpwuid(uid))
    except KeyError:
        raise errors.StillroomError(
            f"the data of the embedded database belong to user id {uid}, which this system does not know",
            "chown the folder to a user that exists, or remove it to start afresh",
        ) from None


def _make(name: str) -> Account:
    useradd = shutil.which("useradd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if useradd is not None:
        # Another command may make it at the same moment: what counts is whether it is there afterwards.
        subprocess.run(
            [useradd, "--system", "--no-create-home", "--shell", "/bin/false", name],
            check=False,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=60,
        )
    try:
        return _account(pwd.getpwnam(name))
    except KeyError:
        raise errors.StillroomError(
            "PostgreSQL refuses to run as root, and this system has no user 'postgres' to run it as",
            f"useradd --system {name}, or run the command as an ordinary user",
        ) from None
