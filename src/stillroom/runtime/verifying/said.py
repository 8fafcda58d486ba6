"""What a database said, held against what an image expects: one verdict for each way in which they can differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from . import beyond, verdict
from .expected import JOB, Expected
from .ledger_told import Ledger, why_untold
from .verdict import PREFIX, REFUSE, Verdict

__all__ = ["Said"]


class Said:
    """What a database said, against what was expected."""

    def __init__(self, answer: Mapping[str, Any], expected: Expected) -> None:
        self.answer = answer
        self.expected = expected
        self.rows = tuple(sorted(map(str, answer.get("rows") or ())))
        self.tables = int(answer.get("tables") or 0)
        self.where = f"database {answer.get('database')}"

    def verdict(self, state: str, ready: bool, message: str, mend: str = "", **more: Any) -> Verdict:
        """A verdict with what is known of this database."""
        return Verdict(
            state,
            ready,
            message if ready else PREFIX + message,
            mend,
            service=self.expected.service,
            current=self.rows,
            heads=self.expected.heads,
            migrations=self.expected.count,
            tables=self.tables,
            **more,
        )

    def unreadable(self) -> Verdict | None:
        """What to say of a version table that is there and can't be read as one."""
        place = self.answer.get("place")
        if place is None:
            return None
        schema, name, kind, has_column, may_read, hides = place
        full = f"{schema}.{name}"
        if kind not in ("r", "p") or not has_column:
            what = "no table" if kind not in ("r", "p") else "a table without a column version_num"
            return self.verdict(
                verdict.UNVERSIONED,
                False,
                f"{full} in {self.where} is {what}, so no revision is noted there",
                "name the version table of this service (--version-table, or STILLROOM_VERSION_TABLE), or move that away",
            )
        if may_read and not hides:
            return None
        role = self.answer.get("role")
        why = "row security hides its rows from" if may_read else "it can't be read by"
        mend = (
            f"ALTER TABLE {full} DISABLE ROW LEVEL SECURITY;"
            if may_read
            else f"GRANT USAGE ON SCHEMA {schema} TO {role}; GRANT SELECT ON {full} TO {role};"
        )
        return self.verdict(
            verdict.UNREACHABLE,
            False,
            f"the version table {full} of {self.where} is there, but {why} role {role}",
            mend,
        )

    def without_revision(self) -> Verdict:
        """No revision is noted."""
        table = self.expected.version_table
        others = [str(each) for each in self.answer.get("elsewhere") or ()]
        hint = f" (there is {', '.join(others)}, in another schema)" if others else ""
        name_it = f"name its schema: --version-table-schema {others[0].rpartition('.')[0]}" if others else ""
        mend = f"{self._migrate}; or {name_it}" if others else self._migrate
        noted = f"{table} holds no row" if self.answer.get("place") is not None else f"there is no {table}{hint}"
        histories = sorted(map(str, self.answer.get("histories") or ()))
        if not self.tables or (histories and self._of_others()):
            theirs = (
                f" (what is there is of others, who note their revisions in {_first(histories)})" if self.tables else ""
            )
            return self.verdict(
                verdict.EMPTY,
                False,
                f"Database is empty: {noted}, and {self.where} holds no table of the service{theirs}",
                mend,
            )
        shared = "; where they are of others: name the service's own schemas (STILLROOM_SCHEMAS)" if histories else ""
        return self.verdict(
            verdict.UNVERSIONED,
            False,
            f"{self.where} holds {_count(self.tables, 'table')} and no revision: {noted}",
            "find out who made them (create_all?): compare and stamp them (invoke adopt, or python -m stillroom.runtime "
            "stamp), or empty the database" + (f"; or {name_it}" if others else "") + shared,
        )

    def _of_others(self) -> bool:
        from . import own_tables

        return own_tables.all_of_others(self.expected, self.answer.get("names") or ())

    @property
    def _migrate(self) -> str:
        """What to do about a database that lacks revisions."""
        by, service = self.expected.brought_by, self.expected.service
        if by == JOB:
            return f"run {by}, or look why it failed: its log, or invoke history"
        return f"run {by}, or look why the last run failed: invoke history --service {service}"

    def odd_rows(self) -> Verdict:
        """The version table holds what Alembic never writes."""
        twice = ", ".join(map(str, self.answer.get("twice") or ())) or "an empty row"
        return self.verdict(
            verdict.DIVERGED,
            False,
            f"the version table of {self.where} names {twice} more than once or not at all; Alembic never writes that",
            "somebody changed it by hand: compare the schema with the history and stamp anew (invoke adopt)",
        )

    def elsewhere(self, policy: str, ledger: Ledger) -> Verdict:
        """The rows are not the heads of this image: the graph tells how they stand to each other."""
        from ..standing import state

        graph = self.expected.graph
        standing = state.decide(graph, state.Observed(frozenset(self.rows), self.tables))
        more: dict[str, Any] = {"pending": standing.pending, "unknown": standing.unknown}
        at, heads = ", ".join(self.rows), ", ".join(self.expected.heads)
        if standing.state == state.BEHIND:
            return self.verdict(
                verdict.BEHIND,
                False,
                f"{self.where} is at {at} and this image needs {heads}: {_count(len(standing.pending), 'revision')} pending "
                f"({_first(standing.pending)})",
                self._migrate,
                **more,
            )
        if standing.state == state.AT_HEAD:  # a dependency's row that Alembic leaves beside the head
            return self.verdict(verdict.AT_HEAD, True, f"the database is at {at}, as this image expects", **more)
        if standing.state == state.AHEAD:
            return self._ahead(policy, ledger, more)
        overlapping = f"; {', '.join(standing.overlapping)} is part of another row" if standing.overlapping else ""
        unknown = (
            f"{', '.join(standing.unknown)} is unknown to this image"
            if standing.unknown
            else "rows contradict each other"
        )
        return self.verdict(
            verdict.DIVERGED,
            False,
            f"{self.where} is at {at} and this image needs {heads}: {unknown}{overlapping}, and "
            f"{_count(len(standing.pending), 'revision')} of it {'is' if len(standing.pending) == 1 else 'are'} not applied",
            "two histories met: deploy the image that has both (merge the branches), or compare and stamp (invoke adopt)",
            **more,
        )

    def _back(self) -> str:
        """What the newer image runs so that this one can live with the database again."""
        heads = self.expected.heads
        return f"python -m stillroom.runtime downgrade --to {heads[0] if len(heads) == 1 else 'REVISION'}"

    def _ahead(self, policy: str, ledger: Ledger, more: dict[str, Any]) -> Verdict:
        unknown = ", ".join(more["unknown"])
        heads = ", ".join(self.expected.heads)
        found = f"{self.where} is ahead of this image: revision {unknown} is unknown to it (its heads: {heads})"
        told = beyond.beyond(self.rows, self.expected, ledger.revisions)
        if told.missing_heads:
            return self.verdict(
                verdict.DIVERGED,
                False,
                f"{self.where} is at {', '.join(self.rows)}, which does not contain {', '.join(told.missing_heads)} of this "
                "image: the history was replaced, or branched, as the ledger tells",
                "deploy the image whose history this is, or merge the branches",
                **more,
            )
        if told.boundary is not None:
            revision, reason = told.boundary
            return self.verdict(
                verdict.AHEAD,
                False,
                f"{found}, and revision {revision} contracts the schema ({reason}): this image can't live with it",
                f"deploy the newer image (one that has {revision}); or go back from the newer image, which has the way "
                f"down: {self._back()}",
                boundary=revision,
                **more,
            )
        if told.complete:
            warning = f"{found}; the ledger says that all of it is additive ({_first(told.expanding)})"
            return self.verdict(verdict.AHEAD, True, warning, warnings=(warning,), **more)
        why = why_untold(ledger.state, told.untold)
        if policy == REFUSE:
            return self.verdict(
                verdict.AHEAD,
                False,
                f"{found}, {why}, and the policy is to refuse that",
                "deploy an image that has it; or allow it: STILLROOM_AHEAD=allow (of verify also --ahead allow)",
                **more,
            )
        warning = f"{found}; {why}, and the policy is to allow that"
        return self.verdict(verdict.AHEAD, True, warning, warnings=(warning,), **more)


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _first(ids: Sequence[str], most: int = 3) -> str:
    return ", ".join(ids[:most]) + (", …" if len(ids) > most else "")
