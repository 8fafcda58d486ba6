"""Where the data and the programs of a server lie, when the user that runs it cannot reach the first choice.

The data belong below the home folder that the caller names. There are places where a server cannot work: below a
folder that only root may enter (a checkout in /root) when another user runs the server, and file systems that keep no
owners or modes. The modes of somebody's folders are not ours to open. The data then lie in a folder of the system,
and `data` in the home folder is a link to them; programs that cannot be reached are copied beside.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import stat
from pathlib import Path

from stillroom import errors
from stillroom.embedded import account as accounts

__all__ = ["claim", "data_folder", "elsewhere", "make_folder", "programs", "short_folder", "socket_folder"]

_VARIABLE = "STILLROOM_DATA"
_LONGEST_SOCKET = 107 - len("/.s.PGSQL.65535")


def elsewhere() -> Path:
    """The folder for data and programs that cannot stay where they belong (`STILLROOM_DATA` names another)."""
    if os.environ.get(_VARIABLE):
        return Path(os.environ[_VARIABLE]).absolute()
    if os.geteuid() == 0:
        return Path("/var/lib/stillroom")
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "stillroom"


def data_folder(home: Path, account: accounts.Account | None) -> Path:
    """An empty folder for `initdb`, of the right owner and mode, as near to `home` as can be.

    Raises:
        StillroomError: neither `home` nor the system's folder can hold the data.
    """
    here = home / "data.new"
    if _usable(here, account):
        return here
    if here.exists():
        here.rmdir()
    there = elsewhere() / _digest(str(home.resolve())) / "data.new"
    if _usable(there, account):
        return there
    raise errors.StillroomError(
        f"the server cannot keep its data below {home} nor below {there.parent}",
        f"set {_VARIABLE} to a folder that the user who runs the server can enter, or run as an ordinary user",
    )


def programs(bin_folder: Path, account: accounts.Account | None) -> Path:
    """`bin_folder`, or a copy of the PostgreSQL it belongs to where `account` can run it."""
    server = bin_folder / "postgres"
    if account is None or accounts.can_execute(server, account):
        return bin_folder
    facts = server.stat()
    copy = elsewhere() / f"postgresql-{_digest(f'{server.resolve()} {facts.st_size} {facts.st_mtime_ns}')}"
    prefix = bin_folder.parent
    target = copy / prefix.parent.name / prefix.name
    if not copy.exists():
        fresh = copy.with_name(f"{copy.name}.{os.getpid()}")
        shutil.copytree(prefix, fresh / prefix.parent.name / prefix.name, symlinks=True)
        libraries = prefix.parent.with_name(f"{prefix.parent.name}.libs")  # where wheels keep shared libraries
        if libraries.is_dir():
            shutil.copytree(libraries, fresh / libraries.name, symlinks=True)
        _open_for_reading(fresh)
        make_folder(copy.parent)
        try:
            fresh.rename(copy)
        except OSError:  # another command was first
            shutil.rmtree(fresh)
    return target / bin_folder.name


def socket_folder(data: Path, account: accounts.Account | None) -> Path:
    """The folder of the unix socket: the data folder, or a private one in /tmp where the path would be too long.

    Raises:
        StillroomError: somebody else has taken the folder in /tmp.
    """
    if len(os.fsencode(data)) <= _LONGEST_SOCKET:
        return data
    short = short_folder(data)
    if _usable(short, account, empty=False):
        return short
    raise errors.StillroomError(f"{short} is not a private folder of the server's user", f"remove {short}")


def short_folder(data: Path) -> Path:
    """The folder of the unix socket of data whose own path is too long."""
    return Path("/tmp") / f"stillroom-{_digest(str(data))}"  # noqa: S108 - short is the point; owner and mode are checked


def make_folder(folder: Path) -> None:
    """Makes a folder, and the parents it lacks, that the server's user may enter; those that exist stay as they are."""
    missing = [each for each in (folder, *folder.parents) if not each.is_dir()]
    for each in reversed(missing):
        with contextlib.suppress(FileExistsError):
            each.mkdir()
            each.chmod(0o755)


def claim(data: Path, home: Path) -> bool:
    """Notes beside data that lie elsewhere whose they are; False if they are another home's, which still has them.

    A folder that was copied has a copy of the link, and must not get the original's database with it.
    """
    if data.parent == home.resolve():
        return True
    note = data.parent / "home"
    with contextlib.suppress(OSError):
        owner = Path(note.read_text(encoding="utf-8", errors="surrogateescape"))
        if owner != home and (owner / "data").resolve() == data and not owner.samefile(home):
            return False
    note.write_text(str(home), encoding="utf-8", errors="surrogateescape")
    return True


def _usable(folder: Path, account: accounts.Account | None, *, empty: bool = True) -> bool:
    """Makes the folder, mode 0700, for the server's user, and tells whether that user can work in it."""
    uid = os.geteuid() if account is None else account.uid
    try:
        make_folder(folder.parent)
        if empty and folder.exists():
            shutil.rmtree(folder)  # left by an initdb that was killed
        folder.mkdir(mode=0o700, exist_ok=not empty)
        if account is not None:
            os.chown(folder, account.uid, account.gid, follow_symlinks=False)
        facts = folder.lstat()
    except OSError:
        return False
    private = stat.S_ISDIR(facts.st_mode) and facts.st_uid == uid and stat.S_IMODE(facts.st_mode) == 0o700
    return private and accounts.can_execute(folder, account)


def _open_for_reading(root: Path) -> None:
    for folder, _, names in os.walk(root):
        Path(folder).chmod(0o755)
        for name in names:
            path = Path(folder, name)
            if not path.is_symlink():
                path.chmod(path.stat().st_mode | stat.S_IRUSR | stat.S_IRGRP | stat.S_IROTH)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:12]
