"""Which version table an `env.py` names, read from its source; dictionaries that it unpacks are looked into, too."""

from __future__ import annotations

import ast
import contextlib
from collections.abc import Iterator

from ..reading import revision_head
from . import locations, project

__all__ = ["read"]


def read(source: bytes) -> project.VersionTable | None:
    """The version table, or None where only running `env.py` would tell.

    Raises:
        faults.ProjectFault: `env-does-not-parse`.
    """
    written_out: bytes | ast.Module = source
    if b"**" in source:
        with contextlib.suppress(SyntaxError):  # told by what reads it next
            tree = revision_head.parse_module(source, "env.py")
            written_out = ast.fix_missing_locations(_Unpacked(_dictionaries(tree)).visit(tree))
    found = locations.version_table_in_env(written_out)
    return project.VersionTable(found.table, found.schema) if found.known else None


_ANYTHING = ast.Call(ast.Name("anything", ast.Load()), [], [])


class _Unpacked(ast.NodeTransformer):
    """Writes `configure(**OPTIONS)` out as `configure(name=value, …)`, where OPTIONS is known."""

    def __init__(self, dictionaries: dict[str, ast.Dict]) -> None:
        self._dictionaries = dictionaries

    def visit_Call(self, node: ast.Call) -> ast.Call:
        self.generic_visit(node)
        if isinstance(node.func, ast.Attribute) and node.func.attr == "configure":
            node.keywords = [each for keyword in node.keywords for each in self._written_out(keyword)]
        return node

    def _written_out(self, keyword: ast.keyword) -> Iterator[ast.keyword]:
        value = keyword.value
        if keyword.arg is not None:
            yield keyword
            return
        if isinstance(value, ast.Name):
            value = self._dictionaries.get(value.id, _ANYTHING)
        if not isinstance(value, ast.Dict):
            yield ast.keyword(None, value)
            return
        for key, entry in zip(value.keys, value.values, strict=True):
            if key is None:
                yield from self._written_out(ast.keyword(None, entry))
            elif isinstance(key, ast.Constant) and isinstance(key.value, str) and key.value.isidentifier():
                yield ast.keyword(key.value, entry)
            else:  # a computed key may be any
                yield ast.keyword(None, _ANYTHING)


def _dictionaries(tree: ast.Module) -> dict[str, ast.Dict]:
    """The names that stand for one dictionary that is written out, and that nothing changes afterwards."""
    found: dict[str, ast.Dict] = {}
    changed: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.arg):
            changed.add(node.arg)
        for target in _targets(node):
            inner = target.value if isinstance(target, ast.Subscript | ast.Attribute) else target
            if not isinstance(inner, ast.Name):
                continue
            value = getattr(node, "value", None)
            if isinstance(target, ast.Name) and isinstance(value, ast.Dict) and inner.id not in found:
                found[inner.id] = value
            else:
                changed.add(inner.id)
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and isinstance(node.func.value, ast.Name)
        ):
            changed.add(node.func.value.id)  # OPTIONS.update(…)
    return {name: value for name, value in found.items() if name not in changed}


def _targets(node: ast.AST) -> list[ast.expr]:
    if isinstance(node, ast.Assign):
        return node.targets
    if isinstance(node, ast.AnnAssign | ast.AugAssign | ast.NamedExpr | ast.For):
        return [node.target]
    return node.targets if isinstance(node, ast.Delete) else []
