"""Proves a history on a scratch database.

Upgrade, nothing left to change, downgrade without a trace, the same as the models make, upgrade again.
"""

from __future__ import annotations

import contextlib
import dataclasses
import re
import time
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import faults
from ..connections import connection, diagnosis, sqltext
from ..projects import project
from ..replay import history
from ..schema import catalog, ownership
from . import amend, by_models

if TYPE_CHECKING:
    from alembic.runtime.migration import MigrationContext
    from sqlalchemy.engine import Connection

    from ..wire import telling

__all__ = ["Proof", "prove", "take"]

_LABEL = re.compile(r"'(?:[^']|'')*'")
# What a scratch database is marked with (`scratch.py`): it names a process and a moment, so no two are equal.
_MARK = "COMMENT ON DATABASE current_database IS 'stillroom scratch;"


_COLLATED = (
    "Alembic does not see the COLLATE of an index that is there: put the collation on the column "
    "(sa.Text(collation='C')); or leave the index out of the comparison in env.py (include_object), and write it into a "
    "revision by hand"
)


@dataclasses.dataclass
class Proof:
    """What was proven, and the catalog that the history leads to.

    Attributes:
        outcome: the catalog at head.
        seconds: step -> seconds.
    """

    outcome: catalog.Snapshot
    seconds: dict[str, float]


def take(url: str, table: project.VersionTable, own: ownership.Ownership | None = None) -> catalog.Snapshot:
    """The catalog of a database, without the version table; only the part that `own` says, if it says one."""
    return connection.run(url, lambda conn: _taken(conn, table, own))


def _taken(conn: Connection, table: project.VersionTable, own: ownership.Ownership | None) -> catalog.Snapshot:
    noted = f"{sqltext.as_written(table.schema or 'public')}.{sqltext.as_written(table.name)}"
    taken = catalog.snapshot(conn, exclude_tables=[noted])
    comment = taken.item("comment", "database current_database")
    if comment is not None and comment.definition.startswith(_MARK):
        taken = catalog.Snapshot(item for item in taken.all if item != comment)
    return own.part(taken) if own is not None else taken


def prove(
    of: project.Project,
    url: str,
    table: project.VersionTable,
    folder: Path,
    head: str,
    prerequisites: amend.Prerequisites,
    tell: telling.Tell,
    *,
    start: tuple[str, ...] = (),
    follows: str | None = None,
    known: Collection[str] = frozenset(),
    own: ownership.Ownership | None = None,
    accepted: Sequence[str] | None = None,
    back: bool = True,
    renew: Callable[[], None] | None = None,
) -> Proof:
    """Runs the proof on an empty scratch database (or one at `start`), and leaves it at head.

    What was there before `start` is taken as it is: what is proven is the step from there, there and back.

    Args:
        of: the service's project.
        url: the scratch database; `env.py` is pointed at it already.
        table: where revisions are noted.
        folder: the version files.
        head: the revision that the upgrade has to end at.
        prerequisites: schemas and extensions that stay when the tables go.
        tell: for progress.
        start: the revisions that the database is at, and has to be at again after the downgrade; empty: base.
        follows: the one of them that `head` follows.
        known: what the comparison with the models leaves out (`kind:name`).
        own: what to look at in a database that others use, too; None: everything.
        accepted: what the history may have otherwise than the models; None: it is not held against what they make.
        back: False where the project's template writes no `downgrade`: there is no way back to prove.
        renew: makes the database again what it was before the upgrade; without it and without a way back the proof ends
            with the comparison.

    Raises:
        faults.JudgedFault: `upgrade-fails`, `diff-not-empty`, `downgrade-fails`, `downgrade-leaves-trace`,
            `baseline-differs-from-models`, `second-upgrade-differs`.
    """
    seconds: dict[str, float] = {}
    clock = _Clock(seconds)
    history.make_version_schema(url, table)
    before = take(url, table, own)
    place = f"a database at {', '.join(start)}" if start else "an empty database"
    end = sorted({head, *start} - {follows})

    tell.step("upgrade")
    with clock("upgrade"), _judged("upgrade-fails", f"the upgrade fails on {place}"):
        history.upgrade(of, url, table, folder=folder, to=head, expected=end)
        outcome = take(url, table, own)

    tell.step("compare")
    way_back = _WayBack(clock, tell, asked=accepted is not None, back=back)
    with way_back:
        if back:
            left = history.compare_and_downgrade(
                of,
                url,
                table,
                folder=folder,
                to=follows or "base",
                expected=start,
                known=known,
                compared=way_back.begin,
            )
        else:
            left = history.differences(of, url, folder=folder, known=known, compared=way_back.begin)
        if left:
            raise _differs(of, left)
        after = take(url, table, own)
    if back:
        _leaves_no_trace(of, before, after, prerequisites)
    else:
        tell.warn(
            "the project's template (script.py.mako) writes no downgrade: there is no way back, and none is proven"
        )
        if renew is None:
            return Proof(outcome, seconds)
        renew()
    if way_back.models is not None:
        tell.step("compare with models")
        with clock("models"):
            _as_models_say(of, url, table, way_back.models, outcome, [*(accepted or ()), *known], own, tell)

    tell.step("upgrade again")
    with clock("again"), _judged("second-upgrade-fails", "the upgrade fails after a downgrade"):
        history.upgrade(of, url, table, folder=folder, to=head, expected=end)
        again = take(url, table, own)
    difference = catalog.compare(outcome, again)
    if not difference.empty:
        raise faults.JudgedFault(
            "second-upgrade-differs",
            f"{of.service.name}: a second upgrade ends in another schema than the first: {difference.lines()[0]}",
            "make upgrade and downgrade of the revision each other's reverse",
            detail="\n".join(difference.lines()),
        )
    return Proof(outcome, seconds)


def _as_models_say(
    of: project.Project,
    url: str,
    table: project.VersionTable,
    models: by_models.Models,
    outcome: catalog.Snapshot,
    accepted: Sequence[str],
    own: ownership.Ownership | None,
    tell: telling.Tell,
) -> None:
    wanted = connection.run(
        url,
        lambda conn: by_models.make(
            conn, models, outcome, checkfirst=own is not None, take=lambda: _taken(conn, table, own)
        ),
    )
    if isinstance(wanted, by_models.NotMade):
        tell.warn(
            f"the baseline was not held against metadata.create_all(), which fails: {wanted.reason}",
            "if the models need something that the baseline makes by a hook, that is as it should be",
        )
        return
    given_up = by_models.judge(of.service.name, models, wanted, outcome, accepted)
    if given_up:
        tell.warn(f"the models make what the baseline lacks or has otherwise; given up: {', '.join(given_up)}")


def _differs(of: project.Project, left: list[str]) -> faults.JudgedFault:
    return faults.JudgedFault(
        "diff-not-empty",
        f"{of.service.name}: after the upgrade, autogenerate still sees {len(left)} difference(s): {left[0]}",
        _COLLATED
        if any("literal_column" in line and "COLLATE" in line for line in left)
        else "the models say something that Alembic renders or compares wrongly: mend the model, "
        "or leave it out of the comparison in env.py (include_object)",
        detail="\n".join(left),
    )


def _leaves_no_trace(
    of: project.Project, before: catalog.Snapshot, after: catalog.Snapshot, prerequisites: amend.Prerequisites
) -> None:
    kept = {*prerequisites.schemas, *prerequisites.extensions}
    difference = catalog.compare(before, after)
    traces = [item for item in difference.added if item.name.split(" ")[-1] not in kept]
    lines = [f"+ {item.kind} {item.name}" for item in traces]
    lines += [f"- {item.kind} {item.name}" for item in difference.missing]
    lines += [f"~ {new.kind} {new.name}" for old, new in difference.changed if not _only_gained_labels(old, new)]
    if lines:
        raise faults.JudgedFault(
            "downgrade-leaves-trace",
            f"{of.service.name}: the downgrade does not lead back to where the upgrade began: {lines[0]}",
            "make downgrade() undo each operation of upgrade(), in reverse order",
            detail="\n".join(lines),
        )


def _only_gained_labels(old: catalog.Item, new: catalog.Item) -> bool:
    """Whether an enum type has all its labels in their order, and more: PostgreSQL can't take a label away again."""
    if old.kind != "type" or " AS ENUM (" not in new.definition:
        return False
    labels = iter(_LABEL.findall(new.definition))
    return all(label in labels for label in _LABEL.findall(old.definition))


class _Clock:
    """Notes how long each block took."""

    def __init__(self, seconds: dict[str, float]) -> None:
        self._seconds = seconds
        self._name = ""
        self._begun = 0.0

    def __call__(self, name: str) -> _Clock:
        self._name = name
        return self

    def __enter__(self) -> None:
        self._begun = time.monotonic()

    def __exit__(self, *_: object) -> None:
        self._seconds[self._name] = round(time.monotonic() - self._begun, 4)


class _WayBack:
    """The block that compares and then downgrades: two steps to people, told and judged apart.

    Attributes:
        models: what is needed to ask the models what they make; None where they are not to be asked.
    """

    def __init__(self, clock: _Clock, tell: telling.Tell, *, asked: bool, back: bool) -> None:
        self._back = back
        self.models: by_models.Models | None = None
        self._clock = clock
        self._tell = tell
        self._asked = asked
        self._steps = contextlib.ExitStack()

    def __enter__(self) -> None:
        self._steps.enter_context(self._clock("diff"))

    def begin(self, context: MigrationContext) -> None:
        """The comparison found nothing: from here on it is the downgrade."""
        if self._asked:
            self.models = by_models.look(context)
        if not self._back:
            return
        self._steps.close()
        self._tell.step("downgrade")
        self._steps.enter_context(_judged("downgrade-fails", "the downgrade fails"))
        self._steps.enter_context(self._clock("downgrade"))

    def __exit__(self, *raised: Any) -> None:
        self._steps.__exit__(*raised)


class _judged:  # noqa: N801 - reads as the statement it makes
    """Names a fault of the block as a judgement on the revision.

    Refusals (the guard's), and faults about what the server lacks, stay what they are.
    """

    def __init__(self, code: str, sentence: str) -> None:
        self._code = code
        self._sentence = sentence

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if not isinstance(error, faults.Fault) or isinstance(error, faults.RefusedFault):
            return
        if error.code in diagnosis.OF_THE_SERVER:
            return
        data = {**error.data, "cause": error.code}
        raise faults.JudgedFault(
            self._code, f"{self._sentence}: {error.message}", error.mend, detail=error.detail, data=data
        ) from error
