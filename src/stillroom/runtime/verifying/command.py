"""`python -m stillroom.runtime verify | wait`: what init containers, probes and people run. It prints, and it exits.

Exit codes: see `verdict.EXIT_CODES`; 2: what was asked makes no sense here (wrong option, no configuration, a history that
can't be read).
"""

from __future__ import annotations

import json
import os
import re
import sys
import types
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from .. import faults, secrecy
from . import expected, judge, url_choice, verification
from .verdict import EXIT_CODES, PREFIX, SHOWN, UNREACHABLE, Verdict

if TYPE_CHECKING:
    import argparse

__all__ = ["main"]

_WRONG = 2
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|min|h|)")
_UNITS = {"ms": 0.001, "s": 1.0, "": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}
_CONFIGS = ("alembic.ini", "pyproject.toml")
_DEPTHS = ("stamp", "deep")


def main(argv: Sequence[str]) -> int:
    """Runs `verify` or `wait`; gives the exit code."""
    arguments = _quickly(argv) or _parser("--json" in argv).parse_args(list(argv))
    try:
        return _wait(arguments) if arguments.command == "wait" else _verify(arguments)
    except faults.Fault as fault:
        told = fault.to_dict()
        if arguments.json:
            _document(fault)
        _complain(f"{PREFIX}{told['message']}", told["mend"])
        return _WRONG
    except KeyboardInterrupt:
        return 130


def _verify(arguments: Any) -> int:
    said = os.environ
    config = _config(arguments, said)
    wanted = expected.expected(
        config,
        service=_named(arguments, said),
        section=arguments.section,
        version_table=arguments.version_table or said.get("STILLROOM_VERSION_TABLE") or None,
        version_schema=arguments.version_table_schema or said.get("STILLROOM_VERSION_TABLE_SCHEMA") or None,
        schemas=_listed(arguments.schemas or said.get("STILLROOM_SCHEMAS")),
    )
    policy = _choice(arguments.ahead, said, "STILLROOM_AHEAD", judge.POLICIES)
    deep = arguments.deep or _choice(None, said, "VERIFY_DEPTH", _DEPTHS) == "deep"
    if not wanted.count:
        return _told(judge.no_migrations(wanted), arguments)
    _, url = _chosen(arguments, arguments.url_variable, wanted.service, wanted.env)

    def look(patience: float = 1.0) -> Verdict:
        return verification.verify(url, wanted, policy=policy, deep=deep, patience=patience)

    if arguments.wait is None:
        return _told(look(), arguments)
    found = verification.until_ready(lambda: look(0.0), arguments.wait, tell=_waiting)
    return _told(found, arguments)


def _wait(arguments: Any) -> int:
    """Until the database lets this role in; no table, and no configuration, has to be there."""
    variable = arguments.url_variable
    if variable is None and os.environ.get("MIGRATION_DATABASE_URL"):
        variable = "MIGRATION_DATABASE_URL"
    service, env = _whose(arguments, os.environ)
    name, url = _chosen(arguments, variable, service, env)
    trouble = verification.until_connected(url, arguments.timeout)
    if trouble is None:
        if arguments.json:
            _print(json.dumps({"connected": True, "variable": name}))
        else:
            _print("the database accepts connections")
        return 0
    message = f"{PREFIX}after {arguments.timeout:g} s of waiting: {trouble.message}"
    if arguments.json:
        _print(json.dumps({"connected": False, "message": message, "mend": trouble.mend}))
    _complain(message, trouble.mend)
    return EXIT_CODES[UNREACHABLE]


def _document(fault: faults.Fault) -> None:
    _print(json.dumps({"state": None, "ready": False, **fault.to_dict(), "exit_code": _WRONG}))


def _told(found: Verdict, arguments: Any) -> int:
    if arguments.json:
        _print(json.dumps(secrecy.scrubbed(found.to_dict())))
    if not found.ready:
        _complain(found.message, found.mend)
        for line in found.differences[SHOWN:]:
            _complain(f"  {line}", "")
    elif not arguments.json:
        for warning in found.warnings:
            _complain(f"warning: {warning}", "")
        depth = ", and its schema is what the last migration left" if found.deep else ""
        told = "allowed" if found.message in found.warnings else found.message
        _print(f"{found.state}: {told}{depth}")
    return found.exit_code


def _waiting(found: Verdict) -> None:
    _complain(f"waiting: {found.message.removeprefix(PREFIX)}", "")


def _print(text: str) -> None:
    sys.stdout.write(text + "\n")


def _complain(message: str, mend: str) -> None:
    line = " ".join(secrecy.scrubbed(message).split()) if mend else secrecy.scrubbed(message)
    sys.stderr.write(line + (f" -- {secrecy.scrubbed(mend)}" if mend else "") + "\n")


# What the arguments and the environment name


def _named(arguments: Any, said: Mapping[str, str]) -> str:
    named = arguments.service or said.get("STILLROOM_SERVICE") or ""
    return Path(named).name if named else ""


def _whose(arguments: Any, said: Mapping[str, str]) -> tuple[str, Path | None]:
    """The service's name, as `verify` takes it, and its env.py; None: there is no configuration that says where that is."""
    named = _named(arguments, said)
    try:
        config = _config(arguments, said)
    except faults.WrongRequest:  # an init container may hold no file of the service
        return named or Path.cwd().name, None
    folder, env = expected.env_of(config, arguments.section)
    return named or folder.name, env


def _chosen(arguments: Any, variable: str | None, service: str, env: Path | None) -> tuple[str, str]:
    """The variable with the URL, or those that have a part of it each; and the URL."""
    said = os.environ
    if arguments.url_variables or (
        said.get("STILLROOM_URL_VARIABLES") and not (variable or said.get(url_choice.VARIABLE))
    ):
        from . import url_parts

        parts = url_parts.named(arguments.url_variables, said)
        if parts is not None:
            return ", ".join(parts.values()), url_parts.url(parts, said)
    return url_choice.choose(variable, service, env, said)


def _config(arguments: Any, said: Mapping[str, str]) -> Path | None:
    """The configuration that is meant: as `migrate` finds it."""
    if getattr(arguments, "config", None):
        return Path(arguments.config)
    named = arguments.service or said.get("STILLROOM_SERVICE") or ""
    folders = [Path(named), Path("services", named), Path()] if named else [Path()]
    for folder in folders:
        for name in _CONFIGS:
            if (folder / name).is_file() and (name == _CONFIGS[0] or b"[tool.alembic]" in (folder / name).read_bytes()):
                return folder / name
    looked = ", ".join(str(each / _CONFIGS[0]) for each in folders)
    raise faults.WrongRequest(
        "service-not-found",
        f"there is no Alembic configuration in {Path.cwd()}: looked for {looked}",
        "put alembic.ini into the image; or name the file (--config) or the service (--service, STILLROOM_SERVICE)",
    )


def _choice(given: str | None, said: Mapping[str, str], variable: str, allowed: Sequence[str]) -> str:
    value = given or (said.get(variable) or "").strip().lower() or allowed[0]
    if value not in allowed:
        raise faults.WrongRequest(
            "choice-unknown", f"{variable} is {value!r}", f"set it to {' or '.join(allowed)}, or leave it unset"
        )
    return value


def _listed(text: str | None) -> tuple[str, ...] | None:
    return tuple(each.strip() for each in (text or "").split(",") if each.strip()) or None


def _seconds(text: str) -> float:
    match = _DURATION.fullmatch(text.strip())
    if match is None:
        import argparse

        raise argparse.ArgumentTypeError(f"{text!r} is no duration: write it as 90s, 2m or 500ms")
    return float(match[1]) * _UNITS[match[2]]


_PLAIN: dict[str, Any] = {
    "service": None, "url_variable": None, "url_variables": None, "json": False, "config": None, "section": "alembic",
    "schemas": None, "version_table": None, "version_table_schema": None, "ahead": None, "deep": False, "wait": None,
}  # fmt: skip


def _quickly(argv: Sequence[str]) -> types.SimpleNamespace | None:
    """The arguments of a `verify` as nearly all are, without argparse, which takes as long as the rest; None of others."""
    rest = list(argv[1:])
    if not argv or argv[0] != "verify":
        return None
    found = dict(_PLAIN)
    while rest:
        name, *more = rest
        if name in ("--json", "--deep"):
            found[name[2:]], rest = True, more
        elif name in ("--service", "--config") and more and not more[0].startswith("-"):
            found[name[2:]], rest = more[0], more[1:]
        else:
            return None
    return types.SimpleNamespace(command="verify", **found)


def _parser(as_json: bool) -> argparse.ArgumentParser:
    """Whose errors are a JSON document, too, where that was asked for."""
    import argparse

    class Parser(argparse.ArgumentParser):
        def error(self, message: str) -> NoReturn:
            if as_json:
                _document(faults.WrongRequest("wrong-use", message, f"see {self.prog} --help"))
                sys.stdout.flush()
            super().error(message)

    parser = Parser(prog="python -m stillroom.runtime", allow_abbrev=False)
    kinds = parser.add_subparsers(dest="command", required=True)
    verify = kinds.add_parser("verify", help="whether the database is ready for this image", allow_abbrev=False)
    _common(verify)
    verify.add_argument("--schemas", metavar="A,B", help="schemas that it owns (default: all of its database)")
    verify.add_argument("--version-table", metavar="NAME", help="its version table (default: as env.py says)")
    verify.add_argument("--version-table-schema", metavar="NAME", help="the schema of that")
    verify.add_argument("--ahead", choices=judge.POLICIES, help="of a newer database that the ledger does not explain")
    verify.add_argument(
        "--deep", action="store_true", help="hold the schema against its fingerprint (VERIFY_DEPTH=deep)"
    )
    verify.add_argument("--wait", type=_seconds, metavar="TIME", help="poll until it is ready, at most so long: 120s")
    wait = kinds.add_parser("wait", help="until the database accepts connections", allow_abbrev=False)
    _common(wait)
    wait.add_argument("--timeout", type=_seconds, default=60.0, metavar="TIME", help="at most so long (default: 60s)")
    return parser


def _common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--service", metavar="NAME", help="the service (default: STILLROOM_SERVICE, or its folder's name)"
    )
    parser.add_argument(
        "--config", metavar="FILE", help="its alembic.ini or pyproject.toml (default: found by its name)"
    )
    parser.add_argument("--section", default="alembic", metavar="NAME", help="the section of the ini file")
    which = parser.add_mutually_exclusive_group()
    which.add_argument(
        "--url-variable", metavar="NAME", help="the variable with the URL (default: its own, DATABASE_URL)"
    )
    which.add_argument(
        "--url-variables", metavar="PART=NAME,…", help="those that have a part of it each: host=DB_HOST,…"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output")
