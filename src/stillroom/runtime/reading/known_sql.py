"""The few SQL statements whose effect is known by their form alone: those that only add, and those that lose no rows.

Exact on purpose: one statement in one of these forms, without comments; anything else is not known. Forms that Stillroom's
own generator writes are among them.
"""

from __future__ import annotations

import ast
import re

from ..connections import sqltext

__all__ = ["adds", "executed", "lines_without_loss"]

_NAME = r'(?:"(?:[^"]|"")+"|[A-Za-z_][\w$]*)'
_DOTTED = rf"{_NAME}(?:\.{_NAME}){{0,2}}"
_TEXT = r"(?<![\w&$])'(?:[^']|'')*'"  # no E'…', U&'…': a quote may stand in those otherwise
_PLAIN = r"(?:(?!--|/\*)[^;$'\"])"
_ANY = rf"(?:{_PLAIN}|{_TEXT}|\"(?:[^\"]|\"\")+\")"
_KEY = rf"{_NAME}(?: (?!ASC\b|DESC\b|NULLS\b){_NAME})?(?: (?:ASC|DESC))?(?: NULLS (?:FIRST|LAST))?"
_NUMBERING = (
    rf"(?: (?:AS (?:smallint|integer|bigint)|(?:INCREMENT(?: BY)?|MINVALUE|MAXVALUE|START(?: WITH)?|CACHE) -?\d+"
    rf"|NO (?:MINVALUE|MAXVALUE|CYCLE)|CYCLE|OWNED BY {_DOTTED}))*"
)

_ADDING = (
    rf"CREATE TYPE {_DOTTED} AS ENUM ?\( ?(?:{_TEXT}(?: ?, ?{_TEXT})*)? ?\)",
    rf"CREATE DOMAIN {_DOTTED} AS {_ANY}+",
    rf"CREATE SCHEMA (?:IF NOT EXISTS )?{_NAME}(?: AUTHORIZATION {_NAME})?",
    rf"CREATE EXTENSION (?:IF NOT EXISTS )?{_NAME}(?: (?:WITH )?SCHEMA {_NAME})?(?: CASCADE)?",
    rf"CREATE SEQUENCE (?:IF NOT EXISTS )?{_DOTTED}{_NUMBERING}",
    rf"COMMENT ON (?:{_PLAIN}|\"(?:[^\"]|\"\")+\")+ IS (?:{_TEXT}|NULL)",
    rf"CREATE INDEX (?:CONCURRENTLY )?(?:(?:IF NOT EXISTS )?{_NAME} )?ON (?:ONLY )?{_DOTTED} ?(?:USING {_NAME} ?)?"
    rf"\( ?{_KEY}(?: ?, ?{_KEY})* ?\)",
)
_WITHOUT_LOSS = (rf"DROP (?:TYPE|DOMAIN) {_DOTTED}",)
_SCHEMA_UNLESS_THERE = re.compile(r"EXECUTE 'CREATE SCHEMA \"([^'\"$;]+)\"'")


def _compiled(forms: tuple[str, ...]) -> re.Pattern[str]:
    """Each blank of a form stands for any white space."""
    spaced = "|".join(form.replace(" ?", r"\s*").replace(" ", r"\s+") for form in forms)
    return re.compile(rf"\s*(?:{spaced})\s*;?\s*", re.IGNORECASE)


_ADDS = _compiled(_ADDING)
_LOSES_NOTHING = _compiled(_WITHOUT_LOSS)


def adds(statement: str) -> bool:
    """Whether it is one statement of a known form that only adds what nobody uses yet, or comments. Pure."""
    return _ADDS.fullmatch(statement) is not None or _makes_schema(statement)


def _makes_schema(statement: str) -> bool:
    """Whether it is the block, and nothing but that, by which generated revisions make a schema unless it is there."""
    named = _SCHEMA_UNLESS_THERE.search(statement)
    return named is not None and statement == sqltext.for_text(sqltext.create_schema(named[1]))


def executed(call: ast.Call) -> str | None:
    """The text that an `execute` is given, if that is written out as one constant and nothing else is given."""
    if len(call.args) != 1 or call.keywords or not isinstance(call.args[0], ast.Constant):
        return None
    return call.args[0].value if isinstance(call.args[0].value, str) else None


def lines_without_loss(source: bytes | str) -> frozenset[int]:
    """The lines of a revision file on which `op.execute` drops a type or a domain: where one is in use, that is refused.

    So no row goes with it. A line with another `execute` on it is left out; a file that does not parse has none.
    """
    try:
        module = ast.parse(source)
    except (SyntaxError, ValueError):
        return frozenset()
    found: dict[int, bool] = {}
    for node in ast.walk(module):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "execute":
            text = executed(node) if isinstance(node.func.value, ast.Name) and node.func.value.id == "op" else None
            harmless = text is not None and _LOSES_NOTHING.fullmatch(text) is not None
            found[node.lineno] = found.get(node.lineno, True) and harmless
    return frozenset(line for line, harmless in found.items() if harmless)
