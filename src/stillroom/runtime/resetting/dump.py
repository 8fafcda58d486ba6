"""Rows to a file: `pg_dump` of the server's own version, for what a service owns. `exchange` puts them back."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .. import faults
from ..housekeeping import makers
from ..schema import ownership
from . import client_programs

__all__ = ["check", "dump", "wanted"]

_UNFINISHED = "unfinished-"
# What a reset keeps is not made again: the archive's entries for it are passed over.
_KEPT = re.compile(r"^\d+; \d+ \d+ (SCHEMA|EXTENSION|COMMENT|ACL|DEFAULT ACL)\b.*")
_ABOUT_SCHEMA = re.compile(r"^\d+; \d+ \d+ (COMMENT|ACL) - (SCHEMA|EXTENSION) ")


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
    program = client_programs.find("pg_dump", major, folders)
    unfinished, noted = _unfinished(target), _unfinished(_beside(target))
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _clear(target.parent)
        unfinished.touch(mode=0o600)
        options = ["--format=custom", "--no-password", f"--file={unfinished}", *_selected(owned)]
        client_programs.run([str(program), *options, *[f"--exclude-table={table}" for table in without]], url)
        if not _entries(client_programs.find("pg_restore", major, folders), unfinished):
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
    client_programs.find("pg_restore", major, folders)


def _is_kept(line: str) -> bool:
    match = _KEPT.match(line)
    return match is not None and (match[1] in ("SCHEMA", "EXTENSION", "DEFAULT ACL") or bool(_ABOUT_SCHEMA.match(line)))


def _selected(owned: ownership.Ownership) -> list[str]:
    if owned.tables is None:
        return [f"--schema={schema}" for schema in owned.schemas]
    return [f"--table={table}" for table in sorted(owned.tables | owned.version_tables)]


def wanted(program: Path, archive: Path) -> list[str]:
    """The entries of an archive that are restored, as pg_restore lists them; a reset keeps what the others make.

    Args:
        program: pg_restore.
        archive: the dump.
    """
    return [line for line in _entries(program, archive) if not _is_kept(line)]


def _entries(program: Path, archive: Path) -> list[str]:
    listed = client_programs.run([str(program), "--list", str(archive)], None)
    return [line for line in listed.splitlines() if line and not line.startswith(";")]


def _digest(file: Path) -> str:
    digest = hashlib.sha256()
    with file.open("rb") as stream:
        while chunk := stream.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()
