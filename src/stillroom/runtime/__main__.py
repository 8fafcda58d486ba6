"""`python -m stillroom.runtime COMMAND`: what service images and migration Jobs run.

A command imports only what it needs: `verify` and `wait` neither Alembic nor SQLAlchemy.
"""

from __future__ import annotations

import gc
import importlib
import os
import sys

__all__ = ["COMMANDS", "main"]

COMMANDS = {
    "verify": (".verifying.command", "whether the database is ready for this image"),
    "wait": (".verifying.command", "until the database accepts connections"),
    "migrate": (".migrating.command", "applies what is pending, once and under a lock"),
    "downgrade": (".migrating.command", "goes back to a revision, after saying what would be lost"),
    "stamp": (".migrating.command", "notes a revision where the database is proven to be what it makes"),
}
"""Command to the module that has its `main(argv) -> exit code`, and what it is for."""

_GATEWAY = "PROMETHEUS_PUSHGATEWAY_URL"


def main(argv: list[str]) -> int:
    """Runs one command; gives the exit code."""
    if argv and argv[0] in COMMANDS:
        name = COMMANDS[argv[0]][0]
        if argv[0] == "migrate" and os.environ.get(_GATEWAY):
            name = ".service.job"  # which knows what pushes metrics, and takes its time to import
        return int(importlib.import_module(name, __package__).main(argv))
    asked = bool(argv) and argv[0] in ("-h", "--help")
    lines = [f"  {name:<10} {what}" for name, (_, what) in COMMANDS.items()]
    text = "usage: python -m stillroom.runtime COMMAND [--help]\n\n" + "\n".join(lines) + "\n"
    (sys.stdout if asked else sys.stderr).write(text)
    return 0 if asked else 2


def _process() -> None:
    """Runs the command of this process. One that lives for a moment neither collects garbage nor tidies up at its end."""
    arguments = sys.argv[1:]
    if arguments[:1] not in (["verify"], ["migrate"]):
        sys.exit(main(arguments))
    gc.disable()  # a migration that has something to do enables it again
    code = main(arguments)
    if "sqlalchemy" in sys.modules:  # then the service's code has run, which may want to do something at the end
        sys.exit(code)
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except OSError:  # nobody reads it any more
        code = code or 1
    os._exit(code)


if __name__ == "__main__":
    _process()
