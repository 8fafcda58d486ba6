"""`python -m stillroom.runtime migrate | downgrade | stamp`: what a Job runs. It prints, and its exit code decides.

See `exits` for the codes.
"""

from __future__ import annotations

import argparse
import functools
import gc
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn

from .. import faults, log_lines
from . import described, document, exits, last_word

__all__ = ["Finished", "main"]

Finished = Callable[[argparse.Namespace, int, Mapping[str, Any]], None]


def main(argv: Sequence[str], finished: Finished | None = None) -> int:
    """Runs one of the subcommands; gives the exit code.

    Args:
        argv: its name and its arguments.
        finished: is told how it ended: the arguments, the exit code, and what it came to (nothing where it failed).
    """
    arguments = _parsed(argv)
    log = log_lines.Log(_to_stderr) if arguments.json else log_lines.Log()
    told: dict[str, Any] = {}

    def work() -> dict[str, Any]:
        told.update(_carried_out(arguments, log))
        return told

    code = _ended(arguments, log, work)
    if finished is not None:
        finished(arguments, code, told)
    return code


def _ended(arguments: argparse.Namespace, log: log_lines.Log, work: Callable[[], dict[str, Any]]) -> int:
    """The one place that says how it ended."""
    failed = _FAILED[arguments.command]

    def said(fault: faults.Fault, code: int) -> int:
        log.error(f"{failed}: {fault.message}", code=fault.code, mend=fault.mend)
        last_word.write(failed, fault, arguments.termination_log)
        if arguments.json:
            document.failed(fault, code)
        return code

    try:
        told = work()
    except faults.Fault as fault:
        return said(fault, exits.of(fault))
    except KeyboardInterrupt:
        ended = faults.Fault("terminated", "ended by a signal; what was running was rolled back", "run it again")
        return said(ended, exits.TERMINATED)
    except Exception as error:  # noqa: BLE001 - the last place that can say what happened
        import traceback

        traceback.print_exc()
        unexpected = f"{type(error).__name__}: {error}"
        return said(faults.Fault("unexpected", unexpected, "the traceback is in the log; report it"), exits.WRONG)
    last_word.done(told, arguments.termination_log)
    if arguments.json:
        document.done(told)
    return exits.DONE


_FAILED = {"migrate": "Migration failed", "downgrade": "Downgrade failed", "stamp": "Stamp failed"}


def _carried_out(arguments: argparse.Namespace, log: log_lines.Log) -> dict[str, Any]:
    if arguments.command == "migrate":
        from . import job

        asked = job.ask(arguments, log)
        return asked.told if asked.told is not None else _listening(asked.go)
    return _listening(lambda: _other(arguments, log))


def _listening(work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What `work` returns; a signal to end comes up in it as `ending.Terminated`, and all that it owes is cleared away."""
    from ..housekeeping import ending

    gc.enable()
    ending.listen()
    return ending.watched(work)


def _other(arguments: argparse.Namespace, log: log_lines.Log) -> dict[str, Any]:
    if arguments.command == "downgrade":
        from . import downgrade

        return downgrade.run(arguments, log)
    from . import stamp

    return stamp.run(arguments, log)


def _to_stderr(line: str) -> None:
    sys.stderr.write(line)
    sys.stderr.flush()


class _Parser(argparse.ArgumentParser):
    as_json = False

    def error(self, message: str) -> NoReturn:
        if self.as_json:
            document.failed(faults.WrongRequest("wrong-use", message, f"see {self.prog} --help"), exits.REFUSED)
        self.print_usage(sys.stderr)
        self.exit(exits.REFUSED, f"{self.prog}: {message}\n")


def _parsed(argv: Sequence[str]) -> argparse.Namespace:
    """The arguments, and `command`; only the parser of that command is made, since a Job may have little else to do."""
    name, rest = argv[0], list(argv[1:])
    what, add = _COMMANDS[name]
    # With a width, argparse need not ask for the terminal's at every argument.
    formatter = functools.partial(argparse.HelpFormatter, width=110)
    parser = _Parser(
        prog=f"python -m stillroom.runtime {name}",
        description=what,
        allow_abbrev=False,
        formatter_class=formatter,
    )
    parser.as_json = "--json" in rest
    _common(parser)
    add(parser)
    arguments = parser.parse_args(rest)
    arguments.command = name
    return arguments


def _migrate(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--to", default="heads", metavar="REVISION", help="where it leads (default: heads)")
    parser.add_argument("--repair", action="store_true", help="repairs INVALID indexes first")
    parser.add_argument("--service-role", metavar="ROLE", help=f"the role of the service ({described.ROLE})")
    parser.add_argument("--grants", metavar="A,B", help=f"rights on tables that it gets ({described.GRANTS})")
    parser.add_argument("--last-attempt", action="store_true", default=None, help="nobody will try again after this")
    parser.add_argument("--models", metavar="MODULE", help="what fills the metadata, where env.py does not tell")
    parser.add_argument("--force-recreate", action="store_true", help="empties the database first (DB_FORCE_RECREATE)")


def _downgrade(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--to", required=True, metavar="REVISION", help="where it leads; base: before the first")
    parser.add_argument("--confirm", metavar="REVISION", help="where the database is now; without it, only the plan")
    parser.add_argument("--allow-protected", metavar="ENVIRONMENT", help="the protected environment that is meant")
    parser.add_argument("--expect-database", metavar="NAME", help="the name of the database that is meant")


def _stamp(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--to", default="heads", metavar="REVISION", help="what is noted (default: heads)")


_COMMANDS: dict[str, tuple[str, Callable[[argparse.ArgumentParser], None]]] = {
    "migrate": (
        "Applies what is pending. Exit codes: 0 done, 20 wrong, 21 try again, 22 refused, 143 ended.",
        _migrate,
    ),
    "downgrade": ("Goes back to a revision, after saying what would be lost.", _downgrade),
    "stamp": ("Notes a revision where the database is proven to be what it makes.", _stamp),
}


def _common(parser: argparse.ArgumentParser) -> None:
    described.add_arguments(parser)
    parser.add_argument(
        "--json", action="store_true", help="the outcome as JSON on standard output; log lines go to stderr"
    )
    place = os.environ.get(last_word.VARIABLE) or last_word.LOG
    parser.add_argument("--termination-log", default=place, metavar="FILE", help=argparse.SUPPRESS)
    parser.add_argument("--lock-wait", metavar="TIME", help="how long to wait for another migrator (default: 5min)")
    parser.add_argument("--lock-timeout", metavar="TIME", help="how long a statement waits for a lock (default: 4s)")
    parser.add_argument("--statement-timeout", metavar="TIME", help="how long a statement may take (default: 10min)")
    parser.add_argument("--lock-retries", metavar="N", help="how often a revision without a lock is tried again (10)")
