"""Making the data of a server, whole or not at all, and deleting them."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from pathlib import Path

from stillroom import errors
from stillroom.embedded import account as accounts
from stillroom.embedded import filesystem, launch, placement, process, secret, settings

__all__ = ["create", "delete"]

_AT_ONCE = ((signal.SIGQUIT, 10.0), (signal.SIGKILL, 5.0))


def create(bin_folder: Path, home: Path, *, role: str, major: int) -> None:
    """Makes `home/data` (or a link to data elsewhere, see `placement`) and `home/pgpass`.

    The data get their name when they are finished, so that half-made ones are never taken for a database.

    Args:
        bin_folder: the programs.
        home: made when missing.
        role: the owner of everything in the server.
        major: the programs' version.

    Raises:
        StillroomError: `initdb` failed; what it said is the detail.
    """
    placement.make_folder(home)
    (home / ".gitignore").write_text("*\n", encoding="ascii")
    account = accounts.for_server(home / "data")
    fresh = placement.data_folder(home, account)
    programs = placement.programs(bin_folder, account)
    password_file = fresh.with_name("verifier")
    password = secret.make(home / "pgpass", role)
    try:
        password_file.write_text(secret.verifier(password), encoding="ascii")
        password_file.chmod(0o600)
        if account is not None:
            os.chown(password_file, account.uid, account.gid)
        arguments = [f"--pgdata={fresh}", f"--username={role}", f"--pwfile={password_file}", "--auth=scram-sha-256"]
        arguments += ["--no-sync", "--no-instructions", *settings.initdb_locale(major)]
        _initdb([str(programs / "initdb"), *arguments], fresh, account)
    finally:
        password_file.unlink(missing_ok=True)
    filesystem.spread_folders(fresh / "base")
    _adopt(fresh, home)


def delete(data: Path) -> None:
    """Stops the server of `data` at once, if one runs, and deletes the data (and their folder, if they lie elsewhere)."""
    process.stop(data, _AT_ONCE)
    shutil.rmtree(data.parent if data.parent.parent == placement.elsewhere() else data, ignore_errors=True)
    shutil.rmtree(placement.short_folder(data), ignore_errors=True)


def _initdb(command: list[str], fresh: Path, account: accounts.Account | None) -> None:
    done = subprocess.run(
        command,
        check=False,
        cwd="/",
        env=launch.environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=300,
        **accounts.popen_options(account),  # type: ignore[call-overload]  # subprocess has no type for options in a dict
    )
    if done.returncode:
        raise errors.StillroomError(
            f"initdb could not make a database in {fresh}",
            "the detail tells why; a full or read-only disk is the usual cause",
            detail=f"{done.stdout}{done.stderr}".strip(),
        )


def _adopt(fresh: Path, home: Path) -> None:
    link = home / "data"
    if link.is_symlink():  # to data that are gone
        link.unlink()
    final = fresh.with_name("data")
    if final.is_dir():  # of a home folder that was deleted, and their password with it
        process.stop(final, _AT_ONCE)
        shutil.rmtree(final)
    fresh.rename(final)
    if final != link:
        link.symlink_to(final)
    placement.claim(final, home)
