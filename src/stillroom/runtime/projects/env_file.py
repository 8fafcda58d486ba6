"""`env_file:` of services.yaml: variables in a file of the service's folder, as python-dotenv reads it.

What settings classes and `load_dotenv()` read by themselves is not in the environment, where `env.py` is led elsewhere; so
it is put there, unless it is there already. The syntax: `NAME=value`, `export NAME=value`, comments, quotes (a value in
quotes may go over several lines; in double quotes `\\n` and the like are escapes), `${NAME}` or
`${NAME:-default}` in any value.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from .. import facts, faults, secrecy

__all__ = ["advice", "load", "parse"]

_USUAL = ".env"
_ASSIGNED = re.compile(
    r"""[^\S\n]*(?:export[^\S\n]+)?
    (?P<name>'[^'\n]+'|[^=\#\s'"]+)[^\S\n]*
    (?:=[^\S\n]*(?:
        '(?P<single>(?:\\.|[^'\\])*)' |
        "(?P<double>(?:\\.|[^"\\])*)" |
        (?P<plain>[^\n'"][^\n]*|)
    ))?[^\S\n]*(?:\#[^\n]*)?(?:\n|\Z)""",
    re.VERBOSE | re.DOTALL,
)
_PASSING = re.compile(r"(?:[^\S\n]*(?:#[^\n]*)?(?:\n|\Z))")
_REFERENCE = re.compile(r"\$\{(?P<name>[^}:]*)(?::-(?P<default>[^}]*))?\}")
_ESCAPES = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
_SECRET = re.compile(r"PASS|SECRET|TOKEN|CREDENTIAL|KEY", re.IGNORECASE)

_loaded: set[str] = set()


def load(service: facts.ServiceFacts) -> None:
    """Sets the variables of the service's `env_file` that are not set, once in this process; a file may be missing.

    Passwords among them are not repeated in what is told from then on.

    Raises:
        faults.ProjectFault: `env-file-unreadable`, with the line, never with what stands in it.
    """
    if service.env_file is None or service.name in _loaded:
        return
    file = Path(service.path) / service.env_file
    try:
        found = parse(file.read_text(encoding="utf-8-sig"), os.environ)
    except FileNotFoundError:
        return
    except (OSError, UnicodeDecodeError, ValueError) as error:
        why = getattr(error, "strerror", None) or (error.args[0] if type(error) is ValueError else "it is no UTF-8")
        raise faults.ProjectFault(
            "env-file-unreadable",
            f"{service.name}: {file} can't be read: {why}",
            "correct it (NAME=value, one a line), or env_file: in services.yaml",
        ) from None  # the text of what is wrong may be a password
    _loaded.add(service.name)
    declared = {name.lower(): name for name in _declared(service)}
    for name, value in found.items():
        _keep_secret(name, value)
        # Settings classes take a name in any case; the one that is led elsewhere has to be the only one.
        os.environ.setdefault(declared.get(name.lower(), name), value)


def advice(service: facts.ServiceFacts, names: list[str]) -> str:
    """What to do about variables that are not set and stand in a file that nobody has declared; else empty."""
    if service.env_file is not None:
        file = Path(service.path) / service.env_file
        return (
            f" ({file} does not set {'them' if len(names) > 1 else 'it'})"
            if file.is_file()
            else f" ({file} is missing)"
        )
    try:
        found = parse((Path(service.path) / _USUAL).read_text(encoding="utf-8-sig"), {})
    except (OSError, UnicodeDecodeError, ValueError):
        return ""
    there = {each.lower() for each in found}
    if all(name.lower() in there for name in names):
        return f"; {_USUAL} in its folder sets {'them' if len(names) > 1 else 'it'}: say env_file: {_USUAL} in services.yaml"
    return ""


def parse(text: str, environment: Mapping[str, str]) -> dict[str, str]:
    """The variables of a file, in its order. Pure.

    Args:
        text: of the file.
        environment: what `${NAME}` means where the file does not say it, and where it does.

    Raises:
        ValueError: with the number of a line that is none of these; a name without `=` is passed over.
    """
    found: dict[str, str] = {}
    for name, value in _assignments(text.replace("\r\n", "\n").replace("\r", "\n")):
        found[name] = _expanded(value, {**found, **environment})
    return found


def _assignments(text: str) -> Iterator[tuple[str, str]]:
    at = 0
    while at < len(text):
        passing = _PASSING.match(text, at)
        if passing is not None and passing.end() > at:
            at = passing.end()
            continue
        match = _ASSIGNED.match(text, at)
        if match is None:
            raise ValueError(f"line {text.count(chr(10), 0, at) + 1} is no NAME=value")
        at = match.end()
        value = _value(match)
        if value is not None:
            yield match["name"].strip("'"), value


def _value(match: re.Match[str]) -> str | None:
    if match["single"] is not None:
        return re.sub(r"\\([\\'])", r"\1", match["single"])
    if match["double"] is not None:
        return re.sub(r"\\([\\'\"abfnrtv])", lambda escape: _ESCAPES.get(escape[1], escape[1]), match["double"])
    if match["plain"] is not None:
        return re.sub(r"(^|\s+)#.*", "", match["plain"]).rstrip()
    return None


def _expanded(value: str, known: Mapping[str, str]) -> str:
    return _REFERENCE.sub(lambda match: known.get(match["name"], match["default"] or ""), value)


def _declared(service: facts.ServiceFacts) -> list[str]:
    parts = (service.url or {}).get("variables") or {}
    return [service.url_variable, *parts.values(), *filter(None, [service.scratch_url_variable])]


def _keep_secret(name: str, value: str) -> None:
    if "://" in value:
        from ..connections import urls

        # An address of something else: what stands as a password in one is never repeated, whoever says it.
        with contextlib.suppress(faults.ProjectFault):
            parts = urls.parts(value)
            secrecy.learn(parts["password"], parts["user"], parts["name"], parts["host"])
    elif _SECRET.search(name):
        secrecy.learn(value)
