"""What a history needs of a server before it runs: roles and extensions, read from the SQL in its revision files.

Counted is only what an upgrade surely executes and no file makes: not what stands under an `if` or in a `try`, in Python
or in a DO block, and no name that only running the file would tell.
"""

from __future__ import annotations

import ast
import dataclasses
import re
from collections.abc import Iterable, Mapping, Sequence

from . import revision_file, revision_head, source_text, sql_text

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
_UNSURE = (ast.IfExp, ast.BoolOp, ast.Lambda)
_DIALECTS = frozenset({"postgresql", "sqlite", "mysql", "mariadb", "mssql", "oracle"})
_MAY_END = (ast.Return, ast.Raise, ast.Break, ast.Continue)
_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


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
        for line, text in _Upgrade(tree).statements():
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
        for line, text in _Upgrade(tree).everything():
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


class _Upgrade:
    """What `upgrade()` of a file surely executes."""

    def __init__(self, module: ast.Module) -> None:
        self._functions = {each.name: each for each in module.body if isinstance(each, ast.FunctionDef)}
        self._top = source_text.Scope(module.body)
        self._found: list[tuple[int, str]] = []
        self._seen: set[str] = set()

    def statements(self) -> list[tuple[int, str]]:
        """Line and text of each."""
        self._function("upgrade")
        return self._found

    def everything(self) -> list[tuple[int, str]]:
        """Line and text of each that it or a function of the file executes, but for `downgrade`."""
        for name, function in self._functions.items():
            if name != "downgrade":
                scope = source_text.Scope(list(source_text.nodes(function)), self._top)
                for call in (each for each in ast.walk(function) if isinstance(each, ast.Call)):
                    self._executed(call, scope)
        return self._found

    def _function(self, name: str) -> None:
        if name in self._functions and name not in self._seen:
            self._seen.add(name)
            function = self._functions[name]
            self._block(function.body, source_text.Scope(list(source_text.nodes(function)), self._top))

    def _block(self, body: Sequence[ast.stmt], scope: source_text.Scope) -> bool:
        """Whether what follows the block is surely reached."""
        return all(self._statement(each, scope) for each in body)

    def _statement(self, node: ast.stmt, scope: source_text.Scope) -> bool:
        if isinstance(node, (ast.With, ast.AsyncWith)):
            named = {source_text.root_name(item.context_expr) for item in node.items}
            swallows = bool(named & {"suppress", "contextlib"})
            return not _may_end(node) if swallows else self._block(node.body, scope)
        if isinstance(node, (ast.For, ast.AsyncFor)):
            literal = scope.texts(node.target) if isinstance(node.target, ast.Name) else None
            return self._block(node.body, scope) if literal else not _may_end(node)
        if isinstance(node, ast.Try):
            certain = not node.handlers and self._block(node.body, scope)
            return self._block(node.finalbody, scope) and (certain or not _may_end(node))
        if isinstance(node, (ast.Return, ast.Raise)):
            self._calls(node, scope)
            return False
        if isinstance(node, ast.If) and (decided := _on_postgresql(node.test, scope)) is not None:
            return self._block(node.body if decided else node.orelse, scope)
        if isinstance(node, (*_DEFINITIONS, ast.If, ast.While, ast.Match)):
            return isinstance(node, _DEFINITIONS) or not _may_end(node)
        self._calls(node, scope)
        return True

    def _calls(self, node: ast.stmt, scope: source_text.Scope) -> None:
        within = list(ast.walk(node))
        if any(isinstance(each, _UNSURE) for each in within):
            return
        for call in (each for each in within if isinstance(each, ast.Call)):
            if isinstance(call.func, ast.Name):
                self._function(call.func.id)
            else:
                self._executed(call, scope)

    def _executed(self, call: ast.Call, scope: source_text.Scope) -> None:
        if isinstance(call.func, ast.Attribute) and call.func.attr in _EXECUTES:
            given = [*call.args[:1], *(each.value for each in call.keywords if each.arg in _STATEMENTS)]
            texts = scope.texts(given[0]) if given else None
            self._found += [(call.lineno, text) for text in texts or ()]


def _on_postgresql(test: ast.expr, scope: source_text.Scope) -> bool | None:
    """What a test comes to that asks for the dialect (`bind.dialect.name == "postgresql"`); None for every other one."""
    if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        answer = _on_postgresql(test.operand, scope)
        return None if answer is None else not answer
    if isinstance(test, ast.Name):
        bound = scope.value(test.id, test.lineno)
        return _on_postgresql(bound[0], scope) if bound is not None and isinstance(bound[0], ast.Compare) else None
    if not isinstance(test, ast.Compare) or len(test.ops) != 1:
        return None
    names = {each.value for each in ast.walk(test.comparators[0]) if isinstance(each, ast.Constant)}
    if not names or not names <= _DIALECTS:
        return None
    if isinstance(test.ops[0], (ast.Eq, ast.In)):
        return "postgresql" in names
    return "postgresql" not in names if isinstance(test.ops[0], (ast.NotEq, ast.NotIn)) else None


def _may_end(node: ast.AST) -> bool:
    return any(isinstance(each, _MAY_END) for each in ast.walk(node))
