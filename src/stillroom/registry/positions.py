"""YAML as plain data that remembers where everything stands.

Scalars follow the core schema of YAML 1.2, as editors do, and not PyYAML's YAML 1.1: `no`, `on`, `1:30`, `2026-01-01`
and `0123` are text; only `true`/`false`, `null`/`~` and decimal numbers are anything else. Keys of mappings are always
the text that is written. Duplicate keys are kept as findings (the first one counts).
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from typing import Any

import yaml

__all__ = ["Document", "Duplicate", "Place", "SyntaxMistake", "read"]

Place = tuple[int, int]
"""Line and column, both from 1."""

DataPath = tuple[str | int, ...]

_TAG = "tag:yaml.org,2002:"
_TAGS = {_TAG + kind for kind in ("map", "seq", "str", "null", "bool", "int", "float")}
_ParserBase: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Loader(_ParserBase):  # type: ignore[misc]  # libyaml's parser when there is one: fifteen times as fast
    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 - PyYAML's protocol


_Loader.add_implicit_resolver(_TAG + "bool", re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF"))
_Loader.add_implicit_resolver(_TAG + "null", re.compile(r"^(?:~|null|Null|NULL|)$"), ["~", "n", "N", ""])
_Loader.add_implicit_resolver(_TAG + "int", re.compile(r"^[-+]?(?:0|[1-9][0-9]*)$"), list("-+0123456789"))
_Loader.add_implicit_resolver(
    _TAG + "float",
    re.compile(r"^[-+]?(?:0|[1-9][0-9]*)(?:\.[0-9]*)?(?:[eE][-+]?[0-9]+)?$"),
    list("-+0123456789"),
)


class SyntaxMistake(Exception):
    """The text is not YAML; `place` says where, `problem` what."""

    def __init__(self, problem: str, place: Place) -> None:
        super().__init__(problem)
        self.problem = problem
        self.place = place


@dataclasses.dataclass(frozen=True)
class Duplicate:
    """A key that stands twice in one mapping.

    Attributes:
        path: the path of the key.
        place: where it stands the second (third ...) time.
        first: where it stands first.
    """

    path: DataPath
    place: Place
    first: Place


class Document:
    """A YAML text, read: `data`, `duplicates`, and where each part of it stands."""

    def __init__(self, root: yaml.Node | None) -> None:
        self._root = root
        self._built: dict[int, Any] = {}  # by id of the node, so that what aliases share is built once
        self._keys: dict[int, dict[str, tuple[yaml.Node, yaml.Node]]] = {}
        self.duplicates: list[Duplicate] = []
        self.data: Any = None if root is None else self._build(root, (), frozenset())

    def place(self, path: DataPath, *, key: bool = True) -> Place:
        """Where `path` stands: its key (with `key=False`, its value), or the nearest parent that exists."""
        place: Place = (1, 1)
        for key_node, value_node in self._walk(path):
            place = _place(key_node if key and key_node is not None else value_node)
        return place

    def text(self, path: DataPath) -> str | None:
        """The scalar at `path` as it is written (`0x1F`, `yes`), or None if there is no scalar."""
        nodes = list(self._walk(path))
        if len(nodes) != len(path) or not nodes or not isinstance(nodes[-1][1], yaml.ScalarNode):
            return None
        return str(nodes[-1][1].value)

    def scalars(self) -> Iterator[tuple[DataPath, str]]:
        """Every scalar value with its path, as written, in order of the file; what aliases repeat is given once."""
        seen: set[int] = set()
        waiting: list[tuple[DataPath, yaml.Node]] = [] if self._root is None else [((), self._root)]
        while waiting:
            path, node = waiting.pop()
            if id(node) in seen:
                continue
            seen.add(id(node))
            if isinstance(node, yaml.ScalarNode):
                yield path, str(node.value)
            elif isinstance(node, yaml.SequenceNode):
                waiting.extend(((*path, index), item) for index, item in reversed(list(enumerate(node.value))))
            elif isinstance(node, yaml.MappingNode):
                waiting.extend(((*path, str(key.value)), value) for key, value in reversed(node.value))

    def _walk(self, path: DataPath) -> Iterator[tuple[yaml.Node | None, yaml.Node]]:
        node = self._root
        for part in path:
            step = self._step(node, part)
            if step is None:
                return
            yield step
            node = step[1]

    def _step(self, node: yaml.Node | None, part: str | int) -> tuple[yaml.Node | None, yaml.Node] | None:
        if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            return None, node.value[part]
        if not isinstance(node, yaml.MappingNode):
            return None
        if id(node) not in self._keys:  # reversed, since the first of two equal keys counts
            self._keys[id(node)] = {str(key.value): (key, value) for key, value in reversed(node.value)}
        return self._keys[id(node)].get(str(part))

    def _build(self, node: yaml.Node, path: DataPath, parents: frozenset[int]) -> Any:
        if id(node) in parents:
            raise SyntaxMistake("an alias that contains itself", _place(node))
        if id(node) in self._built:
            return self._built[id(node)]
        if node.tag not in _TAGS:
            raise SyntaxMistake(f"the tag {node.tag.replace(_TAG, '!!')} has no meaning here", _place(node))
        inner = parents | {id(node)} if not isinstance(node, yaml.ScalarNode) else parents
        if isinstance(node, yaml.MappingNode):
            value: Any = self._mapping(node, path, inner)
        elif isinstance(node, yaml.SequenceNode):
            value = [self._build(item, (*path, index), inner) for index, item in enumerate(node.value)]
        else:
            value = _scalar(node)
        self._built[id(node)] = value
        return value

    def _mapping(self, node: yaml.MappingNode, path: DataPath, parents: frozenset[int]) -> dict[str, Any]:
        built: dict[str, Any] = {}
        first: dict[str, yaml.Node] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                raise SyntaxMistake("a key has to be a name, not a list or mapping", _place(key_node))
            key = str(key_node.value)
            if key in first:
                self.duplicates.append(Duplicate((*path, key), _place(key_node), _place(first[key])))
                continue
            first[key] = key_node
            built[key] = self._build(value_node, (*path, key), parents)
        return built


def read(text: str) -> Document:
    """Read one YAML document. Raises SyntaxMistake, located, when the text is not YAML or holds several documents."""
    loader = _Loader(text)
    try:
        return Document(loader.get_single_node())
    except yaml.MarkedYAMLError as error:
        raise _located(text, error) from error
    except yaml.reader.ReaderError as error:
        before = text[: error.position] if isinstance(error.position, int) else ""
        place = (before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1)
        raise SyntaxMistake("a character that YAML does not allow", place) from error
    except RecursionError as error:
        raise SyntaxMistake("nested too deeply", (1, 1)) from error
    finally:
        loader.dispose()


def _located(text: str, error: yaml.MarkedYAMLError) -> SyntaxMistake:
    """What is wrong and where a person has to look; a parser notices a colon that is missing only in the next line."""
    problem = ", ".join(part for part in (error.problem, error.context) if part) or "not YAML"
    mark, begun = error.problem_mark or error.context_mark, error.context_mark
    if mark is None:
        return SyntaxMistake(problem, (1, 1))
    place = (mark.line + 1, mark.column + 1)
    if begun is not None and "could not find expected ':'" in problem:
        return SyntaxMistake(f"{_NO_COLON} ({error.problem})", (begun.line + 1, begun.column + 1))
    if begun is not None and "unexpected end of stream" in problem:
        return SyntaxMistake(problem, (begun.line + 1, begun.column + 1))
    if problem.startswith(("mapping values are not allowed", "did not find expected key")):
        earlier = _without_colon(text.splitlines(), *place)
        return SyntaxMistake(f"{_NO_COLON} ({error.problem})", earlier) if earlier else SyntaxMistake(problem, place)
    if begun is not None and begun.line < mark.line and "flow" in problem:
        problem += f" that begins in line {begun.line + 1}"
    return SyntaxMistake(problem, place)


_NO_COLON = "in this line a colon is missing, or a space after it"
_COLON = re.compile(r":(\s|$)")


def _without_colon(lines: list[str], line: int, column: int) -> Place | None:
    """Where the text began that a `key:` can't follow: the line before, if it has no colon and this one has one."""
    if _COLON.search(lines[line - 1][: column - 1]):
        return None
    for number in range(line - 1, 0, -1):
        before = lines[number - 1]
        if not before.strip() or before.lstrip().startswith("#"):
            continue
        return None if _COLON.search(before) else (number, len(before) - len(before.lstrip()) + 1)
    return None


def _place(node: yaml.Node) -> Place:
    return node.start_mark.line + 1, node.start_mark.column + 1


def _scalar(node: yaml.Node) -> Any:
    kind = node.tag.removeprefix(_TAG)
    text = str(node.value)
    if kind == "null":
        return None
    if kind == "bool":
        return text.lower() == "true"
    try:
        return {"int": int, "float": float}.get(kind, str)(text)
    except ValueError:  # `!!int x`, or a number of thousands of digits: as text it is refused where a number is meant
        return text
