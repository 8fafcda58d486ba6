"""Writes what `standing_checks` found into a revision: checks that are new or changed on tables that are there."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from . import checks, standing_checks

if TYPE_CHECKING:
    from alembic.operations.ops import MigrateOperation
    from alembic.runtime.migration import MigrationContext

__all__ = ["Written", "write"]


@dataclasses.dataclass(frozen=True)
class Written:
    """What was put into a revision, and what people have to know.

    Attributes:
        mended: sentences on what was written.
        warnings: pairs of a sentence and what to do.
    """

    mended: tuple[str, ...] = ()
    warnings: tuple[tuple[str, str], ...] = ()


def write(
    context: MigrationContext,
    differences: Sequence[standing_checks.Difference],
    upgrade: list[MigrateOperation],
    downgrade: list[MigrateOperation],
) -> Written:
    """Puts what is new or changed into a revision, in place; what only the database has is told, and stays.

    Args:
        context: of autogenerate.
        differences: from `standing_checks.compare`, of the database before this revision.
        upgrade: its operations; checks of new columns are among them.
        downgrade: likewise.
    """
    mended: list[str] = []
    warnings: list[tuple[str, str]] = []
    for each in differences:
        writer = _Writer(context, each.of, upgrade, downgrade)
        mended += [sentence for check in each.new if (sentence := writer.add(check))]
        mended += [writer.exchange(check, was) for check, was in each.changed]
        for check, why in each.unclear:
            if writer.speaks_of_new_columns(check):
                mended += [sentence] if (sentence := writer.add(check)) else []
            else:
                warnings.append(_unclear(each.of, check, why))
        dropped = [name for name in each.only_there if name not in writer.dropped]
        if dropped:
            warnings.append(_only_there(each.of, dropped))
    return Written(tuple(mended), tuple(warnings))


def _unclear(of: standing_checks.Table, check: standing_checks.Wanted, why: str) -> tuple[str, str]:
    return (
        f"the check {check.shown} of {of.table.fullname} could not be compared with the database: {why}",
        "if it is new, add it to the revision by hand: op.create_check_constraint",
    )


def _only_there(of: standing_checks.Table, names: Sequence[str]) -> tuple[str, str]:
    schema = f", schema={of.table.schema!r}" if of.table.schema else ""
    drops = "; ".join(f"op.drop_constraint({name!r}, {of.table.name!r}, type_='check'{schema})" for name in names)
    several = "checks" if len(names) > 1 else "the check"
    return (
        f"the history gives {of.table.fullname} {several} {', '.join(names)}, which its model does not have; kept",
        f"put into the model what is to stay; what is to go needs a revision with {drops}",
    )


class _Writer:
    """Writes into the operations of one table."""

    def __init__(
        self,
        context: MigrationContext,
        of: standing_checks.Table,
        upgrade: list[MigrateOperation],
        downgrade: list[MigrateOperation],
    ) -> None:
        from alembic.operations import ops

        self._context = context
        self._table = of.table
        self._upgrade = upgrade
        self._downgrade = downgrade
        mine = [each for each in self._of_table(upgrade) for each in each.ops]
        self._added = {each.column.name for each in mine if isinstance(each, ops.AddColumnOp)}
        # With Alembic's own plugin for checks, and where a column is new, some are written already.
        self._written = {_plain(each.constraint_name) for each in mine if isinstance(each, ops.CreateCheckConstraintOp)}
        self.dropped = {_plain(each.constraint_name) for each in mine if isinstance(each, ops.DropConstraintOp)}
        self._taken = checks.names_taken(context, of.table.schema) | self._written

    def _of_table(self, operations: Sequence[MigrateOperation]) -> list[Any]:
        from alembic.operations import ops

        place = (self._table.name, self._table.schema)
        return [
            each
            for each in operations
            if isinstance(each, ops.ModifyTableOps) and (each.table_name, each.schema) == place
        ]

    def _operations(self, all_of_them: list[MigrateOperation]) -> list[Any]:
        from alembic.operations import ops

        found = self._of_table(all_of_them)
        if not found:
            found = [ops.ModifyTableOps(self._table.name, [], schema=self._table.schema)]
            all_of_them.append(found[0])
        operations: list[Any] = found[0].ops
        return operations

    def speaks_of_new_columns(self, wanted: standing_checks.Wanted) -> bool:
        """Whether it could not be compared because its columns are only about to be made."""
        return bool(self._added & checks.words(self._context, wanted.check))

    def _comes_with_column(self, wanted: standing_checks.Wanted) -> bool:
        """Whether it belongs to a column that is about to be made: `checks` has written it."""
        return any(wanted.check in each.constraints for each in self._table.columns if each.name in self._added)

    def add(self, wanted: standing_checks.Wanted) -> str:
        """Adds a check; empty if that is there."""
        from alembic.operations import ops

        table = self._table
        name = checks.name_of(self._context, table.name, table, wanted.check, self._taken)
        final = wanted.name or str(name)
        if {final, str(name)} & self._written or self._comes_with_column(wanted):
            return ""
        self._taken.add(final)
        self._operations(self._upgrade).append(checks.created(name, table.name, wanted.check, schema=table.schema))
        checks.drop_first(ops.DropConstraintOp(name, table.name, type_="check", schema=table.schema), self._downgrade)
        return f"the check {final} is added to {table.fullname}: rows that break it make the upgrade fail"

    def exchange(self, wanted: standing_checks.Wanted, was: str) -> str:
        """Puts a check in the place of another of the same name."""
        from alembic.operations import ops

        table, name = self._table, wanted.check.name
        drop = ops.DropConstraintOp(name, table.name, type_="check", schema=table.schema)
        if wanted.name not in self.dropped:
            self._operations(self._upgrade).insert(0, drop)
            self._operations(self._upgrade).append(checks.created(name, table.name, wanted.check, schema=table.schema))
            checks.drop_first(drop, self._downgrade)
            match = standing_checks.DEFINITION.fullmatch(was)
            if match is not None:
                again = checks.created_again(
                    str(wanted.name),
                    table.name,
                    match["condition"],
                    schema=table.schema,
                    no_inherit=bool(match["alone"]),
                )
                self._operations(self._downgrade).append(again)
        return (
            f"the check {wanted.name} of {table.fullname} is exchanged (it was {was}): rows that break it make the upgrade "
            "fail"
        )


def _plain(name: Any) -> str:
    return str(name)
