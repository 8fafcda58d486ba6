"""Who a revision file says it is, by a quick look at its text: only where nothing else than what is seen can be meant.

Thousands of files are read at each start of a service, so nothing is parsed that need not be. What stands above the first
function has to consist, line by line, of comments, plain imports and plain assignments of the four names; and nothing
below may set them. Any other file is left to `reading.revision_head`, which parses it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

__all__ = ["Quick", "look"]

_TEXT = rb"(?:\"[\w.+-]+\"|'[\w.+-]+')"
_NAME = rb"revision|down_revision|branch_labels|depends_on"
_ASSIGNMENT = re.compile(
    rb"^(" + _NAME + rb")[ \t]*(?::[^\n=#'\"();\\]+)?=[ \t]*"
    rb"(None|"
    + _TEXT
    + rb"|\([ \t]*"
    + _TEXT
    + rb"[ \t]*,[ \t]*(?:"
    + _TEXT
    + rb"[ \t]*(?:,[ \t]*"
    + _TEXT
    + rb"[ \t]*)*,?)?[ \t]*\))"
    rb"[ \t]*(?:#[^\n]*)?$",
    re.MULTILINE,
)
_OTHER = re.compile(
    rb"[ \t]*(?:#[^\n]*)?"
    rb"|(?:from[ \t]+[\w.]+[ \t]+)?import[ \t]+(?![^\n]*\b(?:" + _NAME + rb")\b)"
    rb"[\w.]+(?:[ \t]*,[ \t]*[\w.]+|[ \t]+as[ \t]+\w+)*"
    rb"[ \t]*(?:#[^\n]*)?"
)  # fmt: skip
_DOCSTRING = re.compile(rb"\s*(?:#[^\n]*\n\s*)*[rRuU]?\"\"\"(?:[^\"\\]|\\.|\"(?!\"\"))*\"\"\"[ \t]*\n", re.DOTALL)
_BODY = re.compile(rb"^(?:def|class|async|@)\b|^@|\"\"\"|'''", re.MULTILINE)
_BELOW = re.compile(
    rb"\b(?:down_revision|branch_labels|depends_on)\b|^[ \t]*revision\b|\bimport\b.*(?:\brevision\b|\*)|\bglobals\b",
    re.MULTILINE,
)
_GAP = (
    rb"(?:[ \t]*(?:#[^\n]*)?\n|(?:from[ \t]+[\w.]+[ \t]+)?import[ \t]+(?![^\n]*\b(?:" + _NAME + rb")\b)[\w., \t]+\n)*"
)
_VALUE = rb"[ \t]*(?::[^\n=#'\"();\\]+)?=[ \t]*(None|" + _TEXT + rb")[ \t]*\n"
# What `alembic revision` writes, in one go; anything else is looked at line by line.
_TEMPLATE = re.compile(
    rb"(?:\"\"\"[^\"\\]*\"\"\"[ \t]*\n)?" + _GAP + rb"revision" + _VALUE + rb"down_revision" + _VALUE
    + rb"(?:branch_labels" + _VALUE + rb"depends_on" + _VALUE + rb")?[ \t\n]*(?=def[ \t]|$)"
)  # fmt: skip
_WORDS = (b"revision", b"branch_labels", b"depends_on", b"import", b"globals")
_TEXTS = re.compile(_TEXT)

Quick = tuple[str, tuple[str, ...], tuple[str, ...], tuple[str, ...]]
"""Revision, `down_revision`, `depends_on`, `branch_labels`."""


def look(source: bytes) -> Quick | None:
    """What a file says of itself; None where that takes more than a look."""
    if b"\r" in source:
        source = source.replace(b"\r\n", b"\n")
    if b"\r" in source or b"\0" in source or b"\f" in source or b"coding" in source[:200]:
        return None
    usual = _TEMPLATE.match(source)
    if usual is not None and usual[1] != b"None":
        if _set_below(source, usual.end()):
            return None
        down, labels, needs = (_several(each or b"None") for each in usual.groups()[1:])
        return usual[1][1:-1].decode("ascii"), down, needs, labels
    return _line_by_line(source)


def _set_below(source: bytes, end: int) -> bool:
    """Whether something below might set one of the names; plain searches first, since nearly all files fail them."""
    return any(source.find(word, end) >= 0 for word in _WORDS) and _BELOW.search(source, end) is not None


def _line_by_line(source: bytes) -> Quick | None:
    docstring = _DOCSTRING.match(source)
    start = docstring.end() if docstring is not None else 0
    body = _BODY.search(source, start)
    end = body.start() if body is not None else len(source)
    if _set_below(source, end):
        return None
    found: dict[bytes, bytes] = {}
    for line in source[start:end].split(b"\n"):
        said = _ASSIGNMENT.match(line)
        if said is None:
            if _OTHER.fullmatch(line) is None:
                return None
            continue
        if said[1] in found:
            return None
        found[said[1]] = said[2]
    if b"revision" not in found or b"down_revision" not in found:
        return None
    own = _several(found[b"revision"])
    if len(own) != 1 or found[b"revision"].startswith(b"("):
        return None
    down, needs, labels = (
        _several(found.get(name, b"None")) for name in (b"down_revision", b"depends_on", b"branch_labels")
    )
    return own[0], down, needs, labels


def _several(value: bytes) -> tuple[str, ...]:
    if value == b"None":
        return ()
    return tuple(_decoded(_TEXTS.findall(value)))


def _decoded(texts: Iterable[bytes]) -> Iterable[str]:
    return dict.fromkeys(each[1:-1].decode("ascii") for each in texts)
