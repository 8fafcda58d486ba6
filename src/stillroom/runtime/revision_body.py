"""What a revision file would do: its operations, its downgrade, its data statements, its imports. Never executed.

`upgrade()` and every function or class of the file that it reaches by name count; so do the operations of
`with op.batch_alter_table(...)`. What a function of another module does cannot be seen: `Body.opaque` says so.
"""

from __future__ import annotations

import ast
import sys
from dataclasses import dataclass

from . import revision_data, source_text

__all__ = ["Body", "Import", "Operation", "read_body"]

_NO_OPERATION = frozenset(
    {"f", "get_bind", "get_context", "inline_literal", "batch_alter_table", "implementation_for", "register_operation"}
)
_SUBJECT_THEN_TABLE = frozenset(
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
_TABLE_KEYWORDS = ("table_name", "source_table", "old_table_name", "table")
_SUBJECT_KEYWORDS = ("column_name", "index_name", "constraint_name", "column", "new_table_name")
_KNOWN_MODULES = frozenset(sys.stdlib_module_names) | {"alembic", "sqlalchemy"}
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


@dataclass(frozen=True)
class Operation:
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


@dataclass(frozen=True)
class Import:
    """A module that the file imports (`app.models`), anywhere in it."""

    module: str
    line: int


@dataclass(frozen=True)
class Body:
    """What one revision file does.

    `downgrade_state`: "present", "missing", "empty" (only pass), "raises".
    `data`: the steps of `upgrade` that change rows. `unread_sql`: lines that execute SQL which the file does not hold.
    `opaque`: `upgrade` calls code that stands in another file (not alembic, SQLAlchemy, the standard library).
    """

    has_upgrade: bool
    upgrade: tuple[Operation, ...]
    downgrade: tuple[Operation, ...]
    downgrade_state: str
    data: tuple[revision_data.DataStep, ...]
    unread_sql: tuple[int, ...]
    imports: tuple[Import, ...]
    opaque: bool


def read_body(module: ast.Module) -> Body:
    """Everything that `Body` says of a parsed revision file."""
    file = _File(module)
    up = [file.part(name) for name in file.reached("upgrade")]
    down = [file.part(name) for name in file.reached("downgrade")]
    steps, unread = revision_data.find([(part.calls, part.scope) for part in up], file.op_names)
    return Body(
        has_upgrade=file.defines("upgrade"),
        upgrade=tuple(each for part in up for each in part.operations()),
        downgrade=tuple(each for part in down for each in part.operations()),
        downgrade_state=file.downgrade_state(),
        data=tuple(steps),
        unread_sql=tuple(unread),
        imports=tuple(sorted(file.imports, key=lambda each: (each.line, each.module))),
        opaque=any(part.calls_one_of(file.foreign) for part in up) or _is_opaque(file, "upgrade"),
    )


def _is_opaque(file: _File, name: str) -> bool:
    return file.defines(name) and name not in file.functions


class _File:
    """A module: its functions, imports, names for `op`; each function is walked once."""

    def __init__(self, module: ast.Module) -> None:
        self.functions: dict[str, ast.stmt] = {}
        self.imports: list[Import] = []
        self.op_names = {"op"}
        self.op_functions: dict[str, str] = {}
        self.foreign: set[str] = set()
        self._bound: set[str] = set()
        self._parts: dict[str, _Part] = {}
        self._top = module.body
        self._scope: source_text.Scope | None = None
        for statement in module.body:
            self._note_top(statement)
        for name, function in self.functions.items():
            self._parts[name] = _Part(list(source_text.nodes(function)), self)

    def _note_top(self, statement: ast.stmt) -> None:
        if isinstance(statement, _FUNCTIONS):
            self.functions[statement.name] = statement
            self._bound.add(statement.name)
            return
        if isinstance(statement, (ast.Assign, ast.AnnAssign, ast.Expr)):
            targets = statement.targets if isinstance(statement, ast.Assign) else [getattr(statement, "target", None)]
            self._bound.update(each.id for each in targets if isinstance(each, ast.Name))
            return
        for node in source_text.nodes(statement):
            kind = type(node)
            if kind is ast.Import or kind is ast.ImportFrom:
                self.note_import(node)
            elif kind is ast.Name and isinstance(node.ctx, ast.Store):  # type: ignore[attr-defined]
                self._bound.add(node.id)  # type: ignore[attr-defined]
            elif isinstance(node, _FUNCTIONS):  # under an `if` or `try`
                self.functions[node.name] = node
                self._bound.add(node.name)

    def note_import(self, node: ast.AST) -> None:
        """Record an import statement: module, names for `op`, names of other people's code."""
        if isinstance(node, ast.Import):
            for alias in node.names:
                self._import(alias.name, alias.asname or alias.name.split(".")[0], node.lineno)
                if alias.asname and alias.name == "alembic.op":
                    self.op_names.add(alias.asname)
        elif isinstance(node, ast.ImportFrom):
            module = "." * node.level + (node.module or "")
            for alias in node.names:
                self._import(module, alias.asname or alias.name, node.lineno)
                if module == "alembic" and alias.name == "op":
                    self.op_names.add(alias.asname or "op")
                elif module == "alembic.op":
                    self.op_functions[alias.asname or alias.name] = alias.name

    def _import(self, module: str, name: str, line: int) -> None:
        found = Import(module, line)
        if found not in self.imports:
            self.imports.append(found)
        if module.split(".")[0] not in _KNOWN_MODULES:
            self.foreign.add(name)
        self._bound.add(name)

    @property
    def scope(self) -> source_text.Scope:
        """What the names of the module's top level are bound to."""
        if self._scope is None:
            self._scope = source_text.Scope(self._top)
        return self._scope

    def defines(self, name: str) -> bool:
        """Whether the module has `name`, by definition, assignment or import."""
        return name in self._bound or "*" in self._bound

    def part(self, name: str) -> _Part:
        """The walked function `name`."""
        return self._parts[name]

    def reached(self, name: str) -> list[str]:
        """`name` and the file's functions and classes that it uses, directly or not, in the order found."""
        found: dict[str, None] = {}
        waiting = [name] if name in self.functions else []
        while waiting:
            each = waiting.pop(0)
            if each in found:
                continue
            found[each] = None
            used = self._parts[each].names
            waiting += sorted(used & self.functions.keys(), key=lambda it: self.functions[it].lineno)
            if "globals" in used:  # Alembic's template for several databases
                waiting += [it for it in self.functions if it.startswith(f"{name}_")]
        return list(found)

    def downgrade_state(self) -> str:
        """See `Body`."""
        function = self.functions.get("downgrade")
        if not isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef)):
            return "present" if self.defines("downgrade") else "missing"
        if any(isinstance(each, ast.Raise) for each in function.body):
            return "raises"
        return "empty" if all(_does_nothing(each) for each in function.body) else "present"


def _does_nothing(statement: ast.stmt) -> bool:
    if isinstance(statement, ast.Expr):
        return isinstance(statement.value, ast.Constant)
    if isinstance(statement, ast.Return):
        return statement.value is None or isinstance(statement.value, ast.Constant)
    return isinstance(statement, ast.Pass)


class _Part:
    """One function of the file, walked once."""

    def __init__(self, found: list[ast.AST], file: _File) -> None:
        self._file = file
        self._nodes = found
        self._scope: source_text.Scope | None = None
        self.calls: list[ast.Call] = []
        self.names: set[str] = set()
        self._attributes: list[ast.Attribute] = []
        self._batches: dict[str, str] = {}
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
            return Operation(function.attr, batch, self._argument(call, 0, _SUBJECT_KEYWORDS), call.lineno)
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
        if not isinstance(node, ast.Name):
            return None
        return self._batches.get(node.id, "" if node.id in ("batch_op", "batch") else None)

    def _note_batch(self, node: ast.With) -> None:
        for item in node.items:
            call = item.context_expr
            if isinstance(call, ast.Call) and isinstance(item.optional_vars, ast.Name):
                name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
                if name == "batch_alter_table":
                    self._batches[item.optional_vars.id] = self._schema(call) + self._argument(call, 0, _TABLE_KEYWORDS)

    def _described(self, name: str, call: ast.Call) -> Operation:
        table, subject = (1, 0) if name in _SUBJECT_THEN_TABLE else (0, 1)
        known = name not in ("execute", "invoke", "run_async")
        where = self._argument(call, table, _TABLE_KEYWORDS) if known else ""
        what = self._argument(call, subject, _SUBJECT_KEYWORDS) if known and name != "create_table" else ""
        return Operation(name, self._schema(call) + where if where else "", what, call.lineno)

    def _schema(self, call: ast.Call) -> str:
        for keyword in call.keywords:
            if keyword.arg in ("schema", "source_schema"):
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
