"""The operations of one function of a revision file, in the order of their lines."""

from __future__ import annotations

import ast
from typing import NamedTuple, Protocol

from . import revision_data, source_text

__all__ = [
    "SCHEMA_KEYWORDS",
    "SUBJECT_KEYWORDS",
    "SUBJECT_THEN_TABLE",
    "TABLE_KEYWORDS",
    "Function",
    "Operation",
    "Surroundings",
]

_NO_OPERATION = frozenset(
    {"f", "get_bind", "get_context", "inline_literal", "batch_alter_table", "implementation_for", "register_operation"}
)
SUBJECT_THEN_TABLE = frozenset(
    {
        "create_index",
        "drop_index",
        "create_foreign_key",
        "create_unique_constraint",
        "create_check_constraint",
        "create_primary_key",
        "create_exclude_constraint",
        "drop_constraint",
    }
)
TABLE_KEYWORDS = ("table_name", "source_table", "old_table_name", "table")
SCHEMA_KEYWORDS = ("schema", "source_schema")
SUBJECT_KEYWORDS = ("column_name", "index_name", "constraint_name", "column", "new_table_name")


class Operation(NamedTuple):
    """One call of `op` (or of a batch, or of a connection): `name` is the method's (`create_table`, `execute`).

    `table` ("orders", "audit.orders") and `subject` (column, index, constraint) are "" where the source does not say.
    """

    name: str
    table: str
    subject: str
    line: int

    def __str__(self) -> str:
        what = ".".join(each for each in (self.table, self.subject) if each)
        return f"{self.name} {what}" if what else self.name


class Surroundings(Protocol):
    """What a function has to know of the file that it stands in."""

    op_names: set[str]
    op_functions: dict[str, str]

    @property
    def scope(self) -> source_text.Scope:
        """What the names of the module's top level are bound to."""

    def note_import(self, node: ast.AST) -> None:
        """Record an import statement inside the function."""


class Function:
    """One function of the file, walked once."""

    def __init__(self, found: list[ast.AST], file: Surroundings) -> None:
        self._file = file
        self._nodes = found
        self._scope: source_text.Scope | None = None
        self.calls: list[ast.Call] = []
        self.names: set[str] = set()
        self._attributes: list[ast.Attribute] = []
        self._batches: dict[str, list[tuple[int, int, str]]] = {}  # name: first line, last line, table
        withs = []
        for node in found:
            kind = type(node)
            if kind is ast.Name:
                self.names.add(node.id)  # type: ignore[attr-defined]
            elif kind is ast.Call:
                self.calls.append(node)  # type: ignore[arg-type]
            elif kind is ast.Attribute:
                self._attributes.append(node)  # type: ignore[arg-type]
            elif kind is ast.With:
                withs.append(node)
            elif kind is ast.Import or kind is ast.ImportFrom:
                file.note_import(node)
        self.calls.sort(key=lambda node: (node.lineno, node.col_offset))
        for node in withs:
            self._note_batch(node)  # type: ignore[arg-type]

    @property
    def scope(self) -> source_text.Scope:
        """What the function's names are bound to."""
        if self._scope is None:
            self._scope = source_text.Scope(self._nodes, self._file.scope)
        return self._scope

    def calls_one_of(self, names: set[str]) -> bool:
        """Whether anything called here starts with one of these names, or is imported by `import_module`."""
        called = {source_text.root_name(call.func) for call in self.calls}
        return bool(called & names) or "import_module" in self.names

    def operations(self) -> list[Operation]:
        """The operations in the order of their lines."""
        found = []
        functions = set()
        for call in self.calls:
            functions.add(id(call.func))
            operation = self._operation(call)
            if operation is not None:
                found.append(operation)
        for each in self._attributes:  # `map(op.execute, STATEMENTS)`
            if id(each) not in functions and self._is_op(each.value) and each.attr not in _NO_OPERATION:
                found.append(Operation(each.attr, "", "", each.lineno))
        return sorted(found, key=lambda each: each.line)

    def _operation(self, call: ast.Call) -> Operation | None:
        function = call.func
        if isinstance(function, ast.Name):
            name = self._file.op_functions.get(function.id, "")
            return self._described(name, call) if name and name not in _NO_OPERATION else None
        if not isinstance(function, ast.Attribute):
            return None
        if self._is_op(function.value):
            return self._described(function.attr, call) if function.attr not in _NO_OPERATION else None
        batch = self._batch(function.value)
        if batch is not None and function.attr not in _NO_OPERATION:
            return Operation(function.attr, batch, self._argument(call, 0, SUBJECT_KEYWORDS), call.lineno)
        if revision_data.executes(call, self._scope_of) or _creates(call):
            return Operation(function.attr, "", "", call.lineno)
        return None

    def _scope_of(self) -> source_text.Scope:
        return self.scope

    def _is_op(self, node: ast.expr) -> bool:
        if isinstance(node, ast.Name):
            return node.id in self._file.op_names
        return isinstance(node, ast.Attribute) and node.attr == "op" and source_text.root_name(node) == "alembic"

    def _batch(self, node: ast.expr) -> str | None:
        """The table of the innermost batch of this name around the place; "" where that is not to be seen."""
        if not isinstance(node, ast.Name):
            return None
        known = self._batches.get(node.id, [])
        around = [each for each in known if each[0] <= node.lineno <= each[1]]
        if around:
            return max(around)[2]
        return "" if known or node.id in ("batch_op", "batch") else None

    def _note_batch(self, node: ast.With) -> None:
        for item in node.items:
            call = item.context_expr
            if isinstance(call, ast.Call) and isinstance(item.optional_vars, ast.Name):
                name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
                if name == "batch_alter_table":
                    table = self._schema(call) + self._argument(call, 0, TABLE_KEYWORDS)
                    lines = (node.lineno, node.end_lineno or node.lineno)
                    self._batches.setdefault(item.optional_vars.id, []).append((*lines, table))

    def _described(self, name: str, call: ast.Call) -> Operation:
        table, subject = (1, 0) if name in SUBJECT_THEN_TABLE else (0, 1)
        known = name not in ("execute", "invoke", "run_async")
        where = self._argument(call, table, TABLE_KEYWORDS) if known else ""
        what = self._argument(call, subject, SUBJECT_KEYWORDS) if known and name != "create_table" else ""
        return Operation(name, self._schema(call) + where if where else "", what, call.lineno)

    def _schema(self, call: ast.Call) -> str:
        for keyword in call.keywords:
            if keyword.arg in SCHEMA_KEYWORDS:
                texts = self.scope.texts(keyword.value)
                return f"{texts[0]}." if texts else ""
        return ""

    def _argument(self, call: ast.Call, position: int, keywords: tuple[str, ...]) -> str:
        node = call.args[position] if len(call.args) > position else None
        for keyword in call.keywords:
            if keyword.arg in keywords and node is None:
                node = keyword.value
        if isinstance(node, ast.Constant):
            return node.value if isinstance(node.value, str) else ""
        return revision_data.named(node, self._scope_of) if node is not None else ""


def _creates(call: ast.Call) -> bool:
    """`metadata.create_all(bind)`, `enum.create(op.get_bind())`, `enum.drop(bind, checkfirst=True)`."""
    name = call.func.attr if isinstance(call.func, ast.Attribute) else ""
    if name in ("create_all", "drop_all"):
        return True
    if name not in ("create", "drop"):
        return False
    first = call.args[0] if call.args else None
    if any(keyword.arg in ("bind", "checkfirst") for keyword in call.keywords):
        return True
    if isinstance(first, ast.Call):
        return isinstance(first.func, ast.Attribute) and first.func.attr == "get_bind"
    return isinstance(first, ast.Name) and first.id in ("bind", "conn", "connection", "engine")
