"""Many migration Jobs at once: processes of their own, forked from one that has imported what they need.

python -m tests.support.herd COUNT FOLDER migrate --service shop …

Fifty interpreters that start from nothing spend nearly all of their time on importing Alembic and SQLAlchemy, one after the
other on the few processors of this machine. Forked ones are at the database together, which is what a race is about. What
each one writes is in `FOLDER/NUMBER`; their exit codes are printed, a line each, in the same order.
"""

from __future__ import annotations

import importlib
import os
import sys
import traceback
from pathlib import Path

__all__ = ["main"]

_IMPORTED = (
    "alembic.command",
    "alembic.script",
    "asyncpg",
    "sqlalchemy.dialects.postgresql.asyncpg",
    "sqlalchemy.ext.asyncio",
    "stillroom.runtime.migrating.command",
    "stillroom.runtime.migrating.job",
    "stillroom.runtime.migrating.migrate",
)


def main() -> None:
    """Starts them, and waits for their ends."""
    count, folder, arguments = int(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:]
    for name in _IMPORTED:
        importlib.import_module(name)
    processes = [_forked(folder / str(number), arguments) for number in range(count)]
    for each in processes:
        sys.stdout.write(f"{os.waitstatus_to_exitcode(os.waitpid(each, 0)[1])}\n")


def _forked(written: Path, arguments: list[str]) -> int:
    process = os.fork()
    if process:
        return process
    code = 70  # of no migration
    try:
        file = os.open(written, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)
        os.dup2(file, 1)
        os.dup2(file, 2)
        from stillroom.runtime import __main__ as program

        code = program.main(arguments)
        sys.stdout.flush()
    except BaseException:  # noqa: BLE001 - a fork must not go on as its parent
        traceback.print_exc()
    finally:
        os._exit(code)


if __name__ == "__main__":
    main()
