"""Revision files in plain form, read without a syntax tree: several times as fast, and the same answer or none.

Python's parser takes most of the time in which a long history is read, and nearly all of it goes into columns and types
that no outline asks for. `read` gives None for whatever it does not know through and through: then the parser is asked.
"""

from __future__ import annotations

import functools
import keyword
import re
from typing import Any

from stillroom.history import plain_grammar
from stillroom.runtime.reading import revision_body, revision_file, revision_function, revision_head

__all__ = ["read"]

_DECLARED = frozenset({"revision", "down_revision", "branch_labels", "depends_on"})
_MEANT = _DECLARED | {"op", "sa", "batch_op", "upgrade", "downgrade"}  # what these are decides what the file does
_CODING = re.compile(rb"\A(?:[^\n]*\n)?[ \t\f]*#[^\n]*coding[:=]")  # PEP 263: in one of the first two lines
_NEVER_PLAIN = b"get_bind("  # what works on a connection is no plain form, whatever stands before it
_WORD = re.compile(r"\w+")
_QUOTED = re.compile(r"\"([^\"]*)\"|'([^']*)'")
_USUAL = {("alembic", frozenset({"op"})), ("alembic", frozenset({"op", "context"})), ("sqlalchemy", frozenset({"sa"}))}


def read(file: revision_file.File) -> revision_file.Revision | None:
    """The file with head and outline, as `revision_file.read_outline` gives it; None if it is not in plain form."""
    if _NEVER_PLAIN in file.source or _CODING.match(file.source):
        return None
    try:
        plain = _Plain(file.source.decode())
        head = revision_head.head_of(plain.declared, file.path.rpartition("/")[2], plain.message)
    except (_Odd, UnicodeDecodeError, revision_head.NotARevision, revision_head.NotLiteral, revision_head.NotText):
        return None
    found = revision_file.revision_of(head, file)
    revision_file.keep_outline(found, plain.outline())
    return found


class _Odd(Exception):
    """Something is not in plain form."""


class _Function:
    """`upgrade` or `downgrade`."""

    def __init__(self) -> None:
        self.operations: list[revision_function.Operation] = []
        self.state = "empty"


class _Plain:
    """A file, read line by line.

    Raises:
        _Odd: it is not in plain form.
    """

    def __init__(self, text: str) -> None:
        self.declared: dict[str, Any] = {}
        self.message = ""
        self._imports: list[revision_body.Import] = []
        self._functions: dict[str, _Function] = {}
        self._within: _Function | None = None
        self._batch: str | None = None  # the table of the batch whose statements are read
        self._awaited = False  # whether a statement must follow: what was begun has none yet
        self._first = True
        self._line = 1
        self._lines(text if text.endswith("\n") else f"{text}\n")
        if self._awaited or "upgrade" not in self._functions:
            raise _Odd

    def outline(self) -> revision_body.Outline:
        """What the file does."""
        up = self._functions["upgrade"]
        down = self._functions.get("downgrade")
        return revision_body.Outline(
            upgrade=tuple(up.operations),
            downgrade=tuple(down.operations) if down else (),
            upgrade_state=up.state,
            downgrade_state=down.state if down else "missing",
            imports=tuple(self._imports),
            opaque=False,
        )

    def _lines(self, text: str) -> None:
        take = {
            "docstring": self._docstring,
            "imported": self._imported,
            "declaration": self._declaration,
            "function": self._function,
            "inside": self._inside,
        }
        end = 0
        for match in plain_grammar.LINE.finditer(text):
            if match.start() != end:
                raise _Odd
            end = match.end()
            kind = match.lastgroup
            if kind != "blank":
                take[str(kind)](match)
                self._first = False
            self._line += text.count("\n", match.start(), end)
        if end < len(text):
            raise _Odd

    def _docstring(self, match: re.Match[str]) -> None:
        said = match["said"]
        if not self._first or "\\" in said:
            raise _Odd
        quotes = 3 if said[:3] in ('"""', "'''") else 1
        self.message = revision_head.first_paragraph(said[quotes:-quotes])

    def _imported(self, match: re.Match[str]) -> None:
        module = _imported(match["module"], match["names"], match["plain"])
        if module is None or self._functions:
            raise _Odd
        self._imports.append(revision_body.Import(module, self._line, True))

    def _declaration(self, match: re.Match[str]) -> None:
        if self._functions or "\\" in match["value"]:
            raise _Odd
        self.declared[match["name"]] = _declared(match["value"])

    def _function(self, match: re.Match[str]) -> None:
        if self._awaited or match["def"] in self._functions:
            raise _Odd
        self._within = self._functions[match["def"]] = _Function()
        self._batch = None
        self._awaited = True

    def _inside(self, match: re.Match[str]) -> None:
        function, depth = self._within, len(match["indent"])
        if self._batch is not None and depth == 4 and not self._awaited:
            self._batch = None
        if function is None or depth != (4 if self._batch is None else 8):
            raise _Odd
        self._awaited = False
        if match["nothing"]:
            return
        if match["raise"]:
            if self._batch is not None:
                raise _Odd
            function.state = "raises"
            return
        if function.state == "empty":
            function.state = "present"
        if match["batch"]:
            self._begin(match["batch"])
        else:
            function.operations.append(self._operation(match))

    def _begin(self, of: str) -> None:
        """A batch."""
        if self._batch is not None or plain_grammar.MISUSED.search(of):
            raise _Odd
        given = _Arguments(of)
        self._batch = given.schema() + given.text(0, revision_function.TABLE_KEYWORDS)
        self._awaited = True

    def _operation(self, match: re.Match[str]) -> revision_function.Operation:
        name, in_batch = match["closed"], match["on"] == "batch_op"
        if in_batch and (self._batch is None or name is None):
            raise _Odd
        if name is None:
            return revision_function.Operation("execute", "", "", self._line)
        of = match["of"]
        if plain_grammar.MISUSED.search(of):
            raise _Odd
        pair = None if in_batch or "schema" in of else plain_grammar.PAIR.match(of)
        if pair is None:
            return _described(name, _Arguments(of), self._batch if in_batch else None, self._line)
        table, subject = pair["first"] or pair["first_f"] or "", pair["second"]
        if name in revision_function.SUBJECT_THEN_TABLE:
            table, subject = subject, table
        return revision_function.Operation(name, table, subject if name != "create_table" else "", self._line)


def _described(name: str, given: _Arguments, batch: str | None, line: int) -> revision_function.Operation:
    """An operation by its arguments, as `revision_function.Function` has it."""
    if batch is not None:
        return revision_function.Operation(name, batch, given.text(0, revision_function.SUBJECT_KEYWORDS), line)
    table, other = (1, 0) if name in revision_function.SUBJECT_THEN_TABLE else (0, 1)
    where = given.text(table, revision_function.TABLE_KEYWORDS)
    subject = "" if name == "create_table" else given.text(other, revision_function.SUBJECT_KEYWORDS)
    return revision_function.Operation(name, given.schema() + where if where else "", subject, line)


class _Arguments:
    """What stands in the parentheses of a call."""

    def __init__(self, of: str) -> None:
        self._of = of
        self._end = 1
        self._positional: list[str] = []
        self._keywords: list[tuple[str, str]] = []

    def text(self, position: int, keywords: tuple[str, ...]) -> str:
        """As `revision_function.Function` has it: the argument at this place, or the first of these keywords."""
        while len(self._positional) <= position and not self._keywords and self._next():
            pass
        if len(self._positional) > position:
            return _text(self._positional[position])
        return next((_text(value) for name, value in self._every() if name in keywords), "")

    def schema(self) -> str:
        """The schema with its dot, or nothing."""
        if "schema" not in self._of:
            return ""
        value = next((value for name, value in self._every() if name in revision_function.SCHEMA_KEYWORDS), "None")
        if value == "None":
            return ""
        if value[0] not in "\"'":
            raise _Odd
        return f"{_text(value)}."

    def _every(self) -> list[tuple[str, str]]:
        """The keywords, all of them read."""
        while self._next():
            pass
        return self._keywords

    def _next(self) -> bool:
        """Reads one more, and says whether there was one."""
        match = plain_grammar.ITEM.match(self._of, self._end)
        if match is None:
            if self._of[self._end :].strip() != ")":
                raise _Odd
            return False
        self._end = match.end()
        if match["name"]:
            self._keywords.append((match["name"], match["value"].rstrip()))
        else:
            self._positional.append(match["value"].rstrip())
        return True


@functools.lru_cache(maxsize=4096)  # thousands of files import the same
def _imported(module: str | None, names: str | None, plain: str | None) -> str | None:
    """The module that `from module import names` or `import plain` imports; None if that may change what is read."""
    words = plain or f"{module} {names}"
    if any(map(keyword.iskeyword, _WORD.findall(words.replace(" as ", " ")))):
        return None
    if plain is not None:
        module, _, other = plain.partition(" as ")
        bound = {other or module.partition(".")[0]}
    else:
        bound = {each.rpartition(" as ")[2] for each in (names or "").split(", ")}
    usual = bound.isdisjoint(_MEANT) or (module, frozenset(bound)) in _USUAL
    return module if usual and not f"{module}.".startswith("alembic.op") else None


def _text(value: str) -> str:
    """The name that an argument is: a text, the text in `op.f("ix")` or `sa.Column("id")`; none for a number, a list."""
    match = plain_grammar.VALUE.match(value)
    if match is None:
        raise _Odd
    if match["none"]:
        return ""
    if (match["after"] == "") == (match["call"] is not None):
        raise _Odd
    return match["double"] or match["single"] or ""


def _declared(value: str) -> Any:
    """None, a text, or the texts in brackets."""
    if value == "None":
        return None
    texts = [(one or other) for one, other in _QUOTED.findall(value)]
    if value[0] in "\"'":
        return texts[0]
    if value[0] == "(" and len(texts) == 1 and "," not in _QUOTED.sub("", value):
        return texts[0]
    return tuple(texts)
