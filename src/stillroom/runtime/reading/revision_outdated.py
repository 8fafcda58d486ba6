"""What a file surely does with SQLAlchemy that SQLAlchemy 2 refuses each time. Read from its source.

Text that is executed on a connection without `text()`; `select([...])` and `case([...])`; parameters as keywords of
`execute`; `MetaData(bind=...)`, `Table(autoload=True)`. `op.execute("...")` takes text, in each version.
"""

from __future__ import annotations

import ast
from typing import NamedTuple

from . import revision_certain, source_text

__all__ = ["Outdated", "in_env", "in_revision"]

_RUNS = frozenset({"execute", "scalar", "scalars"})
_OF_EXECUTE = frozenset({"statement", "parameters", "params", "execution_options", "bind_arguments", "bind"})
_TAKE_NO_LIST = frozenset({"select", "case"})
_GONE = {"MetaData": frozenset({"bind"}), "Table": frozenset({"autoload"})}
_ONLINE = ("run_migrations_online", "do_run_migrations")
_KEEPS_TEXT = frozenset({"format", "format_map", "strip", "lstrip", "rstrip", "replace", "join", "lower", "upper"})
_MAKES_TEXT = frozenset({"dedent", "cleandoc", "str"})
_DEPTH = 8


class Outdated(NamedTuple):
    """One place: its line, what stands there (`connection.execute("...")`), and what to write instead."""

    line: int
    what: str
    instead: str


def in_revision(module: ast.Module) -> list[Outdated]:
    """What `upgrade()` of a parsed revision file surely does."""
    return _found(module, "upgrade")


def in_env(module: ast.Module) -> list[Outdated]:
    """What a parsed `env.py` surely does with a database, as far as its functions have their usual names."""
    return _found(module, *_ONLINE)


def _found(module: ast.Module, *functions: str) -> list[Outdated]:
    of_sqlalchemy = _names_of_sqlalchemy(module)
    found = []
    for call, scope in revision_certain.calls(module, *functions):
        judged = _executed(call, scope) or _called(call, of_sqlalchemy)
        if judged is not None:
            found.append(judged)
    return sorted(set(found))


def _names_of_sqlalchemy(module: ast.Module) -> set[str]:
    """What the file's own names are that lead into SQLAlchemy."""
    found: set[str] = set()
    for node in ast.walk(module):
        if isinstance(node, ast.Import):
            found |= {
                (each.asname or each.name).split(".")[0]
                for each in node.names
                if each.name.split(".")[0] == "sqlalchemy"
            }
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "sqlalchemy":
            found |= {each.asname or each.name for each in node.names}
    return found


def _executed(call: ast.Call, scope: source_text.Scope) -> Outdated | None:
    function = call.func
    if not isinstance(function, ast.Attribute) or function.attr not in _RUNS or not _connects(function.value, scope):
        return None
    shown = ast.unparse(function)
    if call.args and _is_text(call.args[0], scope):
        return Outdated(call.lineno, f'{shown}("...")', f'{shown}(sa.text("..."))')
    given = [each.arg for each in call.keywords if each.arg and each.arg not in _OF_EXECUTE]
    if given and call.args:
        return Outdated(call.lineno, f"{shown}(..., {given[0]}=...)", f'{shown}(..., {{"{given[0]}": ...}})')
    return None


def _called(call: ast.Call, of_sqlalchemy: set[str]) -> Outdated | None:
    function = call.func
    name = _name(call)
    plain = isinstance(function, ast.Name) or _is_module(function)
    if not plain or source_text.root_name(function) not in of_sqlalchemy:
        return None
    if name in _TAKE_NO_LIST and len(call.args) >= 1 and isinstance(call.args[0], (ast.List, ast.ListComp)):
        return Outdated(call.lineno, f"{name}([...])", f"{name}(...) without the brackets")
    gone = [each.arg for each in call.keywords if each.arg in _GONE.get(name, ())]
    if gone:
        instead = "autoload_with=connection" if name == "Table" else f"{name}()"
        return Outdated(call.lineno, f"{name}({gone[0]}=...)", instead)
    return None


def _is_module(node: ast.expr) -> bool:
    """Whether this is `sa.select` or `sa.sql.select`: names and attributes, no calls (`table.c.x.in_` is none of them)."""
    while isinstance(node, ast.Attribute):
        node = node.value
        if isinstance(node, ast.Attribute) and node.attr not in ("sql", "expression", "schema"):
            return False
    return isinstance(node, ast.Name)


def _connects(node: ast.expr, scope: source_text.Scope, depth: int = 0) -> bool:
    """Whether this is a connection, or a session, of SQLAlchemy."""
    if isinstance(node, ast.Name):
        values = scope.values(node.id) if depth < _DEPTH else []
        return bool(values) and all(_connects(each, scope, depth + 1) for each in values)
    if not isinstance(node, ast.Call):
        return False
    name = _name(node)
    if name == "get_bind":
        return True
    if name == "Session":
        given = [*node.args, *(each.value for each in node.keywords)]
        return any(_connects(each, scope, depth + 1) for each in given)
    if name in ("connect", "begin") and isinstance(node.func, ast.Attribute):
        return _is_engine(node.func.value, scope) or (
            name == "connect" and _connects(node.func.value, scope, depth + 1)
        )
    return False


def _is_engine(node: ast.expr, scope: source_text.Scope) -> bool:
    if isinstance(node, ast.Name):
        values = scope.values(node.id)
        return bool(values) and all(isinstance(each, ast.Call) and _is_engine(each, scope) for each in values)
    return isinstance(node, ast.Call) and _name(node) in ("engine_from_config", "create_engine")


def _is_text(node: ast.expr, scope: source_text.Scope, depth: int = 0) -> bool:
    """Whether this is plain text, and nothing that SQLAlchemy made of it."""
    if isinstance(node, ast.Constant):
        return isinstance(node.value, str)
    if isinstance(node, ast.JoinedStr):
        return True
    if depth > _DEPTH:
        return False
    if isinstance(node, ast.BinOp):
        sides = (node.left, node.right) if isinstance(node.op, ast.Add) else (node.left,)
        return isinstance(node.op, (ast.Add, ast.Mod)) and any(_is_text(each, scope, depth + 1) for each in sides)
    if isinstance(node, ast.Name):
        values = scope.values(node.id)
        return bool(values) and all(_is_text(each, scope, depth + 1) for each in values)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _KEEPS_TEXT:
        return _is_text(node.func.value, scope, depth + 1)
    if isinstance(node, ast.Call) and node.args:
        return _name(node) in _MAKES_TEXT and _is_text(node.args[0], scope, depth + 1)
    return False


def _name(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
