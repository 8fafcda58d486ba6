"""Who a revision file says it is: its id, parents, labels and message, read from the source and never executed.

Alembic imports every file of a versions folder to learn these names. Here the module's top level is parsed instead.
Most of a file is its functions, so only what stands above the first of them is parsed, unless something below matters.
"""

from __future__ import annotations

import ast
import re
import threading
import warnings
from dataclasses import dataclass
from typing import Union

__all__ = [
    "Head",
    "NotARevision",
    "NotLiteral",
    "NotText",
    "Value",
    "first_paragraph",
    "head_of",
    "parse_module",
    "read_head",
]

Value = Union[None, str, tuple["Value", ...], "Unknown", "_Odd"]

_NAMES = ("revision", "down_revision", "branch_labels", "depends_on")
_DEFINITIONS = (b"\ndef ", b"\nclass ", b"\nasync def ", b"\n@")
_NAMED_BELOW = re.compile(
    rb"\b(?:down_revision|branch_labels|depends_on)\b|^[ \t]*revision\b|\bimport\b.*\brevision\b", re.MULTILINE
)
_LEGACY_NAME = re.compile(r"([a-f0-9]+)\.py$")  # Alembic 0.1 took the id from the file's name; 1.20 still does
_warnings_lock = threading.Lock()


@dataclass(frozen=True)
class Unknown:
    """A value that only running the file would tell; `line` is where it is set."""

    line: int


@dataclass(frozen=True)
class Head:
    """What a revision file declares about itself, as Alembic would understand it.

    `computed`: (name, line) of labels or dependencies that only running the file would tell; they are empty here.
    """

    id: str
    down: tuple[str, ...]
    depends_on: tuple[str, ...]
    branch_labels: tuple[str, ...]
    message: str
    computed: tuple[tuple[str, int], ...] = ()


class _Odd:
    """A constant that is neither text nor None."""


class NotARevision(Exception):
    """The file declares no `revision` (or no `down_revision`): Alembic refuses the whole folder because of it."""

    def __init__(self, missing: str) -> None:
        super().__init__(missing)
        self.missing = missing


class NotLiteral(Exception):
    """`revision` or `down_revision` is set to something that only running the file would tell."""

    def __init__(self, name: str, line: int) -> None:
        super().__init__(name, line)
        self.name = name
        self.line = line


class NotText(Exception):
    """A name is set to a literal of a kind that Alembic cannot use (a number, None beside other parents)."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


def parse_module(source: bytes | str, name: str = "<revision>") -> ast.Module:
    """The syntax tree of a Python source, silently (an invalid escape in a migration is no news of ours).

    Raises:
        SyntaxError: whatever the reason that it does not parse (null bytes, encoding and nesting depth included).
    """
    try:
        with _warnings_lock, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(source, name)
    except SyntaxError:
        raise
    except (ValueError, RecursionError, MemoryError) as exc:
        raise SyntaxError(str(exc) or type(exc).__name__, (name, 1, 1, "")) from exc


def read_head(source: bytes, filename: str, tree: ast.Module | None = None) -> Head:
    """The declarations of one revision file; `tree` saves parsing when the whole file is parsed already.

    Raises:
        SyntaxError: the part that had to be parsed does not parse.
        NotARevision, NotLiteral, NotText: see there.
    """
    module = tree if tree is not None else _top(source, filename)
    names, star = _declared(module)
    return head_of(names, filename, _message(module), star)


def head_of(names: dict[str, Value], filename: str, message: str, star: int = 0) -> Head:
    """What the names that a module declares come to.

    Args:
        names: the constants of its top level.
        filename: without folders.
        message: the first paragraph of its docstring.
        star: the line of a star import that may bring more names; 0: none.

    Raises:
        NotARevision, NotLiteral, NotText: see there.
    """
    for name in _NAMES[:2]:
        if name not in names and star:
            raise NotLiteral(name, star)
    legacy = _LEGACY_NAME.match(filename)
    if "revision" not in names and legacy is None:
        raise NotARevision("revision")
    if "down_revision" not in names:
        raise NotARevision("down_revision")
    own = names.get("revision", legacy.group(1) if legacy else "")
    if isinstance(own, Unknown):
        raise NotLiteral("revision", own.line)
    if not isinstance(own, str):
        raise NotText("revision")
    computed = []
    for name in _NAMES[2:]:  # the history still hangs together without them
        value = names.get(name)
        if isinstance(value, Unknown):
            computed.append((name, value.line))
            names[name] = None
    down, labels, depends_on = (_several(name, names.get(name)) for name in _NAMES[1:])
    return Head(own, tuple(dict.fromkeys(down)), depends_on, labels, message, tuple(computed))


def _top(source: bytes, filename: str) -> ast.Module:
    """The module, or only what stands above its first function when nothing below declares anything."""
    found = [place for place in map(source.find, _DEFINITIONS) if place >= 0]
    if not found or _declares(source[min(found) :]):
        return parse_module(source, filename)
    try:
        return parse_module(source[: min(found) + 1], filename)
    except SyntaxError:  # the "def" stood inside a string, say
        return parse_module(source, filename)


def _declares(rest: bytes) -> bool:
    """Whether this text might set one of the names; plain searches first, since nearly all files fail them."""
    if b"revision" not in rest and b"branch_labels" not in rest and b"depends_on" not in rest:
        return False
    return _NAMED_BELOW.search(rest) is not None


def first_paragraph(docstring: str) -> str:
    """What a revision's message is of its docstring."""
    return docstring.strip().split("\n\n")[0]


def _message(module: ast.Module) -> str:
    return first_paragraph(ast.get_docstring(module, clean=False) or "")


def _declared(module: ast.Module) -> tuple[dict[str, Value], int]:
    """The constants of the module's top level, and the line of a star import (0: none) that may bring more."""
    names: dict[str, Value] = {}
    star = 0
    for statement in module.body:
        if isinstance(statement, ast.Assign):
            for target in statement.targets:
                _assign(names, target, statement.value)
        elif isinstance(statement, ast.AnnAssign):
            if statement.value is not None:
                _assign(names, statement.target, statement.value)
        elif isinstance(statement, (ast.Import, ast.ImportFrom)):
            star = _imported(names, statement) or star
        elif not isinstance(statement, (ast.Expr, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            _obscure(names, statement)
    return names, star


def _imported(names: dict[str, Value], statement: ast.Import | ast.ImportFrom) -> int:
    for alias in statement.names:
        if alias.name == "*":
            return statement.lineno
        if (alias.asname or alias.name) in _NAMES:
            names[alias.asname or alias.name] = Unknown(statement.lineno)
    return 0


def _obscure(names: dict[str, Value], statement: ast.stmt) -> None:
    """Names that an `if`, `try`, `with`, `+=` sets are known only by running it."""
    for node in ast.walk(statement):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and node.id in _NAMES:
            names[node.id] = Unknown(node.lineno)


def _assign(names: dict[str, Value], target: ast.expr, value: ast.expr) -> None:
    if isinstance(target, ast.Name):
        names[target.id] = _evaluate(value, names)
    elif isinstance(target, (ast.Tuple, ast.List)):
        values = value.elts if isinstance(value, (ast.Tuple, ast.List)) else []
        pairs = values if len(values) == len(target.elts) else [value] * len(target.elts)
        for each, its in zip(target.elts, pairs, strict=True):
            if isinstance(each, ast.Name):
                names[each.id] = _evaluate(its, names) if values else Unknown(value.lineno)


def _evaluate(node: ast.expr, names: dict[str, Value]) -> Value:
    if isinstance(node, ast.Constant):
        return node.value if node.value is None or isinstance(node.value, str) else _Odd()
    if isinstance(node, (ast.Tuple, ast.List, ast.Set)):
        values = tuple(_evaluate(each, names) for each in node.elts)
        return next((each for each in values if isinstance(each, Unknown)), values)
    if isinstance(node, ast.Name):
        return names.get(node.id, Unknown(node.lineno))
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        left, right = _evaluate(node.left, names), _evaluate(node.right, names)
        if isinstance(left, str) and isinstance(right, str):
            return left + right
        if isinstance(left, tuple) and isinstance(right, tuple):
            return left + right
    return Unknown(node.lineno)


def _several(name: str, value: Value) -> tuple[str, ...]:
    """As Alembic's `to_tuple`: None is nothing, a text is one, a sequence is several; `(None,)` is nothing, too."""
    if isinstance(value, Unknown):
        raise NotLiteral(name, value.line)
    if value is None or value == (None,):
        return ()
    if isinstance(value, str):
        return (value,)
    texts = [each for each in value if isinstance(each, str)] if isinstance(value, tuple) else []
    if not isinstance(value, tuple) or len(texts) != len(value):
        raise NotText(name)
    return tuple(texts)
