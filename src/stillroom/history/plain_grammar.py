"""The plain form of a revision file, as regular expressions: the lines that Alembic's template and autogenerate write.

Each expression matches valid Python and nothing else (but for names that are keywords: `MISUSED` finds those), and much
less than Python: no declared name is computed, no text has an escape that could be wrong, calls stand in each other to a
fixed depth. What does not match is not judged here. They are for decoded UTF-8, and see a file line by line.
"""

from __future__ import annotations

import keyword
import re

from stillroom.runtime.reading import source_text

__all__ = ["ITEM", "LINE", "MISUSED", "PAIR", "VALUE"]

_W = r"[ \n]*+"
_NAME = r"[A-Za-z_]\w*+"
_DOTTED = rf"{_NAME}(?:\.{_NAME})*+"
_ESCAPE = r"\\[\\'\"nt]"
# A text on one line; a text in three quotes; neither with control characters.
_TEXT = rf"(?:\"(?!\"\")(?:[^\"\\\x00-\x1f\x7f]|{_ESCAPE})*+\"|'(?!'')(?:[^'\\\x00-\x1f\x7f]|{_ESCAPE})*+')"
_LONG = (
    r"(?:\"\"\"(?:[^\"\\\x00-\x09\x0b-\x1f\x7f]|\"(?!\"\"))*+\"\"\""
    r"|'''(?:[^'\\\x00-\x09\x0b-\x1f\x7f]|'(?!''))*+''')"
)
_NUMBER = r"-?(?:0|[1-9][0-9]{0,30}+)(?:\.[0-9]{1,30}+)?+(?![\w.])"
_COMMENT = r"[#][^\x00-\x08\x0a-\x1f\x7f]*+"
_END = rf"[ ]*+(?:{_COMMENT})?+\n"


def _call(each: str) -> str:
    """The parentheses of a call: arguments, then keywords; each is followed by a comma or the end."""
    follows = rf"{_W}(?:,{_W}|(?=\)))"
    return rf"\({_W}(?:{each}(?!{_W}=){follows})*+(?:{_NAME}{_W}={_W}{each}{follows})*+\)"


def _expression(call: str) -> str:
    """A name, with such a call after it or without; texts beside each other; a number; a list of names and texts."""
    listed = rf"\[{_W}(?:(?:{_DOTTED}|{_TEXT}){_W}(?:,{_W}|(?=\])))*+\]"
    return rf"(?:{_DOTTED}(?:{call})?+|(?:{_TEXT}{_W})++|{_NUMBER}|{listed})"


_SHORT = rf"\({_W}(?:(?:{_NAME}=)?+(?:{_NAME}|{_TEXT}|{_NUMBER}){_W},?+{_W})?+\)"  # (), (length=255), ("now()")
_TYPE = _call(_expression(_SHORT))  # ("a", "b", name="kind"), (sa.Text(), as_uuid=True)
_COLUMN = _expression(_call(_expression(_TYPE)))  # sa.Column("id", postgresql.ARRAY(sa.String(length=1)))

# What stands within these calls has no part in an outline: only the call itself, its table and its subject.
_CLOSED = "|".join(sorted(source_text.CLOSED - {"Column"}))
_SQL = rf"{_W}(?:(?:{_TEXT}{_W})++|{_LONG}{_W})"
_EXECUTE = rf"\((?:{_SQL}|{_W}sa\.text\({_SQL},?+{_W}\){_W}),?+{_W}\)"
_OPERATION = rf"(?P<on>op|batch_op)\.(?:(?P<closed>{_CLOSED})(?P<of>{_call(_COLUMN)})|(?P<execute>execute){_EXECUTE})"
_BATCH = rf"with[ ]op\.batch_alter_table(?P<batch>{_call(_expression(_SHORT))})[ ]as[ ]batch_op:"
_NOTHING = rf"(?P<nothing>pass|return|{_LONG}|{_TEXT})"
_RAISE = rf"(?P<raise>raise[ ]NotImplementedError(?:\({_TEXT}?+\))?+)"

_ANNOTATIONS = "|".join(
    re.escape(each)
    for each in (
        "None",
        "str",
        "str | None",
        "str | Sequence[str] | None",
        "str | tuple[str, ...] | None",
        "tuple[str, ...] | None",
        "tuple[str] | None",
        "Sequence[str] | str | None",
        "Optional[str]",
        "Union[str, None]",
        "Union[str, Sequence[str], None]",
    )
)
_IDS = rf"{_W}(?:{_TEXT}{_W}(?:,{_W}|(?=[\])])))*+"
_DECLARATION = (
    rf"(?P<name>revision|down_revision|branch_labels|depends_on)(?::[ ](?:{_ANNOTATIONS}))?+[ ]=[ ]"
    rf"(?P<value>{_TEXT}|None|\({_IDS}\)|\[{_IDS}\])"
)
_AS = rf"(?:[ ]as[ ]{_NAME})?+"
_FROM = rf"from[ ](?P<module>\.*+{_DOTTED}|\.++)[ ]import[ ](?P<names>{_NAME}{_AS}(?:,[ ]{_NAME}{_AS})*+)"

LINE = re.compile(
    rf"(?P<blank>(?:[ ]*+(?:{_COMMENT})?+\n)++)"
    rf"|(?P<inside>(?P<indent>[ ]++)(?:{_OPERATION}|{_BATCH}|{_NOTHING}|{_RAISE}){_END})"
    rf"|(?P<function>def[ ](?P<def>upgrade|downgrade)\(\)(?:[ ]->[ ]None)?+:{_END})"
    rf"|(?P<declaration>{_DECLARATION}{_END})"
    rf"|(?P<imported>(?:{_FROM}|import[ ](?P<plain>{_DOTTED}{_AS})){_END})"
    rf"|(?P<docstring>(?P<said>{_LONG}|{_TEXT}){_END})",
    re.ASCII,
)
"""One statement, comment or blank line of a plain file, with its end; `lastgroup` says which kind."""

_INNER = rf"(?:[^()\[\]\"']|{_TEXT})*+"
for _ in range(4):
    _INNER = rf"(?:[^()\[\]\"']++|{_TEXT}|[(\[]{_INNER}[)\]])*+"
ITEM = re.compile(
    rf"{_W}(?:(?P<name>{_NAME}){_W}={_W})?+(?P<value>(?:[^()\[\]\"',]++|{_TEXT}|[(\[]{_INNER}[)\]])++)(?:,|(?=\)))",
    re.ASCII,
)
"""One argument of a call that `LINE` matched, from behind what comes before it."""

_NAMED = r"(?P<{0}quote>[\"'])(?P<{0}>[^\"'\\]*+)(?P={0}quote)" + _W
PAIR = re.compile(
    rf"\({_W}(?:{_NAMED.format('first')}|op\.f\({_W}{_NAMED.format('first_f')}\){_W}),{_W}"
    rf"(?:(?:op\.f|sa\.Column)\({_W})?+{_NAMED.format('second')}[,)]",
    re.ASCII,
)
"""The two names that most operations begin with: `("table", sa.Column("name", ...`, `(op.f("index"), "table", ...`."""

VALUE = re.compile(
    rf"(?P<call>{_DOTTED}\({_W})?+(?:\"(?P<double>[^\"\\]*+)\"|'(?P<single>[^'\\]*+)'){_W}(?P<after>[,)]|\Z)"
    rf"|(?P<none>None|{_NUMBER}|\[[^\]]*+\])\Z",
    re.ASCII,
)
"""The text that an argument is, or that is the first in its call; or a value that names nothing."""

_WORDS = "|".join(sorted(set(keyword.kwlist) - {"None", "True", "False"}))
MISUSED = re.compile(
    rf"[(,=.\[][ \n]*+(?:{_WORDS})[ \n]*+[.(,)=\]]|\.(?:None|True|False)\b|(?:None|True|False)[ \n]*+=", re.ASCII
)
"""A keyword in the place of a name, in a call that `LINE` matched (or text that looks like it)."""
