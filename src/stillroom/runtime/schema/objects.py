"""What there is in a database and what needs what: facts for a reset, read in four plain statements."""

from __future__ import annotations

import functools
import pkgutil
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

import sqlalchemy.engine

__all__ = ["Facts", "Id", "Object", "observe", "subject"]

Id = tuple[int, int]
"""The catalog (as an object id) and the object id in it."""

_WORDS = {"statistics object": "STATISTICS"}


@dataclass(frozen=True)
class Object:
    """One whole object: a table with all that belongs to it, a view, a function, a type.

    Args:
        id: how the catalogs know it.
        kind: `r`, `p`, `v`, `m`, `S`, `f` (as in `pg_class.relkind`), `routine`, `enum`, `type` or `other`.
        word: what it is in SQL: `TABLE`, `MATERIALIZED VIEW`, `ROUTINE`.
        name: its full name as SQL writes it, with argument types.
        shown: for people: `table public.orders`.
        schema: as SQL writes it; "" if it is in none.
        owner: the role, as SQL writes it.
        may: whether this role may drop it.
        mine: whether it belongs to this role or one that it is a member of, not counting what superusers may.
        locks: how many locks it takes to drop it.
        reachable: whether this role may look into its schema.
    """

    id: Id
    kind: str
    word: str
    name: str
    shown: str
    schema: str
    owner: str
    may: bool
    mine: bool
    locks: int
    reachable: bool

    def __str__(self) -> str:
        return self.shown

    @property
    def is_relation(self) -> bool:
        """Whether it is a table, view or sequence."""
        return len(self.kind) == 1


@dataclass(frozen=True)
class Facts:
    """What was observed.

    Args:
        database: its name.
        role: as which we are connected, as SQL writes it.
        lock_room: how many locks all sessions of the server can hold together.
        objects: id -> object; without sequences that belong to a column.
        sequences: likewise those that do.
        part_of: id of a part -> id of what it is part of (which may be a part itself).
        foreign_keys: id of a foreign key, as SQL writes its name.
        needs: pairs (id, id): the first cannot be without the second. Ids may be of parts.
    """

    database: str
    role: str
    lock_room: int
    objects: Mapping[Id, Object]
    sequences: Mapping[Id, Object]
    part_of: Mapping[Id, Id]
    foreign_keys: Mapping[Id, str]
    needs: tuple[tuple[Id, Id], ...]

    def whole(self, what: Id) -> Id:
        """The id of the whole that an object is part of; its own, if it is no part."""
        seen: set[Id] = set()
        while what in self.part_of and what not in seen:
            seen.add(what)
            what = self.part_of[what]
        return what

    @cached_property
    def dependants(self) -> dict[Id, dict[Id, tuple[Id, ...]]]:
        """Id of a whole -> id of a whole that needs it -> the parts of that (or itself) which do."""
        found: dict[Id, dict[Id, tuple[Id, ...]]] = {}
        for what, needed in self.needs:
            one, other = self.whole(what), self.whole(needed)
            if one != other:
                parts = found.setdefault(other, {}).get(one, ())
                # A foreign key needs the table and its key.
                found[other][one] = parts if what in parts else (*parts, what)
        return found


def observe(conn: sqlalchemy.engine.Connection) -> Facts:
    """The objects of the connected database that are neither the system's nor an extension's."""
    read = {name: conn.exec_driver_sql(text).all() for name, text in _statements().items()}
    database, role, lock_room = read["place"][0]
    part_of = {(row[0], row[1]): (row[2], row[3]) for row in read["parts"]}
    objects = {each.id: each for each in map(_object, read["objects"])}
    return Facts(
        database=database,
        role=role,
        lock_room=lock_room,
        objects={key: each for key, each in objects.items() if key not in part_of},
        sequences={key: each for key, each in objects.items() if key in part_of},
        part_of=part_of,
        foreign_keys={(row[0], row[1]): row[4] for row in read["parts"] if row[4]},
        needs=tuple(sorted(((row[0], row[1]), (row[2], row[3])) for row in read["dependencies"])),
    )


def subject(conn: sqlalchemy.engine.Connection, what: Id) -> str:
    """For people: `constraint fk on public.orders`. Of a part that only its id is known of."""
    # Two integers: nothing that could be mistaken for a parameter or for SQL.
    statement = f"SELECT type || ' ' || identity FROM pg_identify_object({int(what[0])}::oid, {int(what[1])}::oid, 0)"
    return str(conn.exec_driver_sql(statement).scalar())


def _object(row: Iterable[object]) -> Object:
    classid, oid, kind, type_, identity, schema, owner, may, mine, locks, reachable = row
    word = "ROUTINE" if kind == "routine" else _WORDS.get(str(type_), str(type_).upper())
    return Object(
        (int(str(classid)), int(str(oid))),
        str(kind),
        word,
        str(identity),
        f"{type_} {identity}",
        str(schema),
        str(owner),
        bool(may),
        bool(mine),
        int(str(locks)),
        bool(reachable),
    )


@functools.lru_cache(maxsize=1)
def _statements() -> dict[str, str]:
    """Name -> statement, without comments."""
    text = (pkgutil.get_data(__package__ or "", "objects.sql") or b"").decode()
    parts = re.split(r"^-- name: (\w+)$", text, flags=re.MULTILINE)[1:]
    return {
        name: "\n".join(line for line in body.splitlines() if line and not line.startswith("--"))
        for name, body in zip(parts[::2], parts[1::2], strict=True)
    }
