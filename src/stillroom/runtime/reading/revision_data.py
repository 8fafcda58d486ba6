"""The data steps of a migration: what changes rows, and so would be lost when a history becomes one fresh baseline.

`op.bulk_insert`, INSERT/UPDATE/DELETE/COPY/... texts and SQLAlchemy's DML in any `execute`, writes of an ORM session.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from . import source_text, sql_text

__all__ = ["DataStep", "executes", "find", "named"]

_EXECUTE = frozenset({"execute", "exec_driver_sql", "executemany"})
_FETCH = frozenset({"scalar", "scalars"})
_COPY = frozenset({"copy_expert", "copy_from", "copy_records_to_table", "copy_to_table"})
_SESSION_WRITES = frozenset(
    {"add", "add_all", "merge", "delete", "bulk_save_objects", "bulk_insert_mappings", "bulk_update_mappings"}
)
_SESSION_ENDS = frozenset({"commit", "flush"})
_SESSION = _SESSION_WRITES | _SESSION_ENDS | {"update"}
_DML = {"insert": "INSERT", "update": "UPDATE", "delete": "DELETE"}
_STATEMENT_KEYWORDS = ("sqltext", "statement", "query", "sql")
_LENGTH = 100

_ScopeOf = Callable[[], source_text.Scope]


@dataclass(frozen=True)
class DataStep:
    """One step that changes rows: its line, its kind (INSERT, UPDATE, DELETE, MERGE, TRUNCATE, COPY, FILL, DO, session)
    and the statement or call on one line, shortened."""

    line: int
    kind: str
    text: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.text}"


def find(
    parts: Iterable[tuple[list[ast.Call], source_text.Scope]], op_names: set[str]
) -> tuple[list[DataStep], list[int]]:
    """The data steps of some functions, by line, and the lines that execute SQL which the source does not hold."""
    steps: list[DataStep] = []
    unread: list[int] = []
    for calls, scope in parts:
        finder = _Finder(scope, op_names)
        for call in calls:
            finder.look(call)
        steps += finder.finished()
        unread += finder.unread
    return sorted(set(steps), key=lambda step: (step.line, step.kind, step.text)), sorted(set(unread))


def executes(call: ast.Call, scope_of: _ScopeOf) -> bool:
    """Whether this call executes something on a connection or session that is more than a query."""
    if not isinstance(call.func, ast.Attribute) or call.func.attr not in _EXECUTE:
        return False
    statement = _statement(call)
    if statement is None:
        return False
    texts = scope_of().texts(statement)
    if texts is not None:
        return not all(sql_text.reads_only(text) for text in texts)
    return source_text.root_name(statement) not in ("select", "sa") or _dml(statement, scope_of()) is not None


def named(node: ast.expr, scope_of: _ScopeOf) -> str:
    """The name in `"orders"`, `op.f("ix_a")`, `sa.Column("note", ...)`, `sa.table("orders")`, or a variable."""
    scope = scope_of()
    if isinstance(node, ast.Name):
        bound = scope.value(node.id, node.lineno)
        if bound is not None and isinstance(bound[0], ast.Call):
            node = bound[0]
    if isinstance(node, ast.Call) and node.args and not isinstance(node.args[0], ast.Call):
        texts = scope.texts(node.args[0])
    else:
        texts = scope.texts(node)
    return texts[0] if texts and len(texts) == 1 else ""


class _Finder:
    """Looks at the calls of one function."""

    def __init__(self, scope: source_text.Scope, op_names: set[str]) -> None:
        self._scope = scope
        self._op_names = op_names
        self._steps: list[DataStep] = []
        self._ends: list[DataStep] = []
        self.unread: list[int] = []

    def look(self, call: ast.Call) -> None:
        """Note what this call does to rows."""
        function = call.func
        name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
        if name == "bulk_insert":
            table = named(call.args[0], lambda: self._scope) if call.args else ""
            self._add(call.lineno, "INSERT", f"bulk_insert into {table or source_text.HOLE}")
        elif name in _EXECUTE or name in _FETCH:
            self._execution(call, name)
        elif name in _COPY:
            self._add(call.lineno, "COPY", f"{name}(…)")
        elif name in _SESSION and isinstance(function, ast.Attribute):
            self._session(call, function)

    def finished(self) -> list[DataStep]:
        """The steps; a bare `session.commit()` counts only where no other write of a session was seen."""
        return self._steps if any(step.kind == "session" for step in self._steps) else self._steps + self._ends

    def _add(self, line: int, kind: str, text: str) -> None:
        self._steps.append(DataStep(line, kind, text if len(text) <= _LENGTH else text[: _LENGTH - 1] + "…"))

    def _execution(self, call: ast.Call, name: str) -> None:
        statement = _statement(call)
        if statement is None:
            return
        texts = self._scope.texts(statement)
        for text in texts or ():
            for kind, sql, below in sql_text.data_statements(text):
                start, end = _lines(statement)
                self._add(min(start + below, end), kind, sql)
        if texts is not None:
            return
        dml = _dml(statement, self._scope)
        if dml is not None:
            self._add(call.lineno, *dml)
        elif name in _EXECUTE and self._is_unreadable(statement):
            self.unread.append(call.lineno)

    def _is_unreadable(self, node: ast.expr) -> bool:
        if isinstance(node, ast.Name):
            bound = self._scope.value(node.id, node.lineno)
            if bound is None:
                return True
            node = bound[0]
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            return node.func.attr in ("read", "read_text", "join", "get_data", "decode", "group")
        return not isinstance(node, ast.Call)

    def _session(self, call: ast.Call, function: ast.Attribute) -> None:
        name = function.attr
        owner = function.value
        if name in ("update", "delete") and _queries(owner):
            self._add(call.lineno, "session", f"session.query(…).{name}(…)")
        elif isinstance(owner, ast.Name) and self._is_session(owner):
            step = DataStep(call.lineno, "session", f"{owner.id}.{name}(…)")
            if name in _SESSION_WRITES:
                self._steps.append(step)
            elif name in _SESSION_ENDS:
                self._ends.append(step)

    def _is_session(self, owner: ast.Name) -> bool:
        bound = self._scope.value(owner.id, owner.lineno)
        if bound is None:
            return owner.id in ("session", "db_session")
        value = bound[0].value if isinstance(bound[0], ast.Await) else bound[0]
        if not isinstance(value, ast.Call):
            return False
        function = value.func
        if isinstance(function, ast.Call):  # sessionmaker(bind=bind)()
            function = function.func
        name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
        return name.lower().endswith(("session", "sessionmaker", "sessionlocal"))


def _statement(call: ast.Call) -> ast.expr | None:
    if call.args:
        return call.args[0]
    return next((each.value for each in call.keywords if each.arg in _STATEMENT_KEYWORDS), None)


def _lines(node: ast.expr) -> tuple[int, int]:
    """The lines on which the text of `text("...")` begins and ends."""
    while isinstance(node, ast.Call):
        if isinstance(node.func, ast.Attribute) and isinstance(
            node.func.value, (ast.Call, ast.Constant, ast.JoinedStr)
        ):
            node = node.func.value
        elif node.args:
            node = node.args[0]
        else:
            break
    return node.lineno, node.end_lineno or node.lineno


def _queries(node: ast.expr) -> bool:
    while isinstance(node, (ast.Call, ast.Attribute)):
        if isinstance(node, ast.Attribute):
            if node.attr == "query":
                return True
            node = node.value
        else:
            node = node.func
    return False


def _dml(node: ast.expr, scope: source_text.Scope, depth: int = 0) -> tuple[str, str] | None:
    """(kind, text) of `users.insert().values(...)`, `sa.update(users)...`, or a variable that holds one."""
    if isinstance(node, ast.Name) and depth < 5:
        bound = scope.value(node.id, node.lineno)
        return _dml(bound[0], scope, depth + 1) if bound is not None and bound[0] is not node else None
    while isinstance(node, ast.Call):
        function = node.func
        name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
        if name in _DML:
            return _DML[name], f"{name} {_dml_table(node, scope)}"
        if not isinstance(function, ast.Attribute):
            return None
        node = function.value
    return None


def _dml_table(call: ast.Call, scope: source_text.Scope) -> str:
    base = call.func.value if isinstance(call.func, ast.Attribute) and not call.args else (call.args or [call.func])[0]
    return named(base, lambda: scope) or source_text.root_name(base) or source_text.HOLE
