"""Items of a snapshot as DDL: the statements that make them again, and those that drop them.

Most definitions are DDL as they stand. Tables are put together with their columns; partitions become
`CREATE TABLE … PARTITION OF`. What an item needs is read off its definition: snapshots write every name in full.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from .. import faults

if TYPE_CHECKING:
    from . import catalog

__all__ = ["create_sql", "drop_sql"]

# In this order, unless an item needs one that comes later.
_ORDER = (
    "schema", "foreign_data_wrapper", "foreign_server", "extension", "collation", "type", "domain",
    "text_search_dictionary", "text_search_configuration", "text_search_mapping", "sequence",
    "function", "procedure", "aggregate", "operator", "cast", "domain_constraint",
    "table", "foreign_table", "column", "partition", "owned_by",
    "constraint", "index", "foreign key", "statistics", "sql function", "view", "materialized_view",
    "rule", "trigger", "row_security", "policy", "replica_identity", "option",
    "publication", "publication_table", "publication_schema", "event_trigger",
    "owner", "acl", "default_acl", "comment",
)  # fmt: skip
_RANK = {kind: rank for rank, kind in enumerate(_ORDER)}

_ROUTINES = ("function", "procedure", "aggregate")
_TABLES = ("table", "foreign_table")
# What others can need by name.
_NAMED = frozenset({
    "table", "foreign_table", "view", "materialized_view", "sequence", "type", "domain", "collation", "operator",
    "text_search_dictionary", "text_search_configuration", *_ROUTINES,
})  # fmt: skip
# Kinds that go with their table.
_OF_TABLE = frozenset({
    "column", "partition", "constraint", "index", "rule", "trigger", "row_security", "policy", "replica_identity",
    "option", "owned_by", "statistics", "sequence", "owner", "acl", "comment", "publication_table",
})  # fmt: skip

# Of these, the ones that only say something about their table.
_WITHOUT_NEEDS = frozenset({"column", "partition", "owned_by", "sequence", "owner", "acl", "comment"})

_IDENTIFIER = r'(?:"(?:[^"]|"")+"|[^\W\d][\w$]*)'
_FULL_NAME = re.compile(rf"{_IDENTIFIER}\.(?:{_IDENTIFIER}|[-+*/<>=~!@#%^&|`?]+)")
_STRING_BODY = re.compile(r"\nAS (?:\$\w*\$|').*", re.DOTALL)
_ON_ONLY = re.compile(rf"^(CREATE (?:UNIQUE )?INDEX {_IDENTIFIER} ON) ONLY ")
_INVALID = " /* INVALID */"
_THIS_DATABASE = "database current_database"
_REFERENCES = re.compile(rf" REFERENCES ({_IDENTIFIER}\.{_IDENTIFIER})")


def create_sql(snapshot: catalog.Snapshot, items: Sequence[catalog.Item]) -> list[str]:
    """The statements that make these items, in an order in which each has what it needs.

    Each is one statement without parameters. (`op.execute` takes a colon before a word for a parameter: see
    `sqltext.for_text`.)

    Args:
        snapshot: where the items are from; the columns of their tables are taken from it.
        items: what to make.

    Raises:
        RefusedFault: `cannot-carry-over`, for kinds whose definition says too little to make them again.
    """
    _refuse_what_says_too_little(items)
    made = {item.name for item in items if item.kind in _TABLES}
    partitions = {item.name: item for item in snapshot.all if item.kind == "partition"}
    statements: list[str] = []
    for item in _Order(items, snapshot.all).run():
        if item.kind in ("column", "partition") and item.relation in made:
            continue
        if item.kind in _TABLES:
            statements += _table(snapshot, item, partitions)
        else:
            statements += _creation(item)
    if any(_is_sql_function(item) for item in items):
        # Their bodies may name what comes later; PostgreSQL then checks them when they are called.
        statements.insert(0, "SET LOCAL check_function_bodies = off")
    return statements


def drop_sql(items: Sequence[catalog.Item]) -> list[str]:
    """The statements that undo `create_sql`, in reverse order; what goes with its table is not dropped by itself.

    Args:
        items: what was made.
    """
    gone = {item.name for item in items if item.kind in (*_TABLES, "view", "materialized_view")}
    statements: list[str] = []
    order = _Order(items, items)
    for item in reversed(list(order.run())):
        if item.kind in _OF_TABLE and item.relation in gone and not order.needs_more_than_its_table(item):
            continue
        statements += _removal(item)
    return statements


# Order


class _Order:
    """Items in an order in which each comes after what it needs; by kind and name otherwise.

    Args:
        items: what to order.
        around: where the columns of their tables are.
    """

    def __init__(self, items: Iterable[catalog.Item], around: Iterable[catalog.Item]) -> None:
        self._columns: dict[str, list[str]] = {}
        for item in around:
            if item.kind in ("column", "partition"):
                self._columns.setdefault(item.relation, []).append(item.definition)
        self._items = sorted(items, key=lambda item: (_rank(item), item.name))
        self._makers: dict[str, list[int]] = {}
        self._parts: dict[str, list[int]] = {}
        for number, item in enumerate(self._items):
            if item.kind in _NAMED:
                self._makers.setdefault(item.name.partition("(")[0], []).append(number)
            if item.kind in ("constraint", "index") and not _is_foreign_key(item):
                self._parts.setdefault(item.relation, []).append(number)
        self._needs = [sorted(self._needed(number)) for number in range(len(self._items))]
        self._done: set[int] = set()

    def run(self) -> Iterator[catalog.Item]:
        for number in range(len(self._items)):
            yield from self._with_needs(number)

    def needs_more_than_its_table(self, item: catalog.Item) -> bool:
        """Whether it needs anything but its table: it has to go before that can."""
        needed = (self._items[number] for number in self._needs[self._items.index(item)])
        return item.kind not in _WITHOUT_NEEDS and any(each.relation != item.relation for each in needed)

    def _with_needs(self, number: int) -> Iterator[catalog.Item]:
        """What the item needs, then the item; whatever is on its way already (a circle) is not waited for."""
        path = [(number, iter(self._needs[number]))] if number not in self._done else []
        self._done.add(number)
        while path:
            at, needs = path[-1]
            following = next((need for need in needs if need not in self._done), None)
            if following is None:
                path.pop()
                yield self._items[at]
            else:
                self._done.add(following)
                path.append((following, iter(self._needs[following])))

    def _needed(self, number: int) -> Iterator[int]:
        item = self._items[number]
        texts = [_read_at_once(item), *(self._columns.get(item.name, ()) if item.kind in _TABLES else ())]
        # A serial column needs its sequence before the sequence is told to whom it belongs.
        relation = "" if item.kind == "sequence" else item.relation
        for name in {relation, *_FULL_NAME.findall("\n".join(texts))}:
            yield from (maker for maker in self._makers.get(name, ()) if maker != number)
        if _is_foreign_key(item):
            # It needs the key of the table that it refers to.
            for name in _REFERENCES.findall(item.definition):
                yield from self._parts.get(name, ())
        if item.kind in ("replica_identity", "option"):
            yield from self._parts.get(item.relation, ())


def _read_at_once(item: catalog.Item) -> str:
    """The part of a definition that PostgreSQL looks at when it is made: not the body of a function."""
    return _STRING_BODY.sub("", item.definition) if item.kind in _ROUTINES else item.definition


def _rank(item: catalog.Item) -> int:
    if _is_foreign_key(item):
        return _RANK["foreign key"]
    if _is_sql_function(item):
        return _RANK["sql function"]
    return _RANK.get(item.kind, len(_RANK))


def _is_foreign_key(item: catalog.Item) -> bool:
    return item.kind == "constraint" and item.definition.startswith("FOREIGN KEY")


def _is_sql_function(item: catalog.Item) -> bool:
    """A function in SQL with its body as a string: PostgreSQL looks at what it names."""
    return item.kind in _ROUTINES and "\n LANGUAGE sql\n" in item.definition and "\nAS " in item.definition


def _refuse_what_says_too_little(items: Sequence[catalog.Item]) -> None:
    wrong = [
        item
        for item in items
        if item.kind in ("operator_class", "user_mapping") or (item.kind == "type" and item.definition == "base type")
    ]
    if wrong:
        raise faults.RefusedFault(
            "cannot-carry-over",
            f"{wrong[0]} cannot be made from what the catalog says of it",
            f"write it into the migration by hand, and pass --accept-loss '{wrong[0].kind}:{wrong[0].name}'",
            data={"items": [f"{item.kind}:{item.name}" for item in wrong]},
        )


# Making


def _table(snapshot: catalog.Snapshot, item: catalog.Item, partitions: dict[str, catalog.Item]) -> Iterator[str]:
    columns = [each for each in snapshot.all if each.kind == "column" and each.relation == item.name]
    head, _, tail = item.definition.partition(" ()")
    if item.name not in partitions:
        listed = ",\n    ".join(f"{_last(each)} {each.definition}" for each in columns)
        yield f"{head} (\n    {listed}\n){tail}" if columns else item.definition
        return
    clause = partitions[item.name].definition
    yield f"{head} {clause}{tail}"
    parent = _FULL_NAME.findall(clause)[0]
    for each in columns:
        inherited = snapshot.get(("column", f"{parent}.{_last(each)}"), each.definition)
        yield from _column_changes(each, inherited)


def _column_changes(column: catalog.Item, inherited: str) -> Iterator[str]:
    """What makes a partition's column as it is, after it came like its parent's."""
    change = f"ALTER TABLE {column.relation} ALTER COLUMN {_last(column)}"
    default, parents = (_default(each) for each in (column.definition, inherited))
    if default != parents:
        yield f"{change} SET DEFAULT {default}" if default else f"{change} DROP DEFAULT"
    if column.definition.endswith(" NOT NULL") and not inherited.endswith(" NOT NULL"):
        yield f"{change} SET NOT NULL"


def _default(definition: str) -> str:
    return definition.partition(" DEFAULT ")[2].removesuffix(" NOT NULL") if " GENERATED " not in definition else ""


def _creation(item: catalog.Item) -> Iterator[str]:
    text = item.definition
    if item.kind == "schema":
        yield text.replace("CREATE SCHEMA ", "CREATE SCHEMA IF NOT EXISTS ", 1)
    elif item.kind == "extension":
        made = text.partition(" VERSION ")[0].removesuffix(" WITH SCHEMA pg_catalog")
        yield made.replace("CREATE EXTENSION ", "CREATE EXTENSION IF NOT EXISTS ", 1)
    elif item.kind == "column":
        yield f"ALTER TABLE {item.relation} ADD COLUMN {_last(item)} {text}"
    elif item.kind == "constraint":
        yield f"ALTER TABLE {item.relation} ADD CONSTRAINT {_last(item)} {text}"
    elif item.kind == "partition":
        clause = text.removeprefix("PARTITION OF ")
        parent = _FULL_NAME.findall(clause)[0]
        yield f"ALTER TABLE {parent} ATTACH PARTITION {item.name}{clause.removeprefix(parent)}"
    elif item.kind == "index":
        yield text.removesuffix(_INVALID) if text.endswith(_INVALID) else _ON_ONLY.sub(r"\1 ", text)
    elif item.name.startswith(_THIS_DATABASE):
        yield _of_this_database(text)
    else:
        yield text


def _of_this_database(text: str) -> str:
    """The statement for whatever the database is called where it runs."""
    quoted = text.replace("'", "''")
    before, _, after = quoted.partition("DATABASE current_database")
    return (
        f"DO $database$ BEGIN EXECUTE '{before}DATABASE ' || quote_ident(current_database()) || '{after}';"
        " END $database$"
    )


# Dropping


_REMOVALS = {
    "schema": "DROP SCHEMA IF EXISTS {name}",
    "extension": "DROP EXTENSION IF EXISTS {name}",
    "column": "ALTER TABLE {relation} DROP COLUMN {last}",
    "constraint": "ALTER TABLE {relation} DROP CONSTRAINT {last}",
    "domain_constraint": "ALTER DOMAIN {above} DROP CONSTRAINT {last}",
    "trigger": "DROP TRIGGER {last} ON {relation}",
    "policy": "DROP POLICY {last} ON {relation}",
    "rule": "DROP RULE {last} ON {relation}",
    "owned_by": "ALTER SEQUENCE {name} OWNED BY NONE",
    "replica_identity": "ALTER TABLE {name} REPLICA IDENTITY DEFAULT",
    "foreign_server": "DROP SERVER {name}",
    "statistics": "DROP STATISTICS {name}",
}


def _removal(item: catalog.Item) -> Iterator[str]:
    if item.kind in _REMOVALS:
        above, _, last = item.name.rpartition(".") if item.kind == "domain_constraint" else ("", "", _last(item))
        yield _REMOVALS[item.kind].format(name=item.name, relation=item.relation, last=last, above=above)
    elif item.kind in ("acl", "default_acl"):
        yield _taken_back(item)
    elif item.kind == "comment":
        back = re.sub(r" IS E?'.*", " IS NULL", item.definition, flags=re.DOTALL)
        yield _of_this_database(back) if item.name.startswith(_THIS_DATABASE) else back
    elif item.kind == "row_security":
        yield item.definition.replace(" ENABLE ROW", " DISABLE ROW").replace(" FORCE ROW", " NO FORCE ROW")
    elif item.kind == "partition":
        parent = _FULL_NAME.findall(item.definition)[0]
        yield f"ALTER TABLE {parent} DETACH PARTITION {item.name}"
    elif item.kind.startswith("publication_"):
        yield re.sub(r" ADD (TABLE ONLY \S+|TABLES IN SCHEMA \S+).*", r" DROP \1", item.definition).replace(
            "TABLE ONLY", "TABLE"
        )
    elif item.kind == "text_search_mapping":
        yield re.sub(r" ADD MAPPING FOR (\S+) WITH .*", r" DROP MAPPING FOR \1", item.definition)
    elif item.kind == "aggregate":
        yield f"DROP AGGREGATE {item.name.replace('()', '(*)')}"
    elif item.kind not in ("owner", "option"):
        yield f"DROP {item.kind.replace('_', ' ').upper()} {item.name}"


def _taken_back(item: catalog.Item) -> str:
    """A GRANT as REVOKE, and the other way round."""
    text = item.definition.removesuffix(" WITH GRANT OPTION")
    if " from " in item.name and " REVOKE " in f" {text}":
        before, _, after = text.rpartition(" FROM ")
        back = re.sub(r"(^| )REVOKE ", r"\1GRANT ", before, count=1) + f" TO {after}"
    else:
        before, _, after = text.rpartition(" TO ")
        back = re.sub(r"(^| )GRANT ", r"\1REVOKE ", before, count=1) + f" FROM {after}"
    return _of_this_database(back) if item.name.startswith(_THIS_DATABASE) else back


def _last(item: catalog.Item) -> str:
    """The name within its table."""
    return item.name[len(item.relation) + 1 :]
