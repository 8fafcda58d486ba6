"""The structure of a database as a value: taken by one statement, compared, kept as JSON.

Two databases with the same structure give equal snapshots, whatever their object ids, the order in which things were
made and the order of columns. Every definition is the DDL that makes the object (or, for a column or a constraint, the
part of the DDL that says it), with all names qualified and independent of `search_path`, time zone and date style.

The statement stands in `catalog.sql`, with a short form that tells whether the long one is needed. It has no parameters
and holds neither a percent sign nor a colon-name, so it goes through `Connection.exec_driver_sql` of every driver as it
is. It works as an ordinary role and in a read-only transaction, on PostgreSQL 13 to 18; settings that it needs are set
and set back within it.
"""

from __future__ import annotations

import functools
import pkgutil
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy.engine

from .. import faults

__all__ = [
    "RIGHTS_KINDS",
    "Difference",
    "Item",
    "Snapshot",
    "compare",
    "key",
    "snapshot",
    "statement",
]


RIGHTS_KINDS = frozenset({"owner", "acl", "default_acl"})
"""Kinds that say who may do what, as against what there is."""


@dataclass(frozen=True, order=True)
class Item:
    """One thing of a database.

    Args:
        kind: `table`, `column`, `index`, …: the word of PostgreSQL's documentation, with underscores.
        name: full and readable: `public.orders`, `public.orders.note` (column, constraint, trigger, policy of a table),
            `public.total(integer)` (function); owner, acl and comment name the object: `table public.orders`.
        definition: the DDL, or for columns and constraints what follows their name in DDL.
        schema: the schema that it is in, as SQL writes it; "" if in none.
        relation: the table or view that it belongs to, qualified as SQL writes it; "" if to none.
    """

    kind: str
    name: str
    definition: str
    schema: str = field(default="", compare=False)
    relation: str = field(default="", compare=False)

    def __str__(self) -> str:
        return f"{self.kind.replace('_', ' ')} {self.name}"


class Snapshot(Mapping[tuple[str, str], str]):
    """The items of a database: a mapping of (kind, name) to definition."""

    def __init__(self, items: Iterable[Item] = ()) -> None:
        self._items = {(item.kind, item.name): item for item in sorted(items)}

    def __getitem__(self, key: tuple[str, str]) -> str:
        return self._items[key].definition

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def __repr__(self) -> str:
        return f"<Snapshot of {len(self)} items>"

    @property
    def all(self) -> tuple[Item, ...]:
        """The items, sorted by kind and name."""
        return tuple(self._items.values())

    def item(self, kind: str, name: str) -> Item | None:
        """The item of that kind and name, or None."""
        return self._items.get((kind, name))

    def only(
        self,
        *,
        schemas: Collection[str] | None = None,
        kinds: Collection[str] | None = None,
        without_kinds: Collection[str] = (),
        tables: Collection[str] | None = None,
        without_tables: Collection[str] = (),
    ) -> Snapshot:
        """A part of the snapshot. Names are compared by what they mean: `public.user` is `public."user"`.

        Args:
            schemas: only what is in these schemas; things that are in no schema (extensions, publications, casts) go.
            kinds: only these kinds.
            without_kinds: all but these kinds.
            tables: only these tables or views (`schema.name`) and what belongs to them.
            without_tables: all but these tables or views and what belongs to them.
        """

        in_schemas, in_tables, not_in_tables = (
            None if names is None else {key(name) for name in names} for names in (schemas, tables, without_tables)
        )

        def wanted(item: Item) -> bool:
            return (
                (kinds is None or item.kind in kinds)
                and item.kind not in without_kinds
                and (in_schemas is None or key(item.schema) in in_schemas)
                and (in_tables is None or key(item.relation) in in_tables)
                and (not not_in_tables or key(item.relation) not in not_in_tables)
            )

        return Snapshot(item for item in self.all if wanted(item))

    def to_list(self) -> list[list[str]]:
        """The snapshot as JSON can hold it; `from_list` reads it."""
        return [[item.kind, item.name, item.definition, item.schema, item.relation] for item in self.all]

    @classmethod
    def from_list(cls, value: Iterable[Sequence[Any]]) -> Snapshot:
        """The snapshot that `to_list` gave."""
        return cls(Item(*(str(part) for part in row)) for row in value)


@dataclass(frozen=True)
class Difference:
    """What has to happen to `before` to become `after`: items that went, that came, and that changed."""

    missing: tuple[Item, ...] = ()
    added: tuple[Item, ...] = ()
    changed: tuple[tuple[Item, Item], ...] = ()

    @property
    def empty(self) -> bool:
        """Whether nothing differs."""
        return not (self.missing or self.added or self.changed)

    def lines(self) -> list[str]:
        """The difference for people: "- " missing, "+ " added, "~ " changed; one line an item, sorted by name."""
        marked = [(item.name, item.kind, f"- {item}{_short(item)}") for item in self.missing]
        marked += [(item.name, item.kind, f"+ {item}{_short(item)}") for item in self.added]
        for old, new in self.changed:
            was, now = _around_first_difference(_flat(old.definition), _flat(new.definition))
            marked.append((new.name, new.kind, f"~ {new}: {was} -> {now}"))
        return [line for *_, line in sorted(marked)]


def snapshot(conn: sqlalchemy.engine.Connection, *, exclude_tables: Collection[str] = ()) -> Snapshot:
    """The structure of the database that `conn` is connected to, of one moment: the rows of one statement.

    System schemas, members of extensions, temporary objects and internal triggers are left out. What a partition or a
    child table has from its parent (indexes, constraints, triggers) is the parent's; NOT NULL is the column's.

    Args:
        conn: a sync connection (any driver); an open transaction stays open, and its settings as they are.
        exclude_tables: tables (`schema.name`) that are left out with all that belongs to them, the version table say.

    Raises:
        DatabaseFault: `server-too-old` below PostgreSQL 13.
    """
    version = conn.dialect.server_version_info or (0,)
    major = int(version[0])
    if major < 13:
        shown = ".".join(map(str, version))
        raise faults.DatabaseFault(
            "server-too-old", f"the server runs PostgreSQL {shown}", "stillroom works with PostgreSQL 13 or newer"
        )
    rows = conn.exec_driver_sql(statement(major, rare=False)).all()
    if any(row[0] == "rare" for row in rows):
        # All of it again, so that everything is of one moment.
        rows = conn.exec_driver_sql(statement(major, rare=True)).all()
    # What was dropped by somebody else while the statement ran has no definition any more.
    taken = Snapshot(Item(*row) for row in rows if row[2] is not None)
    return taken.only(without_tables=frozenset(exclude_tables)) if exclude_tables else taken


def compare(before: Snapshot, after: Snapshot) -> Difference:
    """What differs between two snapshots."""
    return Difference(
        missing=tuple(item for item in before.all if (item.kind, item.name) not in after),
        added=tuple(item for item in after.all if (item.kind, item.name) not in before),
        changed=tuple(
            (old, new)
            for new in after.all
            if (old := before.item(new.kind, new.name)) is not None and old.definition != new.definition
        ),
    )


@functools.lru_cache(maxsize=65536)
def key(name: str) -> tuple[str, ...]:
    """What a name means, however it is quoted: `public."user"` and `public.user` -> ("public", "user").

    Capitals count: a part without quotes is taken as it is, not folded.
    """
    return tuple(part[1:-1].replace('""', '"') if part.startswith('"') else part for part in _NAME_PART.findall(name))


_NAME_PART = re.compile(r'"(?:[^"]|"")*"|[^."]+')
_MARK = re.compile(r"--@ (<)?(\d+)(?:-(\d+))?$")
_BLOCK = re.compile(r"^--@ (rare|usual)\n(.*?)^--@ end\n", re.DOTALL | re.MULTILINE)


@functools.lru_cache(maxsize=16)
def statement(version: int, *, rare: bool = True) -> str:
    """`catalog.sql` for one major version of the server, without its comments.

    Args:
        version: 13 or higher.
        rare: with the kinds that few databases have; otherwise with a row of kind `rare` if this one has any.
    """
    text = (pkgutil.get_data(__package__ or "", "catalog.sql") or b"").decode()
    kept = "rare" if rare else "usual"
    text = _BLOCK.sub(lambda block: block[2] if block[1] == kept else "", text)
    lines = (line for line in text.splitlines() if line and _fits(line, version))
    return "\n".join(_MARK.sub("", line).rstrip() for line in lines if not line.startswith("--"))


def _fits(line: str, version: int) -> bool:
    mark = _MARK.search(line)
    if mark is None:
        return True
    below, first, last = mark.groups()
    if below:
        return version < int(first)
    return int(first) <= version <= int(last or version)


def _flat(definition: str) -> str:
    return " ".join(definition.split())


def _short(item: Item, limit: int = 100) -> str:
    """The definition after the item's name, on one line, unless the name says it all."""
    text = _flat(item.definition)
    if item.kind in {"schema", "extension"}:
        return ""
    return f": {text}" if len(text) <= limit else f": {text[: limit - 1]}…"


def _around_first_difference(old: str, new: str, limit: int = 60) -> tuple[str, str]:
    """Both texts, cut to where they begin to differ if they are long."""
    if max(len(old), len(new)) <= limit:
        return old, new
    same = next((at for at, (a, b) in enumerate(zip(old, new, strict=False)) if a != b), min(len(old), len(new)))
    start = max(0, same - limit // 3)
    lead = "…" if start else ""

    def cut(text: str) -> str:
        return lead + text[start : start + limit] + ("…" if len(text) > start + limit else "")

    return cut(old), cut(new)
