"""What a revision file would do: its operations, its downgrade, its data statements, its imports. Never executed.

The outline is what checks of whole histories need; data statements take longer to find.

`upgrade()` and every function or class of the file that it reaches by name count; so do the operations of
`with op.batch_alter_table(...)`. What a function of another module does cannot be seen: `Body.opaque` says so.
"""

from __future__ import annotations

import ast
import sys
from dataclasses import dataclass
from typing import Any, NamedTuple

from . import revision_data, revision_function, source_text

__all__ = ["Body", "Import", "Outline", "is_known_module", "read_body", "read_outline"]

_KNOWN_MODULES = frozenset(sys.stdlib_module_names) | {"alembic", "sqlalchemy"}
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


class Import(NamedTuple):
    """A module that the file imports (`app.models`), anywhere in it. `loading`: whether to load the file needs it."""

    module: str
    line: int
    loading: bool


@dataclass(frozen=True)
class Outline:
    """What one revision file does, as far as its operations tell.

    `upgrade_state`, `downgrade_state`: "present", "missing", "empty" (only pass), "raises".
    `opaque`: `upgrade` calls code that stands in another file (not alembic, SQLAlchemy, the standard library).
    """

    upgrade: tuple[revision_function.Operation, ...]
    downgrade: tuple[revision_function.Operation, ...]
    upgrade_state: str
    downgrade_state: str
    imports: tuple[Import, ...]
    opaque: bool

    @property
    def has_upgrade(self) -> bool:
        """Whether there is an `upgrade`, whatever it does."""
        return self.upgrade_state != "missing"


@dataclass(frozen=True)
class Body(Outline):
    """What one revision file does, rows included.

    `data`: the steps of `upgrade` that change rows. `unread_sql`: lines that execute SQL which the file does not hold.
    """

    data: tuple[revision_data.DataStep, ...]
    unread_sql: tuple[int, ...]


def is_known_module(name: str) -> bool:
    """Whether a dotted name is one of the modules that every migration may use: alembic, SQLAlchemy, Python's own."""
    return name.split(".")[0] in _KNOWN_MODULES


def read_outline(module: ast.Module) -> Outline:
    """Everything that `Outline` says of a parsed revision file."""
    file = _File(module)
    return Outline(**_outlined(file, _parts(file, "upgrade")))


def read_body(module: ast.Module) -> Body:
    """Everything that `Body` says of a parsed revision file."""
    file = _File(module)
    up = _parts(file, "upgrade")
    steps, unread = revision_data.find([(part.calls, part.scope) for part in up], file.op_names)
    return Body(**_outlined(file, up), data=tuple(steps), unread_sql=tuple(unread))


def _parts(file: _File, name: str) -> list[revision_function.Function]:
    return [file.part(each) for each in file.reached(name)]


def _outlined(file: _File, up: list[revision_function.Function]) -> dict[str, Any]:
    return {
        "upgrade": tuple(each for part in up for each in part.operations()),
        "downgrade": tuple(each for part in _parts(file, "downgrade") for each in part.operations()),
        "upgrade_state": file.state("upgrade"),
        "downgrade_state": file.state("downgrade"),
        "imports": tuple(sorted(file.imports, key=lambda each: (each.line, each.module))),
        "opaque": any(part.calls_one_of(file.foreign) for part in up) or _is_opaque(file, "upgrade"),
    }


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
        self._parts: dict[str, revision_function.Function] = {}
        self._top = module.body
        self._scope: source_text.Scope | None = None
        for statement in module.body:
            self._note_top(statement)
        for name, function in self.functions.items():
            self._parts[name] = revision_function.Function(list(source_text.nodes(function)), self)

    def _note_top(self, statement: ast.stmt) -> None:
        if isinstance(statement, _FUNCTIONS):
            self.functions[statement.name] = statement
            self._bound.add(statement.name)
            return
        if isinstance(statement, (ast.Assign, ast.AnnAssign, ast.Expr)):
            targets = statement.targets if isinstance(statement, ast.Assign) else [getattr(statement, "target", None)]
            self._bound.update(each.id for each in targets if isinstance(each, ast.Name))
            return
        if isinstance(statement, (ast.Import, ast.ImportFrom)):
            self.note_import(statement, loading=True)
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

    def note_import(self, node: ast.AST, *, loading: bool = False) -> None:
        """Record an import statement: module, names for `op`, names of other people's code."""
        if isinstance(node, ast.Import):
            for alias in node.names:
                self._import(alias.name, alias.asname or alias.name.split(".")[0], node.lineno, loading)
                if alias.asname and alias.name == "alembic.op":
                    self.op_names.add(alias.asname)
        elif isinstance(node, ast.ImportFrom):
            module = "." * node.level + (node.module or "")
            for alias in node.names:
                self._import(module, alias.asname or alias.name, node.lineno, loading)
                if module == "alembic" and alias.name == "op":
                    self.op_names.add(alias.asname or "op")
                elif module == "alembic.op":
                    self.op_functions[alias.asname or alias.name] = alias.name

    def _import(self, module: str, name: str, line: int, loading: bool) -> None:
        found = Import(module, line, loading)
        if found not in self.imports:
            self.imports.append(found)
        if not is_known_module(module):
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

    def part(self, name: str) -> revision_function.Function:
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

    def state(self, name: str) -> str:
        """Of `upgrade` or `downgrade`: see `Outline`."""
        function = self.functions.get(name)
        if not isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef)):
            return "present" if self.defines(name) else "missing"
        if any(isinstance(each, ast.Raise) for each in function.body):
            return "raises"
        return "empty" if all(_does_nothing(each) for each in function.body) else "present"


def _does_nothing(statement: ast.stmt) -> bool:
    if isinstance(statement, ast.Expr):
        return isinstance(statement.value, ast.Constant)
    if isinstance(statement, ast.Return):
        return statement.value is None or isinstance(statement.value, ast.Constant)
    return isinstance(statement, ast.Pass)
