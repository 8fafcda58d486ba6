"""Code of a service that prepares, or is only imported, kept from changing a database meanwhile.

An application that `setup:` starts may migrate by itself, and a module may call `create_all()` when it is imported. A
command that only looks must not bring that about. Statements through SQLAlchemy are judged by their first word, before they
go out; what a driver is told without SQLAlchemy is out of sight.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

from .. import faults
from ..reading import sql_text

__all__ = ["kept", "shown"]

_LENGTH = 80
_standing: list[object] = []  # the innermost counts
_EVENT = "before_cursor_execute"


@contextlib.contextmanager
def kept(refusal: Callable[[str], faults.Fault]) -> Iterator[None]:
    """While active, a statement through SQLAlchemy that would change a database is refused before it is sent.

    Args:
        refusal: makes the fault, from the statement.

    Raises:
        faults.Fault: the first refusal, unless the code inside caught it and went on well: nothing has happened then, and
            nothing is in the way.
    """
    import sqlalchemy.engine
    import sqlalchemy.event

    refused: list[faults.Fault] = []
    own = object()

    def before(conn: Any, cursor: Any, statement: str, parameters: Any, context: Any, executemany: bool) -> None:
        changing = sql_text.changing(statement) if _standing[-1] is own else ""
        if changing:
            refused.append(refusal(changing))
            raise refused[-1]

    sqlalchemy.event.listen(sqlalchemy.engine.Engine, _EVENT, before)
    _standing.append(own)
    try:
        yield
    except (Exception, SystemExit) as error:
        if refused and error is not refused[0]:
            raise refused[0] from error
        raise
    finally:
        _standing.remove(own)
        sqlalchemy.event.remove(sqlalchemy.engine.Engine, _EVENT, before)


def shown(statement: str) -> str:
    """A statement for a message."""
    return statement if len(statement) <= _LENGTH else f"{statement[: _LENGTH - 1]}…"
