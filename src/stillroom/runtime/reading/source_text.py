"""Which texts an expression of a migration can stand for, as far as reading its source tells.

Constants, f-strings (their unknown parts become `…`), concatenation, `%` and `.format`, `text("...")`, `dedent(...)`,
names assigned in the function or at the top of the file, and loop variables over a literal sequence.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator

__all__ = ["CLOSED", "HOLE", "Scope", "nodes", "root_name"]

HOLE = "…"
_WRAPPERS = frozenset({"text", "DDL", "dedent", "cleandoc", "literal_column", "str", "SQL", "f"})
_METHODS = frozenset(
    {
        "format",
        "strip",
        "lstrip",
        "rstrip",
        "bindparams",
        "columns",
        "execution_options",
        "replace",
        "format_map",
        "params",
    }
)
_DEPTH = 12
CLOSED = frozenset(
    {"create_table", "add_column", "drop_column", "alter_column", "drop_table", "create_index", "drop_index", "Column"}
    | {"create_foreign_key", "create_unique_constraint", "drop_constraint", "create_check_constraint"}
)
"""Calls that hold columns, types and constraints: no operation and no statement stands in them."""
_NO_NODES = frozenset(  # fields that hold texts, numbers, operators, or what no reader here asks for
    {
        "ctx",
        "op",
        "ops",
        "kind",
        "type_comment",
        "id",
        "attr",
        "arg",
        "name",
        "names",
        "annotation",
        "returns",
        "is_async",
    }
)
_BINDERS = frozenset(
    {ast.Assign, ast.AnnAssign, ast.NamedExpr, ast.For, ast.AsyncFor, ast.comprehension, ast.With, ast.AsyncWith}
)
_children: dict[type[ast.AST], tuple[str, ...]] = {
    ast.Constant: (),
    ast.Name: (),
    ast.arguments: ("defaults",),
    ast.Dict: ("values",),
}


def nodes(root: ast.AST) -> Iterator[ast.AST]:
    """Every node below `root`, itself first, in no special order, but not what stands inside `op.create_table(...)`
    and the like: most of a migration's nodes are columns, which hold neither operations nor statements.
    """
    stack = [root]
    pop, push = stack.pop, stack.append
    while stack:
        node = pop()
        yield node
        kind = type(node)
        if kind is ast.Call and type(node.func) is ast.Attribute and node.func.attr in CLOSED:  # type: ignore[attr-defined]
            continue
        for name in _children[kind] if kind in _children else _learn(kind):
            value = getattr(node, name, None)
            if type(value) is list:
                stack += [each for each in value if isinstance(each, ast.AST)]
            elif isinstance(value, ast.AST):
                push(value)


def _learn(kind: type[ast.AST]) -> tuple[str, ...]:
    """The fields of a kind of node that can hold nodes."""
    _children[kind] = tuple(name for name in kind._fields if name not in _NO_NODES)
    return _children[kind]


def root_name(node: ast.expr) -> str:
    """The name that a chain of attributes, calls and subscripts starts with (`a` of `a.b(c)[d]`), or ""."""
    while not isinstance(node, ast.Name):
        if isinstance(node, ast.Call):
            node = node.func
        elif isinstance(node, (ast.Attribute, ast.Subscript, ast.Starred, ast.Await)):
            node = node.value
        else:
            return ""
    return node.id


class Scope:
    """What names are bound to in one function (or module), with what surrounds it.

    Args:
        found: the nodes of the function, or the statements of the module's top level.
        outer: the module's scope, or None.
    """

    def __init__(self, found: Iterable[ast.AST], outer: Scope | None = None) -> None:
        self._outer = outer
        self._found = found
        self._known: dict[str, list[tuple[int, ast.expr, bool]]] | None = None

    @property
    def _bound(self) -> dict[str, list[tuple[int, ast.expr, bool]]]:
        """Name to (line, expression, whether in a loop), worked out when the first name is asked for."""
        if self._known is None:
            self._known = {}
            for node in self._found:
                if type(node) in _BINDERS:
                    self._note(node)
        return self._known

    def _note(self, node: ast.AST) -> None:
        if isinstance(node, ast.Assign):
            for target in node.targets:
                self._bind(target, node.value, node.lineno)
        elif isinstance(node, (ast.AnnAssign, ast.NamedExpr)) and node.value is not None:
            self._bind(node.target, node.value, node.lineno)
        elif isinstance(node, (ast.For, ast.AsyncFor)):
            self._bind(node.target, node.iter, node.lineno, loop=True)
        elif isinstance(node, ast.comprehension):
            self._bind(node.target, node.iter, getattr(node.target, "lineno", 0), loop=True)
        elif isinstance(node, (ast.With, ast.AsyncWith)):
            for item in node.items:
                if item.optional_vars is not None:
                    self._bind(item.optional_vars, item.context_expr, node.lineno)

    def _bind(self, target: ast.expr, value: ast.expr, line: int, *, loop: bool = False) -> None:
        if isinstance(target, ast.Name):
            self._bound.setdefault(target.id, []).append((line, value, loop))
        elif isinstance(target, (ast.Tuple, ast.List)) and loop:
            for each in target.elts:
                self._bind(each, value, line, loop=True)

    def value(self, name: str, line: int) -> tuple[ast.expr, bool] | None:
        """What `name` was last bound to at `line`: the expression, and whether the name runs through it in a loop."""
        bound = self._bound.get(name)
        if bound:
            earlier = [each for each in bound if each[0] <= line] or bound
            _, value, loop = max(earlier, key=lambda each: each[0])
            return value, loop
        return self._outer.value(name, 1 << 30) if self._outer is not None else None

    def values(self, name: str) -> list[ast.expr]:
        """All that `name` is ever bound to; nothing if it is not bound here, or runs through something in a loop."""
        bound = self._bound.get(name)
        if bound:
            return [] if any(loop for _, _, loop in bound) else [value for _, value, _ in bound]
        return self._outer.values(name) if self._outer is not None else []

    def texts(self, node: ast.expr, depth: int = 0) -> list[str] | None:
        """The texts that `node` can be, or None if that cannot be read."""
        if depth > _DEPTH:
            return None
        if isinstance(node, ast.Constant):
            return [node.value] if isinstance(node.value, str) else None
        if isinstance(node, ast.JoinedStr):
            return ["".join(self._piece(each, depth) for each in node.values)]
        if isinstance(node, ast.BinOp):
            return self._joined(node, depth)
        if isinstance(node, ast.IfExp):
            both = [self.texts(each, depth + 1) for each in (node.body, node.orelse)]
            return [text for texts in both if texts for text in texts] or None
        if isinstance(node, ast.Call):
            return self._called(node, depth)
        if isinstance(node, ast.Name):
            return self._named(node, depth)
        return None

    def _piece(self, node: ast.expr, depth: int) -> str:
        inner = node.value if isinstance(node, ast.FormattedValue) else node
        texts = self.texts(inner, depth + 1)
        return texts[0] if texts and len(texts) == 1 else HOLE

    def _joined(self, node: ast.BinOp, depth: int) -> list[str] | None:
        left = self.texts(node.left, depth + 1)
        if isinstance(node.op, ast.Mod):
            return left
        if not isinstance(node.op, ast.Add):
            return None
        right = self.texts(node.right, depth + 1)
        if left is None and right is None:
            return None
        return [a + b for a in left or [HOLE] for b in right or [HOLE]][:50]

    def _called(self, node: ast.Call, depth: int) -> list[str] | None:
        function = node.func
        name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
        if name in _WRAPPERS and node.args:
            return self.texts(node.args[0], depth + 1)
        if name in _METHODS and isinstance(function, ast.Attribute):
            return self.texts(function.value, depth + 1)
        return None

    def _named(self, node: ast.Name, depth: int) -> list[str] | None:
        bound = self.value(node.id, node.lineno)
        if bound is None:
            return None
        value, loop = bound
        if not loop:
            return self.texts(value, depth + 1)
        while isinstance(value, ast.Name):  # for each in STATEMENTS
            further = self.value(value.id, value.lineno)
            if further is None or further[0] is value:
                return None
            value = further[0]
        if isinstance(value, (ast.List, ast.Tuple, ast.Set)):
            found = [self.texts(each, depth + 1) for each in value.elts]
            if all(texts is not None for texts in found):
                return [text for texts in found if texts for text in texts]
        constants = [each.value for each in nodes(value) if isinstance(each, ast.Constant)]
        return [each for each in constants if isinstance(each, str)] or None
