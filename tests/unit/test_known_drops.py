"""What is in a database by right is left out of what autogenerate finds, keywords as names included."""

from __future__ import annotations

import sqlalchemy as sa
from alembic.operations import ops

from stillroom.runtime.replay import known_drops


def test_a_name_means_the_same_however_it_is_quoted() -> None:
    """PostgreSQL quotes keywords, and names with capitals; a name with a point or a quote in it stays one."""
    assert known_drops.key('table:public."user"') == known_drops.key("table:public.user") == ("table", "public", "user")
    assert known_drops.key('comment:column public."order"."a.b"') == ("comment column", "public", "order", "a.b")
    assert known_drops.key('index:"Own"."say ""x"""') == ("index", "Own", 'say "x"')


def test_tables_called_user_and_order_are_left_out() -> None:
    """And a column, an index, a constraint of theirs; what is not known stays."""
    found = ops.UpgradeOps(
        ops=[
            ops.DropTableOp("user"),
            ops.DropTableOp("orders"),
            ops.DropIndexOp("select", "order"),
            ops.ModifyTableOps("order", ops=[ops.DropColumnOp("order", "end"), ops.DropColumnOp("order", "note")]),
            ops.ModifyTableOps(
                "group", schema="Own", ops=[ops.DropConstraintOp("check", "group", schema="Own"), _comment("group")]
            ),
        ]
    )
    known = [
        'table:public."user"',
        'index:public."select"',
        'column:public."order"."end"',
        'constraint:"Own"."group"."check"',
        'comment:column "Own"."group"."end"',
    ]
    known_drops.leave_out(found, known)
    assert [each.to_diff_tuple()[0] for each in found.ops if not isinstance(each, ops.ModifyTableOps)] == [
        "remove_table"
    ]
    (order,) = [each for each in found.ops if isinstance(each, ops.ModifyTableOps)]
    assert [each.column_name for each in order.ops] == ["note"]  # type: ignore[attr-defined]


def _comment(table: str) -> ops.AlterColumnOp:
    """The comment of a column, taken away."""
    return ops.AlterColumnOp(table, "end", schema="Own", existing_type=sa.Text(), modify_comment=None)
