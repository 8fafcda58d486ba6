"""A database URL that stands in `env.py` or alembic.ini instead of being read from the service's variable. Pure.

Told only where the sources leave hardly a doubt: `env.py` does not name the variable at all, and a URL is written out in
it; or it takes `sqlalchemy.url` from the ini file, where a URL stands, and nothing in it sets that. Everything else is
the guard's, which sees what is really connected to.
"""

from __future__ import annotations

import ast
import dataclasses
import re
from collections.abc import Collection, Iterator

from ..reading import revision_head

__all__ = ["Written", "find"]

_URL = re.compile(r"postgres(ql)?(\+\w+)?://(?:[^\s/]*@)?(?![^\s/]*@)[\w.\[]", re.IGNORECASE)
_OPTION = re.compile(r"^\s*sqlalchemy\.url\s*[=:]\s*(?P<value>\S.*?)\s*$", re.MULTILINE)
_READS_INI = re.compile(r"\b(async_)?engine_from_config\b|get_main_option\(\s*['\"]sqlalchemy\.url")
_SETS = re.compile(r"set_main_option|set_section_option|\.environ\b|getenv|\[\s*['\"]sqlalchemy\.url['\"]\s*\]\s*=")


@dataclasses.dataclass(frozen=True)
class Written:
    """Where a URL is written out.

    Attributes:
        file: `env.py` or `ini`.
        line: of the file.
        url: as it stands there; for comparison, not to be shown.
    """

    file: str
    line: int
    url: str = dataclasses.field(repr=False)


def find(env_source: str, ini_source: str, words: Collection[str]) -> Written | None:
    """The URL that `env.py` will use wherever else the service's URL is; None if the sources do not tell of one.

    Args:
        env_source, ini_source: the files' texts.
        words: an `env.py` that holds one of these reads the service's URL where it is (`source_kinds.Source.words`).
    """
    if any(word in env_source for word in words):
        return None
    try:
        tree = revision_head.parse_module(env_source.encode(), "env.py")
    except SyntaxError:
        return None
    found = [each for each in _texts(tree) if _URL.match(each.url)]
    if found:
        return min(found, key=lambda each: each.line)
    if not _READS_INI.search(env_source) or _SETS.search(env_source):
        return None
    option = _OPTION.search(ini_source)
    if option is None or "%(" in option["value"]:
        return None
    return Written("ini", ini_source.count("\n", 0, option.start("value")) + 1, option["value"])


def _texts(tree: ast.Module) -> Iterator[Written]:
    """Every text in the source; of one that is put together, unknown parts are `…`."""
    within = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            parts = [str(each.value) if isinstance(each, ast.Constant) else "…" for each in node.values]
            yield Written("env.py", node.lineno, "".join(parts))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in within:
            yield Written("env.py", node.lineno, node.value)
