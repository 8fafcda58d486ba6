"""Rows to a file and back: `pg_dump` and `pg_restore` of the server's own version, for what a service owns.

Passwords travel in the environment of the program, never on its command line.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .. import faults
from ..connections import destination, urls
from ..housekeeping import makers, temporary
from ..schema import ownership

__all__ = ["check", "dump", "find", "restore"]

_FOLDERS = ("/usr/lib/postgresql/{major}/bin", "/usr/pgsql-{major}/bin", "/opt/homebrew/opt/postgresql@{major}/bin")
_TIME_LIMIT = 3600.0
_UNFINISHED = "unfinished-"
# What a reset keeps is not made again: the archive's entries for it are passed over.
_KEPT = re.compile(r"^\d+; \d+ \d+ (SCHEMA|EXTENSION|COMMENT|ACL|DEFAULT ACL)\b.*")
_ABOUT_SCHEMA = re.compile(r"^\d+; \d+ \d+ (COMMENT|ACL) - (SCHEMA|EXTENSION) ")


def find(program: str, major: int, folders: Sequence[str] = ()) -> Path:
    """The program of one major version.

    Args:
        program: `pg_dump` or `pg_restore`.
        major: of the server.
        folders: to look in first.

    Raises:
        faults.RefusedFault: `client-programs-missing`.
    """
    places = [Path(folder) / program for folder in folders]
    places += [Path(folder.format(major=major)) / program for folder in _FOLDERS]
    found = shutil.which(program)
    if found:
        places.append(Path(found))
    for place in places:
        if place.is_file() and _major(place) == major:
            return place
    raise faults.RefusedFault(
        "client-programs-missing",
        f"{program} of PostgreSQL {major}, the server's version, was not found",
        f"install it (Debian: apt-get install postgresql-client-{major}), or give up the rows with --skip-backup",
    )


def dump(
    url: str,
    owned: ownership.Ownership,
    major: int,
    target: Path,
    folders: Sequence[str] = (),
    *,
    without: Sequence[str] = (),
    about: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Writes what a service owns to an archive, and beside it a note of what that is; whole or not at all.

    What a killed run left of its own is cleared away first, or finished if only the note's name was missing.

    Args:
        url: of the database.
        owned: what to dump.
        major: version of the server.
        target: the file; its folder is made. Only its owner may read it.
        folders: where to look for programs first.
        without: tables of others in the same schemas, which this role may not even be able to read.
        about: facts of the database for the note, JSON-able.

    Returns:
        `{"file", "size", "sha256"}`.

    Raises:
        faults.DatabaseFault: `dump-failed`, with what pg_dump or the disk said.
        faults.RefusedFault: `client-programs-missing`.
    """
    program = find("pg_dump", major, folders)
    unfinished, noted = _unfinished(target), _unfinished(_beside(target))
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _clear(target.parent)
        unfinished.touch(mode=0o600)
        options = ["--format=custom", "--no-password", f"--file={unfinished}", *_selected(owned)]
        _run([str(program), *options, *[f"--exclude-table={table}" for table in without]], url)
        if not _entries(find("pg_restore", major, folders), unfinished):
            raise faults.DatabaseFault(
                "dump-failed", f"the dump {target} holds nothing", "look at the rights of the role on its tables"
            )
        made = {"file": str(target), "size": unfinished.stat().st_size, "sha256": _digest(unfinished)}
        _write(noted, json.dumps({**(about or {}), **made}, indent=2))
        unfinished.replace(target)
        noted.replace(_beside(target))
    except OSError as error:
        raise faults.DatabaseFault(
            "dump-failed",
            f"the dump cannot be written: {error.filename or target}: {error.strerror}",
            "make room there, or give yourself the right to write there (`chmod u+w`), then again",
        ) from error
    finally:
        with contextlib.suppress(OSError):
            unfinished.unlink(missing_ok=True)
            noted.unlink(missing_ok=True)
    return made


def _beside(target: Path) -> Path:
    return target.with_suffix(".json")


def _unfinished(file: Path) -> Path:
    """What a file is called until it is whole; the name tells who is at it."""
    return file.with_name(f"{_UNFINISHED}{makers.tag()}-{file.name}.part")


def _clear(folder: Path) -> None:
    """Deals with what processes left that are known to be dead."""
    for each in sorted(folder.glob(f"{_UNFINISHED}*.part")):
        tagged = each.name.removeprefix(_UNFINISHED)
        if makers.dead_tag(tagged):
            final = folder / tagged.partition("-")[2].removesuffix(".part")
            if final.suffix == ".json" and final.with_suffix(".dump").exists():
                each.replace(final)  # killed between the two names: the dump is whole, and so is this
            else:
                each.unlink(missing_ok=True)


def _write(file: Path, text: str) -> None:
    with file.open("w", encoding="utf-8") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())


def restore(url: str, source: Path, sha256: str, major: int, folders: Sequence[str] = ()) -> int:
    """Puts an archive back into an emptied database, in one transaction.

    Returns:
        How many entries were restored.

    Raises:
        faults.RefusedFault: see `check`.
        faults.DatabaseFault: `restore-failed`; nothing was changed.
    """
    check(source, sha256, major, folders)
    program = find("pg_restore", major, folders)
    wanted = [line for line in _entries(program, source) if not _is_kept(line)]
    with temporary.folder() as folder:
        listed = folder / "wanted.list"
        listed.write_text("\n".join(wanted) + "\n", encoding="utf-8")
        database = urls.address(url).database
        options = ["--single-transaction", "--exit-on-error", "--no-password", f"--use-list={listed}"]
        _run([str(program), f"--dbname={database}", *options, str(source)], url, code="restore-failed")
    return len(wanted)


def check(source: Path, sha256: str, major: int, folders: Sequence[str] = ()) -> None:
    """Whether an archive can be restored, as far as that can be told before anything is touched.

    Raises:
        faults.RefusedFault: `dump-changed` where the file is not the one that was written, `client-programs-missing`.
    """
    try:
        found = _digest(source)
    except OSError as error:
        raise faults.RefusedFault(
            "dump-changed", f"the dump {source} cannot be read: {error.strerror}", "take another backup"
        ) from error
    if found != sha256:
        raise faults.RefusedFault(
            "dump-changed", f"{source} is not the dump that was written: its SHA-256 differs", "take another backup"
        )
    find("pg_restore", major, folders)


def _is_kept(line: str) -> bool:
    match = _KEPT.match(line)
    return match is not None and (match[1] in ("SCHEMA", "EXTENSION", "DEFAULT ACL") or bool(_ABOUT_SCHEMA.match(line)))


def _selected(owned: ownership.Ownership) -> list[str]:
    if owned.tables is None:
        return [f"--schema={schema}" for schema in owned.schemas]
    return [f"--table={table}" for table in sorted(owned.tables | owned.version_tables)]


def _entries(program: Path, archive: Path) -> list[str]:
    listed = _run([str(program), "--list", str(archive)], None)
    return [line for line in listed.splitlines() if line and not line.startswith(";")]


def _run(arguments: list[str], url: str | None, *, code: str = "dump-failed") -> str:
    """Runs a client program; the one place that does."""
    try:
        done = subprocess.run(
            arguments,
            env={**os.environ, **(_variables(url) if url else {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_TIME_LIMIT,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise faults.DatabaseFault(code, f"{arguments[0]} failed: {error}", "look at the server, then again") from error
    if done.returncode == -signal.SIGXFSZ:
        raise faults.DatabaseFault(
            code,
            f"{Path(arguments[0]).name} failed: its file grew too large for the limit that is set",
            "raise the limit on file sizes (`ulimit -f`), then again",
        )
    if done.returncode != 0:
        said = done.stderr.strip().splitlines() or [_silent(done.returncode)]
        raise faults.DatabaseFault(
            code,
            f"{Path(arguments[0]).name} failed: {said[0]}",
            "mend what it names, then again",
            detail=done.stderr,
        )
    return done.stdout


def _silent(status: int) -> str:
    return f"it was killed by signal {-status}" if status < 0 else "it said nothing"


def _variables(url: str) -> dict[str, str]:
    """The connection as libpq's variables."""
    parsed = urls.parse(url)
    host, port = destination.endpoints(parsed)[0]
    found = {
        "PGHOST": host,
        "PGPORT": str(port),
        "PGDATABASE": destination.database(parsed),
        "PGUSER": destination.user(parsed),
        "PGAPPNAME": "stillroom dump",
    }
    if parsed.password is not None:
        found["PGPASSWORD"] = str(parsed.password)
    ssl_mode = parsed.query.get("sslmode") or parsed.query.get("ssl")
    if isinstance(ssl_mode, str) and ssl_mode not in ("true", "false"):
        found["PGSSLMODE"] = ssl_mode
    return found


def _major(program: Path) -> int:
    try:
        shown = subprocess.run(
            [str(program), "--version"], capture_output=True, text=True, timeout=20, check=False
        ).stdout
    except (OSError, subprocess.TimeoutExpired):
        return 0
    match = re.search(r"(\d+)(?:\.|beta|rc|devel|$|\s)", shown.rpartition(") ")[2])
    return int(match[1]) if match else 0


def _digest(file: Path) -> str:
    digest = hashlib.sha256()
    with file.open("rb") as stream:
        while chunk := stream.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()
