"""What a revision asks of rows that are there is told by table and column; new tables hold none."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa
from alembic.operations import ops

from stillroom.runtime.generation import rows_there


def _add(*arguments: Any, schema: str | None = None, **said: Any) -> ops.AddColumnOp:
    return ops.AddColumnOp("t", sa.Column("c", sa.Integer(), *arguments, **said), schema=schema)


_EMPTY = _add(nullable=True)
_ALTERED = ops.AlterColumnOp("t", "c", modify_nullable=False)
_UNIQUE = ops.CreateUniqueConstraintOp("uq", "t", ["c", "d"])
_INDEX = ops.CreateIndexOp("ix", "t", ["c"], unique=True)
_CHECK = ops.CreateCheckConstraintOp("ck", "t", "c > 0")
_KEY = ops.CreateForeignKeyOp("fk", "t", "u", ["c"], ["id"])


@pytest.mark.parametrize(
    ("operation", "begins"),
    [
        (_add(nullable=False), "the new column t.c is NOT NULL without a default: fails where t has rows"),
        (_add(nullable=False, schema="s"), "the new column s.t.c is NOT NULL without a default"),
        (_ALTERED, "t.c becomes NOT NULL: may fail on rows that are there"),
        (_UNIQUE, "the new unique constraint uq (c, d) of t: may fail on rows that are there"),
        (_INDEX, "the new unique index ix (c) of t: may fail"),
        (_CHECK, "the new check ck of t: may fail"),
        (_KEY, "the new foreign key (c) of t: may fail"),
    ],
)
def test_what_rows_may_break_is_told(operation: ops.MigrateOperation, begins: str) -> None:
    """Alone and among a table's operations; with the mend, and why the proof did not find it."""
    for given in ([operation], [ops.ModifyTableOps("t", [operation])]):
        [(sentence, mend)] = rows_there.warnings(given)
        assert sentence.startswith(begins)
        assert sentence.endswith("; the proof runs on empty tables")
        assert mend


def test_the_mend_of_a_column_names_its_ways() -> None:
    """A default of the server, or three steps."""
    [(_, mend)] = rows_there.warnings([_add(nullable=False)])
    assert mend == "give the column server_default=, or add it nullable, fill it, and set NOT NULL in a later step"


@pytest.mark.parametrize(
    "operations",
    [
        [_EMPTY],
        [_add(nullable=False, server_default="0")],
        [_add(sa.Identity(), nullable=False)],
        [_add(sa.Computed("1"), nullable=False)],
        [ops.AlterColumnOp("t", "c", modify_nullable=True)],
        [ops.AlterColumnOp("t", "c", modify_comment="what it is")],
        [ops.CreateIndexOp("ix", "t", ["c"])],
        [ops.DropConstraintOp("uq", "t")],
        [_EMPTY, _UNIQUE, _INDEX, _KEY],
        [ops.CreateTableOp("t", [sa.Column("c", sa.Integer())]), _ALTERED, _UNIQUE, _INDEX, _CHECK, _KEY],
    ],
)
def test_what_every_row_allows_is_not_told(operations: list[ops.MigrateOperation]) -> None:
    """Columns that may be NULL or are filled, keys of columns that are NULL everywhere, tables of the same revision."""
    assert rows_there.warnings(operations) == []


def test_a_new_unique_column_with_a_default_is_told() -> None:
    """Each row has the same value then."""
    assert len(rows_there.warnings([_add(nullable=True, server_default="0"), _INDEX])) == 1


def test_a_table_of_the_same_name_in_another_schema_is_another() -> None:
    """What is new is the one in `s`."""
    made = ops.CreateTableOp("t", [sa.Column("c", sa.Integer())], schema="s")
    assert len(rows_there.warnings([made, _CHECK])) == 1
