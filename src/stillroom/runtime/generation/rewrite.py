"""Mends the text of a generated revision file without changing what it does."""

from __future__ import annotations

import ast
import builtins
import importlib
import symtable

__all__ = ["add_missing_imports"]


def add_missing_imports(source: str) -> tuple[str, list[str]]:
    """Adds the imports that a generated file uses and lacks.

    Alembic renders types of other packages by their module path (`pgvector.sqlalchemy.vector.VECTOR(dim=3)`) and leaves
    the import to the reader.

    Returns:
        The mended source, and the names of the modules added.
    """
    if not _free_names(source):
        return source, []
    tree = ast.parse(source)
    known = _bound_names(tree)
    modules: list[str] = []
    for path in sorted(_dotted_uses(tree)):
        if path[0] in known:
            continue
        module = _longest_module(path)
        if module is not None and module not in modules:
            modules.append(module)
    if not modules:
        return source, []
    lines = source.splitlines(keepends=True)
    place = _after_imports(tree)
    lines[place:place] = [f"import {module}\n" for module in modules]
    return "".join(lines), modules


def _free_names(source: str) -> set[str]:
    """Names that are read and nowhere bound: the compiler's own symbol tables tell at a tenth of the price of a tree."""
    bound = set(dir(builtins))
    read: set[str] = set()
    tables = [symtable.symtable(source, "<revision>", "exec")]
    while tables:
        table = tables.pop()
        tables += table.get_children()
        for symbol in table.get_symbols():
            if symbol.is_assigned() or symbol.is_imported() or symbol.is_parameter():
                bound.add(symbol.get_name())
            elif symbol.is_referenced():
                read.add(symbol.get_name())
    return read - bound


def _bound_names(tree: ast.Module) -> set[str]:
    names = set(dir(builtins))
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names.update((alias.asname or alias.name).partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.FunctionDef):
            names.add(node.name)
            names.update(each.arg for each in node.args.args)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
    return names


def _dotted_uses(tree: ast.Module) -> set[tuple[str, ...]]:
    """All `a.b.c` that the file reads, longest form only."""
    uses = set()
    inner: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and id(node) not in inner:
            parts: list[str] = []
            current: ast.expr = node
            while isinstance(current, ast.Attribute):
                inner.add(id(current))
                parts.append(current.attr)
                current = current.value
            if isinstance(current, ast.Name):
                uses.add((current.id, *reversed(parts)))
    return uses


def _longest_module(path: tuple[str, ...]) -> str | None:
    for length in range(len(path) - 1, 0, -1):
        name = ".".join(path[:length])
        try:
            importlib.import_module(name)
        except ImportError:
            continue
        return name
    return None


def _after_imports(tree: ast.Module) -> int:
    """The line (0-based) behind the last import at the top of the file."""
    return max((node.end_lineno or 0 for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)), default=0)
