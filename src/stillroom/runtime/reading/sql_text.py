"""What SQL text does to data: the data statements in a script, found without a server and without running anything.

It reads just enough SQL to be right about comments, quotes and dollar quotes. The body of a function that is being
defined is no data statement (it is stored, not run); the body of a DO block is.
"""

from __future__ import annotations

import re

__all__ = ["changing", "data_statements", "reads_only", "statements"]

_TOKEN = re.compile(
    r"""(?P<gap>--[^\n]*|/\*.*?\*/|\s+)
    |(?P<dollar>\$(?P<tag>\w*)\$)
    |(?P<quoted>'(?:[^']|'')*'|"(?:[^"]|"")*")
    |(?P<end>;)
    |(?P<other>[^\s;'"$/-]+|.)""",
    re.VERBOSE | re.DOTALL,
)
_ANY = re.compile(r"\b(?:insert|update|delete|merge|truncate|copy|into|create\s+table|create\s+unlogged)\b", re.I)
_FIRST = re.compile(r"(insert\s+into|update|delete\s+from|merge\s+into|truncate|copy\b.*?\bfrom)\b", re.I | re.DOTALL)
_INSIDE = re.compile(
    r"\b(insert\s+into|update\s+(?:only\s+)?[\w.\"…]+(?:\s+(?:as\s+)?\w+)?\s+set|delete\s+from|merge\s+into|truncate)\b",
    re.I,
)
_FILLED = re.compile(
    r"(?:create\s+(?:temp\w*\s+|unlogged\s+)?table\b(?:(?!\bpartition\b).)*?\bas\s+(?:select|table|with|values|\()"
    r"|select\b.*?\binto\s+(?!\s*strict))",
    re.I | re.DOTALL,
)
_STORED = re.compile(
    r"create\s+(?:or\s+replace\s+)?(?:constraint\s+)?(?:trigger|rule|function|procedure|policy)\b", re.I
)


_LOOKING = re.compile(
    r"(?:select|show|set|reset|values|table|with|explain|declare|fetch|move|close|prepare|execute|deallocate|discard|load"
    r"|begin|start|commit|end|rollback|abort|savepoint|release|lock|listen|unlisten|notify|checkpoint"
    r"|create\s+(?:local\s+|global\s+)?temp(?:orary)?)\b",
    re.I,
)


def changing(sql: str) -> str:
    """The first statement in `sql` that changes a database for others, as far as its words tell; "" if none does."""
    for text, _, _ in statements(sql):
        if not _LOOKING.match(text) or (re.match(r"with\b", text, re.I) and _INSIDE.search(text)):
            return text
    return ""


def data_statements(sql: str) -> list[tuple[str, str, int]]:
    """The statements in `sql` that change rows: (kind, statement on one line, lines below the text's first line).

    Kind is INSERT, UPDATE, DELETE, MERGE, TRUNCATE, COPY, FILL (CREATE TABLE AS, SELECT INTO), or DO (a block that
    holds one of these).
    """
    if not _ANY.search(sql):
        return []
    found = []
    for text, bodies, line in statements(sql):
        kind = _kind(text, bodies)
        if kind:
            found.append((kind, text, line))
    return found


def reads_only(sql: str) -> bool:
    """True if every statement in `sql` is a plain query, as far as its first word tells."""
    texts = [text for text, _, _ in statements(sql)]
    return bool(texts) and all(re.match(r"(select|show|explain|values|table)\b", text, re.I) for text in texts)


def statements(sql: str) -> list[tuple[str, list[str], int]]:
    """Statements without comments, quoted texts emptied, dollar-quoted bodies apart; each with its line's offset."""
    statements: list[tuple[str, list[str], int]] = []
    words: list[str] = []
    bodies: list[str] = []
    start = position = 0
    while position < len(sql):
        match = _TOKEN.match(sql, position)
        if match is None:  # cannot be: the last alternative takes any character
            break
        if match["dollar"]:
            close = sql.find(match["dollar"], match.end())
            stop = len(sql) if close < 0 else close
            bodies.append(sql[match.end() : stop])
            words.append("$$")
            position = stop + (len(match["dollar"]) if close >= 0 else 0)
            continue
        if match["end"]:
            _close(statements, words, bodies, start)
        elif match["gap"]:
            words.append(" ")
        else:
            if not "".join(words).strip():
                start = sql.count("\n", 0, position)
            words.append("'…'" if match["quoted"] and match[0][0] == "'" else match[0])
        position = match.end()
    _close(statements, words, bodies, start)
    return statements


def _close(statements: list[tuple[str, list[str], int]], words: list[str], bodies: list[str], start: int) -> None:
    text = " ".join("".join(words).split())
    if text:
        statements.append((text, list(bodies), start))
    words.clear()
    bodies.clear()


def _kind(text: str, bodies: list[str]) -> str:
    if _STORED.match(text):
        return ""
    if re.match(r"do\b", text, re.I):
        return "DO" if any(_INSIDE.search(_plain(body)) for body in bodies) else ""
    first = _FIRST.match(text)
    if first is None and re.match(r"(with|explain\s+analyze)\b", text, re.I):
        first = _INSIDE.search(text)
    if first is not None:
        return first[1].split()[0].upper()
    return "FILL" if _FILLED.match(text) else ""


def _plain(body: str) -> str:
    """A block's text without comments and quotes (a quoted EXECUTE '...' stays unread)."""
    return "; ".join(text for text, _, _ in statements(body))
