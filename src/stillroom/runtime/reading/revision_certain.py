"""What a function of a file surely calls, read from its source: nothing that stands under an `if` or in a `try`."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence

from . import source_text

__all__ = ["Called", "all_calls", "calls"]

_UNSURE = (ast.IfExp, ast.BoolOp, ast.Lambda)
_LOOPS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
_DIALECTS = frozenset({"postgresql", "sqlite", "mysql", "mariadb", "mssql", "oracle"})
_MAY_END = (ast.Return, ast.Raise, ast.Break, ast.Continue)
_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)

Called = tuple[ast.Call, source_text.Scope]
"""A call, and what names are bound to where it stands."""


def calls(module: ast.Module, *names: str) -> list[Called]:
    """What these functions of the file surely call on a PostgreSQL, those of the file that they call included."""
    certain = _Certain(module)
    for name in names:
        certain.function(name)
    return certain.found


def all_calls(module: ast.Module, *, but: str) -> list[Called]:
    """What any function of the file calls, surely or perhaps; one is left out."""
    top = source_text.Scope(module.body)
    found: list[Called] = []
    for function in module.body:
        if isinstance(function, ast.FunctionDef) and function.name != but:
            scope = source_text.Scope(list(source_text.nodes(function)), top)
            found += [(each, scope) for each in ast.walk(function) if isinstance(each, ast.Call)]
    return found


class _Certain:
    """Follows a function, and collects what it calls."""

    def __init__(self, module: ast.Module) -> None:
        self._functions = {
            each.name: each for each in module.body if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)
        }
        self._top = source_text.Scope(module.body)
        self._seen: set[str] = set()
        self.found: list[Called] = []

    def function(self, name: str) -> None:
        """Collects what this one calls; nothing where there is none, or where it was followed before."""
        if name in self._functions and name not in self._seen:
            self._seen.add(name)
            function = self._functions[name]
            self._block(function.body, source_text.Scope(list(source_text.nodes(function)), self._top))

    def _block(self, body: Sequence[ast.stmt], scope: source_text.Scope) -> bool:
        """Whether what follows the block is surely reached."""
        return all(self._statement(each, scope) for each in body)

    def _statement(self, node: ast.stmt, scope: source_text.Scope) -> bool:
        for expression in _looked_at_first(node):
            self._calls(expression, scope)
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

    def _calls(self, node: ast.stmt | ast.expr, scope: source_text.Scope) -> None:
        within = list(ast.walk(node))
        if any(isinstance(each, _UNSURE) for each in within):
            return
        unsure = {id(each) for loop in within if isinstance(loop, _LOOPS) for each in _perhaps(loop, scope)}
        for call in (each for each in within if isinstance(each, ast.Call) and id(each) not in unsure):
            if isinstance(call.func, ast.Name):
                self.function(call.func.id)
            self.found.append((call, scope))


def _looked_at_first(node: ast.stmt) -> list[ast.expr]:
    """What a statement that holds others asks before any of them."""
    if isinstance(node, (ast.If, ast.While)):
        return [node.test]
    if isinstance(node, (ast.For, ast.AsyncFor)):
        return [node.iter]
    return [item.context_expr for item in node.items] if isinstance(node, (ast.With, ast.AsyncWith)) else []


def _perhaps(loop: ast.expr, scope: source_text.Scope) -> Iterator[ast.AST]:
    """What a comprehension over nothing would leave out."""
    first = getattr(loop, "generators")[0]  # noqa: B009 - each kind of comprehension has them
    if scope.texts(first.target) is None:
        sure = {id(each) for each in ast.walk(first.iter)}
        yield from (each for each in ast.walk(loop) if id(each) not in sure)


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
