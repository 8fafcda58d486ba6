"""The one statement of a verification. It needs only SELECT, makes nothing, and answers whatever is there or missing."""

from __future__ import annotations

import functools
import pkgutil
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .expected import Expected

__all__ = ["question"]

_PLAIN = re.compile(r"[\w .-]*", re.ASCII)
_PLACES = re.compile(
    r"\b(?:PLACE|VERSION_TABLE|SCHEMA_NAME|TABLE_NAME|SCHEMA_FILTER|HEADS|PIECES|MORE_CLAUSES|FINGERPRINT|DEEP)\b",
    re.ASCII,
)
_NOW = """
CASE WHEN noted.rows = {heads} AND NOT {asked} THEN (SELECT jsonb_build_array('s' || l.state) FROM ledger l)
     ELSE (SELECT jsonb_agg(x.word)
           FROM (SELECT 'p' || p.word AS word FROM piece p UNION ALL SELECT 's' || l.state FROM ledger l
                 UNION ALL SELECT k.word FROM lock k) x) END
"""
_LATER = """
CASE WHEN noted.rows = {heads} AND NOT {asked} THEN NULL
     ELSE (SELECT jsonb_agg(w.word) FROM pg_catalog.ts_stat({text}) w) END
"""
_TEXT = """
WITH {place}, {ledger}
SELECT pg_catalog.array_to_tsvector(ARRAY['p' || p.word]) FROM piece p
UNION ALL SELECT pg_catalog.array_to_tsvector(ARRAY['s' || l.state]) FROM ledger l
UNION ALL SELECT pg_catalog.array_to_tsvector(ARRAY[k.word]) FROM lock k
"""
_DEEP = """
CASE WHEN NOT EXISTS (SELECT FROM recorded) THEN
         jsonb_build_object('majors', (SELECT jsonb_agg(substr(p.word, 2)) FROM recorded_piece p
                                       WHERE left(p.word, 1) = 'm'))
     WHEN (SELECT r.digest FROM recorded r) = (SELECT t.digest FROM taken t) THEN jsonb_build_object('same', true)
     ELSE jsonb_build_object('same', false, 'recorded', (SELECT i.told FROM recorded_item i),
                             'found', (SELECT jsonb_agg(jsonb_build_array(i.kind, i.name, i.definition)) FROM item i)) END
"""


def question(expected: Expected, deep: bool = False, *, ledger: bool = False) -> tuple[str, tuple[()]]:
    """The statement for what an image expects, and its parameters: there are none, so that every driver takes it as it is.

    Args:
        expected: what the image's files say.
        deep: recompute the fingerprint of the schema, too.
        ledger: read the ledger even where the rows are those of the code.

    Returns:
        Text without percent signs and colon-names, which gives one row with one column: what `judge.judge` reads.
    """
    names = _names(expected)
    place, told = (_filled(_text(name), names) for name in ("place.sql", "ledger.sql"))
    asked = "true" if ledger else "false"
    if deep:
        clauses = ",\n" + told + ",\n" + _filled(_text("deep.sql"), {"FINGERPRINT": _fingerprint()})
        pieces, proof = _NOW.format(heads=names["HEADS"], asked=asked), _DEEP
    else:
        later = _quoted(_TEXT.format(place=place, ledger=told))
        clauses, proof = "", "NULL"
        pieces = _LATER.format(heads=names["HEADS"], asked=asked, text=later)
    parts = {"PLACE": place, "MORE_CLAUSES": clauses, "PIECES": pieces, "DEEP": proof}
    return _filled(_text("question.sql"), {**names, **parts}), ()


def _names(expected: Expected) -> dict[str, str]:
    """What stands for the names of this service."""
    named, schema = _literal(expected.version_table), _literal(expected.version_schema)
    if expected.version_schema is None:
        quoted = '"' + expected.version_table.replace('"', '""') + '"'
        found = f"c.oid = pg_catalog.to_regclass({_literal(quoted)})"
    else:
        found = f"n.nspname = {schema} AND c.relname = {named}"
    return {
        "VERSION_TABLE": found,
        "SCHEMA_NAME": f"{schema}::text",
        "TABLE_NAME": f"{named}::text",
        "SCHEMA_FILTER": "true" if expected.schemas is None else f"n.nspname = ANY ({_array(expected.schemas)})",
        "HEADS": _array(expected.heads),
    }


def _filled(text: str, said: Mapping[str, str]) -> str:
    return _PLACES.sub(lambda match: said.get(match[0], match[0]), text)


def _fingerprint() -> str:
    from ..ledger import fingerprint

    schemas, tables = (f"(SELECT r.{each} FROM recorded r)::text[]" for each in ("schemas", "tables"))
    return fingerprint.clauses(schemas, tables, "(SELECT p.oid FROM place p)")


@functools.lru_cache(maxsize=4)
def _text(name: str) -> str:
    """A file beside this one, without its comments."""
    text = (pkgutil.get_data(__package__ or "", name) or b"").decode()
    return "\n".join(line for line in text.splitlines() if line and not line.startswith("--"))


def _array(values: Sequence[str]) -> str:
    return f"ARRAY[{', '.join(map(_literal, values))}]::text[]"


def _literal(value: str | None) -> str:
    """A string literal; whatever a driver might take for a parameter is written as its code point."""
    if value is None:
        return "NULL"
    if _PLAIN.fullmatch(value):
        return f"'{value}'"
    return "U&'" + "".join(each if _PLAIN.fullmatch(each) else f"\\+{ord(each):06x}" for each in value) + "'"


def _quoted(text: str) -> str:
    """A string literal of our own text, which holds no percent sign and no colon-name."""
    return "'" + text.replace("'", "''") + "'"
