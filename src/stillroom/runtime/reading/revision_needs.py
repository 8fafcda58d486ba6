"""What a history needs of a server before it runs: roles and extensions, read from the SQL in its revision files.

Counted is only what an upgrade surely executes and no file makes: not what stands under an `if` or in a `try`, in Python
or in a DO block, and no name that only running the file would tell.
"""

from __future__ import annotations

import ast
import dataclasses
import re
from collections.abc import Iterable, Mapping

from . import revision_certain, revision_file, revision_head, sql_text

__all__ = ["Needs", "made_roles", "read"]

_NAME = r'(?:"(?:[^"]|"")+"|[A-Za-z_][\w$]*)'
_NAMES = rf"(?:GROUP\s+)?{_NAME}(?:\s*,\s*(?:GROUP\s+)?{_NAME})*"
_ROLES = tuple(
    re.compile(pattern.replace("<names>", f"({_NAMES})").replace("<name>", f"({_NAME})"), re.IGNORECASE)
    for pattern in (
        r"GRANT\b.*?\bTO\s+<names>",
        r"GRANT\s+<names>\s+TO\b",
        r"REVOKE\b.*?\bFROM\s+<names>",
        r"ALTER\b.*?\bOWNER\s+TO\s+<name>",
        r"(?:ALTER|CREATE)\s+POLICY\b(?:(?!\b(?:USING|CHECK|RENAME)\b).)*?\bTO\s+<names>",
        r"ALTER\s+DEFAULT\s+PRIVILEGES\s+FOR\s+(?:ROLE|USER)\s+<names>",
        r"ALTER\s+DEFAULT\s+PRIVILEGES\b.*?\b(?:GRANT|REVOKE)\b.*?\b(?:TO|FROM)\s+<names>",
        r"ALTER\s+(?:ROLE|USER|GROUP)\s+(?!ALL\b)(?!MAPPING\b)<name>",
        r"REASSIGN\s+OWNED\s+BY\s+<names>",
        r"REASSIGN\s+OWNED\b.*?\bTO\s+<name>",
        r"DROP\s+OWNED\s+BY\s+<names>",
        r"SET\s+(?:LOCAL\s+|SESSION\s+)?ROLE\s+(?!NONE\b)(?!TO\b)<name>",
        r"CREATE\s+SCHEMA\b.*?\bAUTHORIZATION\s+<name>",
        r"COMMENT\s+ON\s+ROLE\s+<name>",
    )
)
_EXTENSION = re.compile(rf"CREATE\s+EXTENSION\s+(?:IF\s+NOT\s+EXISTS\s+)?({_NAME})", re.IGNORECASE)
_MADE = re.compile(rf"\bCREATE\s+(?:ROLE|USER|GROUP)\s+(?!MAPPING\b)(\\?\"[^\"\\]+\\?\"|{_NAME}|\S)", re.IGNORECASE)
_ANY = re.compile(
    rb"\b(?:GRANT|REVOKE|OWNER|OWNED|ROLE|USER|AUTHORIZATION|POLICY|PRIVILEGES|EXTENSION)\b", re.IGNORECASE
)
# `IF NOT EXISTS (SELECT ...) THEN` decides; `CREATE ... IF NOT EXISTS name` does not.
_DECIDES = re.compile(
    r"\b(?:IF\b(?!\s+(?:NOT\s+)?EXISTS\s+[\"\w])|EXCEPTION|CASE|LOOP|RETURN|WHILE|FOREACH)", re.IGNORECASE
)
_BEGIN = re.compile(r"\s*(?:DECLARE\b.*?)?\bBEGIN\b", re.IGNORECASE | re.DOTALL)
_PSEUDO = frozenset({"public", "current_user", "current_role", "session_user"})
_OPEN = re.compile(r"[{}%…]")
_EXECUTES = frozenset({"execute", "exec_driver_sql"})
_STATEMENTS = ("sqltext", "statement")


@dataclasses.dataclass(frozen=True)
class Needs:
    """What has to be there.

    Attributes:
        roles: name to the place that needs it first (`0002_grants.py, line 14`).
        extensions: the same of extensions that it creates.
    """

    roles: Mapping[str, str]
    extensions: Mapping[str, str]


def read(revisions: Iterable[revision_file.Revision]) -> Needs:
    """What these revisions need; files that do not parse are passed over."""
    roles: dict[str, str] = {}
    extensions: dict[str, str] = {}
    made: set[str] = set()
    for each in revisions:
        if not _ANY.search(each.source):
            continue
        made |= {_plain(name) for name in _MADE.findall(each.source.decode("utf-8", "replace"))}
        try:
            tree = revision_head.parse_module(each.source, each.name)
        except SyntaxError:
            continue
        for line, text in _texts(revision_certain.calls(tree, "upgrade")):
            place = f"{each.name}, line {line}"
            for statement in _certain(text):
                for name in _roles(statement):
                    roles.setdefault(name, place)
                for name in _EXTENSION.findall(statement):
                    if not _OPEN.search(name):
                        extensions.setdefault(_plain(name), place)
    if any(not re.match(r"\w", name) or _OPEN.search(name) for name in made):
        return Needs({}, extensions)  # it makes roles whose names only running it would tell
    return Needs({name: place for name, place in roles.items() if name not in made}, extensions)


def made_roles(revisions: Iterable[revision_file.Revision]) -> dict[str, str]:
    """The roles that these revisions make, surely or perhaps: name to place. Those that only running would name are left
    out."""
    found: dict[str, str] = {}
    for each in revisions:
        if not _ANY.search(each.source):
            continue
        try:
            tree = revision_head.parse_module(each.source, each.name)
        except SyntaxError:
            continue
        for line, text in _texts(revision_certain.all_calls(tree, but="downgrade")):
            for statement, bodies, _ in sql_text.statements(text):
                for name in _MADE.findall("\n".join([statement, *bodies])):
                    if re.match(r'["\w]', name) and not _OPEN.search(name):
                        found.setdefault(_plain(name), f"{each.name}, line {line}")
    return found


def _roles(statement: str) -> Iterable[str]:
    for pattern in _ROLES:
        match = pattern.match(statement)
        if match is None or (pattern is _ROLES[1] and re.search(r"\bON\b", statement, re.IGNORECASE)):
            continue
        for written in re.findall(_NAME, re.sub(r"\bGROUP\s+", "", match[1], flags=re.IGNORECASE)):
            name = _plain(written)
            if name not in _PSEUDO and not _OPEN.search(name):
                yield name


def _plain(written: str) -> str:
    """An identifier as the server keeps it."""
    bare = written.replace("\\", "")
    return bare[1:-1].replace('""', '"') if bare.startswith('"') and len(bare) > 1 else bare.lower()


def _certain(text: str) -> Iterable[str]:
    """The statements of a text that the server surely executes, those of DO blocks included."""
    for statement, bodies, _ in sql_text.statements(text):
        if not re.match(r"DO\b", statement, re.IGNORECASE):
            yield statement
        for body in bodies:
            if re.match(r"DO\b", statement, re.IGNORECASE) and not _DECIDES.search(body):
                yield from _certain(_BEGIN.sub("", body, count=1))


def _texts(calls: Iterable[revision_certain.Called]) -> Iterable[tuple[int, str]]:
    """Line and text of each statement that these calls execute, as far as the source holds it."""
    for call, scope in calls:
        if isinstance(call.func, ast.Attribute) and call.func.attr in _EXECUTES:
            given = [*call.args[:1], *(each.value for each in call.keywords if each.arg in _STATEMENTS)]
            texts = scope.texts(given[0]) if given else None
            yield from ((call.lineno, text) for text in texts or ())
