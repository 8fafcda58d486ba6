"""Long lines for terminals: broken between words, and indented so that what belongs together stands together."""

from __future__ import annotations

import re
import shutil
import textwrap
from typing import TextIO

__all__ = ["fit", "wrapped"]

_LEAST = 40
_MARK = re.compile(r"\s*(?:[✓✗!→…|-] )?")


def fit(text: str, stream: TextIO) -> str:
    """The text as it is to be printed on a stream: wrapped where that is a terminal, and as it is otherwise."""
    return wrapped(text, shutil.get_terminal_size((80, 24)).columns) if stream.isatty() else text


def wrapped(text: str, width: int) -> str:
    """Each line broken between words; what follows is indented below the line's own mark and text. Pure.

    Args:
        text: one or more lines.
        width: columns of the terminal; below 40 nothing is broken, since that makes it worse.
    """
    if width < _LEAST:
        return text
    return "\n".join(_line(line, width) for line in text.split("\n"))


def _line(line: str, width: int) -> str:
    found = _MARK.match(line)
    indent = len(found[0]) if found else 0
    if len(line) <= width or indent > width // 2:
        return line
    head, rest = line[:indent], line[indent:]
    pieces = textwrap.wrap(
        rest, width - indent, break_long_words=False, break_on_hyphens=False, replace_whitespace=False
    )
    return head + ("\n" + " " * indent).join(pieces)
