"""What a service owns in a database out, and a dump of it in: one transaction, so that no moment shows half of it.

One psql does both. Its input begins with the statements that empty; then pg_restore writes the script of the dump into it;
and only when pg_restore has ended well comes the COMMIT. Whoever is killed before that (this process, pg_restore, psql, the
server): the input or the session ends without it, and the server rolls back. After it, the new state is there.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

from .. import faults
from ..housekeeping import temporary
from . import client_programs, dump

__all__ = ["exchange"]

_CODE = "restore-failed"
_LOCK_TIMEOUT = "55P03"
# As psql writes it with VERBOSITY verbose: where, severity (in the server's language), SQLSTATE, message.
_SAID = re.compile(r"^psql:[^\n]*?: (?P<severity>\S+):  (?P<state>[0-9A-Z]{5}): (?P<message>.*)$", re.MULTILINE)
_MENDS = {
    "53100": "make room on the server's disk, then again",
    "53200": "raise max_locks_per_transaction on the server, or give it more memory, then again",
}
_STOPPED_AT_ERROR = 3  # psql's exit status for it; others: it was lost, or lost the server
_NOTHING = "nothing was changed"
_EITHER = "the database holds what was there before or the dump, one of them whole"


def exchange(
    url: str,
    emptying: Sequence[str],
    source: Path,
    major: int,
    folders: Sequence[str] = (),
    *,
    lock_timeout_s: float = 5.0,
) -> int:
    """Carries out these statements and puts an archive in, in one transaction.

    Args:
        url: of the database.
        emptying: what makes room, statement by statement.
        source: the archive, which `dump.check` has passed.
        major: of the server.
        folders: where to look for programs first.
        lock_timeout_s: how long to wait for each lock of the emptying.

    Returns:
        How many entries were restored.

    Raises:
        faults.RefusedFault: `client-programs-missing`.
        faults.DatabaseFault: `restore-failed`, or `lock-timeout`, and nothing was changed; or `restore-failed` because the
            server was lost while it committed: then the message says that it is one or the other.
    """
    restorer = client_programs.find("pg_restore", major, folders)
    client = client_programs.find("psql", major, [str(restorer.parent), *folders])
    wanted = dump.wanted(restorer, source)
    begin = ["BEGIN", f"SET LOCAL lock_timeout = {max(1, int(lock_timeout_s * 1000))}", *emptying]
    with temporary.folder() as folder:
        listed = folder / "wanted.list"
        listed.write_text("\n".join(wanted) + "\n", encoding="utf-8")
        with _Client(client, url, folder) as psql:
            psql.say("".join(f"{statement};\n" for statement in begin))
            psql.take([str(restorer), "--file=-", f"--use-list={listed}", str(source)])
            psql.say("COMMIT;\n")
            psql.end()
    return len(wanted)


class _Client:
    """A running psql and what is written to it; leaving without `end` ends it, and the server rolls back."""

    def __init__(self, program: Path, url: str, folder: Path) -> None:
        self._program = program
        self._url = url
        self._folder = folder
        self._committing = False

    def __enter__(self) -> _Client:
        options = ["--no-psqlrc", "--quiet", "--no-password", "--set=ON_ERROR_STOP=1", "--set=VERBOSITY=verbose"]
        read, self._input = os.pipe()
        try:
            with self._words.open("wb") as words:
                self._process = subprocess.Popen(
                    [str(self._program), *options, "--file=-"],
                    env={**client_programs.environment(self._url), "PGCLIENTENCODING": "UTF8"},  # as we write
                    stdin=read,
                    stdout=subprocess.DEVNULL,
                    stderr=words,
                )
        except OSError as error:
            os.close(self._input)
            raise _failed(f"{self._program} failed: {error}") from error
        finally:
            os.close(read)
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self._process.kill()  # before its input ends: what it was given so far is no whole
        self._close()
        self._process.wait()

    @property
    def _words(self) -> Path:
        return self._folder / "psql.said"

    def say(self, text: str) -> None:
        """Writes statements to it.

        Raises:
            faults.DatabaseFault: `restore-failed`, if it has ended; with what it said.
        """
        left = text.encode()
        self._committing = text.startswith("COMMIT")
        try:
            while left:
                left = left[os.write(self._input, left) :]
        except BrokenPipeError:
            self._committing = False
            self.end()

    def take(self, arguments: list[str]) -> None:
        """Lets a program write to it, until that ends.

        Raises:
            faults.DatabaseFault: `restore-failed`, if one of the two fails; with what it said.
        """
        words = self._folder / "pg_restore.said"
        with words.open("wb") as stream, _started(arguments, self._input, stream.fileno()) as process:
            try:
                status = process.wait(client_programs.TIME_LIMIT)
            except subprocess.TimeoutExpired as error:
                raise _failed(f"{arguments[0]} failed: {error}") from error
        if status != 0:
            if status == -signal.SIGPIPE:
                self.end()  # psql failed, so that there was nobody to write to
            with _saying(_NOTHING):
                client_programs.ended(arguments[0], status, _text(words), code=_CODE)

    def end(self) -> None:
        """Ends its input, and waits for it.

        Raises:
            faults.DatabaseFault: `restore-failed`, with what it said.
        """
        self._close()
        try:
            status = self._process.wait(client_programs.TIME_LIMIT)
        except subprocess.TimeoutExpired as error:
            raise _failed(f"{self._program} failed: {error}") from error
        if status != 0:
            with _saying(_EITHER if self._committing and status != _STOPPED_AT_ERROR else _NOTHING):
                self._blame(status)

    def _blame(self, status: int) -> None:
        said = _text(self._words)
        found = _SAID.search(said)
        if found is None:
            client_programs.ended(str(self._program), status, said, code=_CODE)
        elif found["state"] == _LOCK_TIMEOUT:
            raise faults.DatabaseFault("lock-timeout", found["message"], "let it finish, then again")
        else:
            raise faults.DatabaseFault(
                _CODE,
                f"the dump could not be restored: {found['message']} (SQLSTATE {found['state']})",
                _MENDS.get(found["state"], "mend what it names, then again"),
                detail=said,
                data={"sqlstate": found["state"]},
            )

    def _close(self) -> None:
        if self._input >= 0:
            os.close(self._input)
            self._input = -1


@contextlib.contextmanager
def _started(arguments: list[str], output: int, words: int) -> Iterator[subprocess.Popen[bytes]]:
    """A program that does not outlive the block."""
    try:
        process = subprocess.Popen(arguments, stdin=subprocess.DEVNULL, stdout=output, stderr=words)
    except OSError as error:
        raise _failed(f"{arguments[0]} failed: {error}") from error
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


@contextlib.contextmanager
def _saying(outcome: str) -> Iterator[None]:
    try:
        yield
    except faults.DatabaseFault as fault:
        fault.message = f"{fault.message} ({outcome})"
        raise


def _failed(message: str) -> faults.DatabaseFault:
    return faults.DatabaseFault(_CODE, f"{message} ({_NOTHING})", "look at the server, then again")


def _text(file: Path) -> str:
    return file.read_text(encoding="utf-8", errors="replace")
