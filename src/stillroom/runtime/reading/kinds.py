"""Whether a revision expands the schema, so that the image before can live with it, or contracts it. Read from source.

Only what is known to be additive is `expand`; every operation that is not, raw SQL of any but a few exact forms
(`known_sql`) and every call whose effect the file does not show is `contract`. A file may say otherwise, in one line:
`stillroom_kind = "expand"`. The table of docs/expand-contract.md says which operation is which; a test reads it.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from . import known_sql, revision_head, source_text

__all__ = ["CONTRACT", "DECLARATION", "EXPAND", "Kind", "of"]

EXPAND = "expand"
CONTRACT = "contract"
DECLARATION = "stillroom_kind"
"""The name by which a revision file says its kind itself."""

_ADDITIVE = frozenset({"create_table", "create_table_comment", "drop_table_comment"})
_TIGHTENING = frozenset(
    {
        "create_unique_constraint",
        "create_check_constraint",
        "create_foreign_key",
        "create_exclude_constraint",
        "create_primary_key",
    }
)
_OF_NEW_TABLES = _TIGHTENING | {"create_index", "bulk_insert", "add_column"}
"""What is additive in any form while nobody else knows the table: it is made in the same file."""

_WIDER = frozenset({"foreignkey", "check"})
_NEUTRAL_KEYWORDS = frozenset({"schema", "comment", "postgresql_using", "autoincrement", "table_name", "column_name"})
_NOT_OPERATIONS = frozenset({"f", "get_bind", "get_context", "inline_literal", "batch_alter_table"})
_READING = frozenset({"inspect", "autocommit_block", "print", "f", "has_table", "has_index"})


@dataclass(frozen=True)
class Kind:
    """What a revision is, and what decided that: `expand` or `contract`, and one phrase (`line 12: drop_column note`)."""

    kind: str
    reason: str


def of(source: bytes | str, name: str = "<revision>") -> Kind:
    """The kind of one revision file; what can't be read is `contract`.

    Args:
        source: its text.
        name: its file name, for the syntax tree.
    """
    try:
        module = revision_head.parse_module(source, name)
    except SyntaxError as error:
        return Kind(CONTRACT, f"line {error.lineno or 1}: it does not parse")
    declared = _declared(module)
    if declared is not None:
        return declared
    return _Reader(module).kind()


def _declared(module: ast.Module) -> Kind | None:
    """What the file says itself, the last word counting."""
    found = None
    for statement in module.body:
        targets = statement.targets if isinstance(statement, ast.Assign) else [getattr(statement, "target", None)]
        if not any(isinstance(each, ast.Name) and each.id == DECLARATION for each in targets):
            continue
        value = getattr(statement, "value", None)
        said = value.value if isinstance(value, ast.Constant) else None
        if said in (EXPAND, CONTRACT):
            found = Kind(str(said), f"{DECLARATION} says so")
        else:
            found = Kind(CONTRACT, f"line {statement.lineno}: {DECLARATION} is neither {EXPAND!r} nor {CONTRACT!r}")
    return found


class _Reader:
    """One revision file: what its `upgrade`, and the functions of the file that it calls, do."""

    def __init__(self, module: ast.Module) -> None:
        self._functions = {each.name: each for each in module.body if isinstance(each, ast.FunctionDef)}
        self._op_names = {"op"} | {
            alias.asname or alias.name
            for node in ast.walk(module)
            if isinstance(node, ast.ImportFrom) and node.module == "alembic"
            for alias in node.names
            if alias.name == "op"
        }
        self._batches: dict[str, str] = {}
        self._made: set[str] = set()

    def kind(self) -> Kind:
        """The kind, and the first thing that makes it a contraction."""
        if "upgrade" not in self._functions:
            return Kind(CONTRACT, "it has no function `upgrade` that can be read")
        calls = list(self._calls("upgrade", set()))
        self._note_tables(calls)
        count = 0
        for call in calls:
            why = self._contracts(call)
            if why:
                return Kind(CONTRACT, f"line {call.lineno}: {why}")
            count += self._operation(call) not in (None, *_NOT_OPERATIONS)
        return Kind(EXPAND, "additive operations only" if count else "it does nothing")

    def _calls(self, name: str, seen: set[str]) -> Iterator[ast.Call]:
        """The calls of a function and of the file's functions that it calls, outside of an operation's arguments."""
        seen.add(name)
        waiting: list[ast.AST] = [*reversed(self._functions[name].body)]
        while waiting:
            node = waiting.pop()
            if isinstance(node, ast.With):
                self._note_batches(node)
            if isinstance(node, ast.Call):
                yield node
                called = node.func.id if isinstance(node.func, ast.Name) else ""
                if called in self._functions and called not in seen:
                    yield from self._calls(called, seen)
                if self._operation(node) is not None:
                    continue  # its arguments say what it is about: columns, types
            waiting += reversed(list(ast.iter_child_nodes(node)))

    def _note_batches(self, node: ast.With) -> None:
        for item in node.items:
            call, name = item.context_expr, item.optional_vars
            if isinstance(call, ast.Call) and isinstance(name, ast.Name) and self._of_op(call) == "batch_alter_table":
                self._batches[name.id] = _text(call, 0, "table_name")

    def _note_tables(self, calls: list[ast.Call]) -> None:
        self._made = {_table(call, 0) for call in calls if self._of_op(call) == "create_table"} - {""}

    def _of_op(self, call: ast.Call) -> str | None:
        function = call.func
        if isinstance(function, ast.Attribute) and isinstance(function.value, ast.Name):
            return function.attr if function.value.id in self._op_names else None
        return None

    def _operation(self, call: ast.Call) -> str | None:
        """The name of the operation that this call is, of `op` or of a batch; None if of neither."""
        function = call.func
        if not isinstance(function, ast.Attribute) or not isinstance(function.value, ast.Name):
            return None
        if function.value.id in self._op_names or function.value.id in self._batches:
            return function.attr
        return None

    def _contracts(self, call: ast.Call) -> str:
        """Why this call is no mere addition; "" if it is one."""
        operation = self._operation(call)
        if operation is None:
            return self._foreign(call)
        if operation in _NOT_OPERATIONS or operation in _ADDITIVE:
            return ""
        if operation in _OF_NEW_TABLES and self._subject_table(call, operation) in self._made:
            return ""
        judge = _JUDGES.get(operation)
        if judge is not None:
            return judge(call, 0 if self._of_op(call) is None else 1)
        return f"{operation}{_named(call)}"

    def _subject_table(self, call: ast.Call, operation: str) -> str:
        function = call.func
        if (
            isinstance(function, ast.Attribute)
            and isinstance(function.value, ast.Name)
            and function.value.id in self._batches
        ):
            return self._batches[function.value.id]
        return _table(call, 0 if operation in ("add_column", "bulk_insert") else 1)

    def _foreign(self, call: ast.Call) -> str:
        """What is called that is no operation: reading, making a type, a function of this file; anything else is unknown."""
        function = call.func
        name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
        if isinstance(function, ast.Name) and name in self._functions:
            return ""
        asks = isinstance(function, ast.Attribute) and name.startswith("get_")
        if name in _READING or asks or name[:1].isupper():
            return ""
        if name == "create" and call.args and _binds(call.args[0]):
            return ""  # an enum type: sa.Enum(...).create(op.get_bind())
        return f"{name or 'a call'}(…), whose effect this file does not show"


def _add_column(call: ast.Call, position: int) -> str:
    column = call.args[position] if len(call.args) > position else None
    if column is None:
        column = next((each.value for each in call.keywords if each.arg == "column"), None)
    if not isinstance(column, ast.Call) or _callee(column) != "Column":
        return "add_column of a column that this file does not write out"
    said = {each.arg: each.value for each in column.keywords}
    inner = {_callee(each) for each in column.args if isinstance(each, ast.Call)}
    if None in said:
        return f"add_column{_named(column)} with keywords that this file does not write out"
    if _flag(said.get("unique"), False) is not False or _flag(said.get("primary_key"), False) is not False:
        return f"add_column{_named(column)}, which has to be unique"
    if (
        _flag(said.get("nullable"), True) is True
        or inner & {"Computed", "Identity"}
        or _is_set(said.get("server_default"))
    ):
        return ""
    return f"add_column{_named(column)} NOT NULL without server_default: inserts of the image before fail"


def _create_index(call: ast.Call, _: int) -> str:
    said = {each.arg: each.value for each in call.keywords}
    if None not in said and _flag(said.get("unique"), False) is False:
        return ""
    return f"create_index{_named(call)} that is unique: writes of the image before may fail"


def _drop_constraint(call: ast.Call, position: int) -> str:
    said = next((each.value for each in call.keywords if each.arg == "type_"), None)
    if said is None and len(call.args) > position + 1:
        said = call.args[position + 1]
    if isinstance(said, ast.Constant) and said.value in _WIDER:
        return ""
    return f"drop_constraint{_named(call)}: ON CONFLICT of the image before may rest on it"


def _alter_column(call: ast.Call, position: int) -> str:
    if len(call.args) > position + 1 or any(each.arg is None for each in call.keywords):
        return f"alter_column{_named(call)} with arguments that this file does not write out"
    for each in call.keywords:
        name = str(each.arg)
        if name in _NEUTRAL_KEYWORDS or name.startswith("existing_"):
            continue
        if name == "server_default" and _is_set(each.value):
            continue
        return f"alter_column{_named(call)}, {name}"
    return ""


def _execute(call: ast.Call, _: int) -> str:
    text = known_sql.executed(call)
    return "" if text is not None and known_sql.adds(text) else "raw SQL"


_JUDGES = {
    "execute": _execute,
    "add_column": _add_column,
    "create_index": _create_index,
    "drop_constraint": _drop_constraint,
    "alter_column": _alter_column,
}


def _flag(node: ast.expr | None, default: bool) -> bool | None:
    """What a keyword is set to; None where only running the file would tell."""
    if node is None:
        return default
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, bool) else None


def _is_set(node: ast.expr | None) -> bool:
    """Whether a default is given: something written out, and not None or False."""
    if node is None or (isinstance(node, ast.Constant) and node.value in (None, False)):
        return False
    return isinstance(node, (ast.Constant, ast.Call, ast.JoinedStr))


def _callee(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


def _binds(node: ast.expr) -> bool:
    if isinstance(node, ast.Call):
        return _callee(node) == "get_bind"
    return isinstance(node, ast.Name) and source_text.root_name(node) in ("bind", "conn", "connection")


def _text(call: ast.Call, position: int, *keywords: str) -> str:
    node = call.args[position] if len(call.args) > position else None
    if node is None:
        node = next((each.value for each in call.keywords if each.arg in keywords), None)
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def _table(call: ast.Call, position: int) -> str:
    """The table that an operation names, with its schema."""
    name = _text(call, position, "table_name", "source_table")
    schema = next(
        (_text(call, 9999, each.arg) for each in call.keywords if each.arg in ("schema", "source_schema")), ""
    )
    return f"{schema}.{name}" if schema and name else name


def _named(call: ast.Call) -> str:
    """The texts that an operation begins with, after a space: ` orders note`."""
    texts = [each.value for each in call.args[:2] if isinstance(each, ast.Constant) and isinstance(each.value, str)]
    return "".join(f" {each}" for each in texts)
