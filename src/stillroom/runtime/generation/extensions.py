"""Which PostgreSQL extensions a service needs: read from its models, its history, and the registry."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from . import amend

__all__ = ["needed"]

_BUILT_IN = frozenset({"plpgsql"})


def needed(declared: Iterable[str], metadatas: Iterable[Any], created: Mapping[str, str]) -> dict[str, str]:
    """Name of an extension to what needs it.

    Args:
        declared: in the registry.
        metadatas: the service's `MetaData` objects.
        created: those that the history creates, with the place; see `revision_needs`.
    """
    from sqlalchemy.dialects import postgresql

    found = dict.fromkeys(declared, "declared in services.yaml")
    dialect: Any = postgresql.dialect()  # type: ignore[no-untyped-call]  # SQLAlchemy leaves it untyped
    for metadata in metadatas:
        for table in metadata.tables.values():
            for name in _of_table(table, dialect):
                found.setdefault(name, f"table {table.fullname}")
    for name, place in created.items():
        found.setdefault(name, place)
    return {name: why for name, why in found.items() if name not in _BUILT_IN}


def _of_table(table: Any, dialect: Any) -> set[str]:
    words = set(re.findall(r"\w+", " ".join(amend._texts(table, dialect)).lower()))
    found = {amend._EXTENSION_OF_WORD[word] for word in words & amend._EXTENSION_OF_WORD.keys()}
    types = amend._type_words(table, dialect) & amend._EXTENSION_OF_TYPE.keys()
    return found | {amend._EXTENSION_OF_TYPE[word] for word in types}
