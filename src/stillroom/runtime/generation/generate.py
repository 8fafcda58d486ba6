"""The operation behind `regenerate`: a fresh baseline, judged, proven, and compared with the history it replaces."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import facts, faults
from ..connections import connection
from ..housekeeping import temporary
from ..projects import bootstrap, env_locations, locations, preparation, project
from ..reading import one_head, revision_needs, revisions, version_width
from ..replay import history
from ..schema import catalog
from ..scratches import places
from ..standing import observe, versions
from . import amend, beginning, carry, draft, files, judging, loss, proof

if TYPE_CHECKING:
    from ..wire import protocol, telling

__all__ = ["generate"]

_ROLE = "SELECT quote_ident(current_user)"
UNREPLAYABLE = "history:unreplayable"


def generate(request: protocol.Request, tell: telling.Tell) -> dict[str, Any]:
    """Makes and proves a baseline; changes nothing but the database that it works on.

    Options: `message` (str), `accept_loss` (names or patterns), `carry_over` (bool), and those of
    `places.working_place`.

    Raises:
        faults.Fault: what went wrong, by name; nothing is to be copied then.
    """
    service = facts.ServiceFacts.from_dict(request.service)
    beginning.enter(service)
    of = project.Project(service)
    # What is replaced is what was there when the work began: whatever comes later is somebody else's.
    graph = _history(of)
    env_locations.refuse(service, of.where, graph)
    with (
        places.working_place(service, request.options, tell) as place,
        temporary.folder() as folder,
    ):
        return _Baseline(of, graph, place, folder, request.options, tell).make()


def _history(of: project.Project) -> revisions.Graph:
    return revisions.read(of.where.version_locations, recursive=of.where.recursive)


class _Baseline:
    """One baseline in the making."""

    def __init__(
        self,
        of: project.Project,
        graph: revisions.Graph,
        place: places.Place,
        folder: Path,
        options: dict[str, Any],
        tell: telling.Tell,
    ) -> None:
        self._of = of
        self._graph = graph
        self._place = place
        self._own = place.own if isinstance(place, places.InPlace) else None
        self._strangers = place.strangers if isinstance(place, places.InPlace) else frozenset()
        self._folder = folder
        self._message = str(options.get("message") or "initial schema")
        self._accepted = tuple(options.get("accept_loss") or ())
        self._carry_over = bool(options.get("carry_over"))
        self._tell = tell
        self._attempts = 0
        self._old_said: tuple[str, ...] = ()

    def make(self) -> dict[str, Any]:
        """The result of the operation."""
        self._one_head()
        old = self._old_history()
        # What the models say and autogenerate leaves out may be what the old history has, and is carried over.
        carries = self._carry_over and bool(old)
        made, proven = self._attempt(amend.Carried(), asked=not carries)
        if self._unchanged(old, made):
            return self._result(made, proven, None, old)
        lost = self._loss(made, proven, old)
        left = lost.without(self._accepted) if lost is not None else None
        if lost is not None and left is not None and left.names:
            if not self._carry_over:
                raise judging.loss_refusal(self._of.service.name, left)
            carried = self._carried(left, proven)
            self._place.renew()
            made, proven = self._attempt(carried)
            rows = {table: rows for table, rows in lost.rows.items() if table not in left.rows}
            lost = self._still_lost(made, proven, rows)
        elif carries:
            self._place.renew()
            made, proven = self._attempt(amend.Carried())
        return self._result(made, proven, lost, old)

    def _one_head(self) -> None:
        refusal = one_head.refusal(self._of.service.name, self._of.service.heads, self._graph.heads)
        if refusal is not None:
            raise refusal

    def _attempt(self, carried: amend.Carried, *, asked: bool = True) -> tuple[draft.Draft, proof.Proof]:
        """Autogenerates, judges and proves on the empty scratch database; `asked`: holds it against the models, too."""
        self._attempts += 1
        folder = self._folder / str(self._attempts)
        folder.mkdir()
        noted = self._noted_in()
        self._refuse_migrating_setup(noted)
        strangers = self._strangers | self._bootstrapped(noted)
        self._tell.step("autogenerate")
        history.make_version_schema(self._place.url, noted)
        made = draft.autogenerate(self._of, folder, self._message, carried=carried, strangers=strangers)
        draft.tell_of_hooks(made, self._tell)
        room = version_width.room(revisions.Graph(()), self._of.where.env_source(), self._of.service.version_width, ())
        judging.baseline(self._of.service, made, room)
        proven = proof.prove(
            self._of,
            self._place.url,
            made.version_table,
            folder,
            made.revision,
            made.prerequisites,
            self._tell,
            known=carried.names | strangers,
            own=self._own,
            accepted=self._accepted if asked else None,
            back=made.back,
            renew=lambda: self._renew(made.version_table),
        )
        judging.outcome(self._of.service, proven.outcome)
        return made, proven

    def _renew(self, noted: project.VersionTable) -> None:
        """The scratch database as it was before the first revision."""
        self._place.renew()
        bootstrap.run(self._of.service, self._place.url, self._tell)
        history.make_version_schema(self._place.url, noted)

    def _refuse_migrating_setup(self, noted: project.VersionTable) -> None:
        """An application that `setup:` starts may migrate by itself, and then no scratch database stays empty."""
        service = self._of.service
        preparation.set_up(service)
        applied = connection.run(self._place.url, lambda conn: versions.applied(conn, noted)) if service.setup else ()
        if applied:
            raise faults.JudgedFault(
                "setup-migrates",
                f"{service.name}: setup: {service.setup} upgrades the database by itself (to {', '.join(applied)}), so a "
                "baseline has nothing left to make",
                "let it only prepare what env.py needs; many an application has a switch for its own migrations",
            )

    def _bootstrapped(self, noted: project.VersionTable) -> frozenset[str]:
        """Does what comes before the first revision; what that made is no business of the baseline.

        Returns:
            Its tables, as `table:name`.

        Raises:
            faults.JudgedFault: `bootstrap-migrates`, if it noted revisions.
        """
        service, url = self._of.service, self._place.url
        if service.bootstrap is None:
            return frozenset()
        bootstrap.run(service, url, self._tell)
        applied = connection.run(url, lambda conn: versions.applied(conn, noted))
        if applied:
            raise faults.JudgedFault(
                "bootstrap-migrates",
                f"{service.name}: its bootstrap makes the tables and notes revision {', '.join(applied)} by itself, so a "
                "baseline has nothing left to make",
                "take bootstrap: out of services.yaml for the time of the run: the baseline makes what it made; or let "
                "it make only what no model shows",
            )
        made = connection.run(url, catalog.snapshot)
        return frozenset(f"table:{item.name}" for item in made.all if item.kind == "table")

    def _noted_in(self) -> project.VersionTable:
        """Where revisions are noted, as far as it can be told before `env.py` has run."""
        service = self._of.service
        return observe.version_table(service, locations.of(service))

    def _old_history(self) -> dict[str, bytes]:
        """The revision files that the service had when the work began: name -> content."""
        made = sorted(revision_needs.made_roles(self._graph.revisions))
        labels = sorted(self._graph.by_label)
        self._old_said = (*(f"role:{each}" for each in made), *(f"label:{each}" for each in labels))
        return self._files(self._graph)

    def _files(self, graph: revisions.Graph) -> dict[str, bytes]:
        where = self._of.where
        return {
            locations.shown(where.version_locations, where.folder_of(each.path), each.name): each.source
            for each in graph.revisions
        }

    def _refuse_changes(self, old: dict[str, bytes]) -> None:
        """A replay that fails since somebody changes the files under it says nothing of the old history."""
        if self._files(_history(self._of)) != old:
            raise faults.RefusedFault(
                "history-changed",
                f"{self._of.service.name}: somebody else has changed its migrations while this run was at work",
                "look at them (git status), then run it again",
            )

    def _unchanged(self, old: dict[str, bytes], made: draft.Draft) -> bool:
        return list(old.values()) == [made.source.encode()]

    def _loss(self, made: draft.Draft, proven: proof.Proof, old: dict[str, bytes]) -> loss.Loss | None:
        """Replays the old history on the renewed scratch database; None where there is none."""
        if not old:
            return None
        self._tell.step("replay old history")
        new_rows = self._rows(proven.outcome)
        self._renew(made.version_table)
        try:
            history.upgrade(self._of, self._place.url, made.version_table, expected=self._graph.effective_heads)
        except faults.RefusedFault:
            raise
        except faults.Fault as fault:
            connection.check_server(self._place.url, fault)
            self._refuse_changes(old)
            if UNREPLAYABLE in self._accepted:
                self._tell.warn(f"the old history can't be replayed and is given up: {fault.message}")
                return None
            raise faults.RefusedFault(
                "history-unreplayable",
                f"{self._of.service.name}: what the old history holds can't be checked, since it fails on an empty "
                f"database: {fault.message}",
                f"{fault.mend}; or give the old history up with --accept-loss {UNREPLAYABLE}",
                detail=fault.detail,
                data={"names": [UNREPLAYABLE]},
            ) from fault
        self._role = str(connection.run(self._place.url, lambda conn: conn.exec_driver_sql(_ROLE).scalar()))
        taken = proof.take(self._place.url, made.version_table, self._own)
        self._old_outcome = loss.without_owner(taken, self._role)
        new = loss.without_owner(proven.outcome, self._role)
        found = loss.judge(self._old_outcome, new, self._rows(self._old_outcome), new_rows)
        return dataclasses.replace(found, said=self._unsaid(made))

    def _unsaid(self, made: draft.Draft) -> tuple[str, ...]:
        """What the files of the old history say, and the baseline does not."""
        new = revisions.parse(made.source, made.name)
        kept = {f"label:{each}" for each in new.branch_labels}
        kept |= {f"role:{each}" for each in revision_needs.made_roles([new])}
        return tuple(each for each in self._old_said if each not in kept)

    def _rows(self, outcome: catalog.Snapshot) -> dict[str, int]:
        tables = [item.name for item in outcome.all if item.kind == "table"]
        return connection.run(self._place.url, lambda conn: loss.count_rows(conn, tables))

    def _carried(self, left: loss.Loss, proven: proof.Proof) -> amend.Carried:
        self._tell.step("carry over")
        tables = list(left.rows)
        self._contents = connection.run(self._place.url, lambda conn: carry.contents(conn, tables))
        inserts = connection.run(self._place.url, lambda conn: carry.row_inserts(conn, tables))
        names = [each.removeprefix("role:") for each in left.said if each.startswith("role:")]
        roles = connection.run(self._place.url, lambda conn: carry.roles(conn, names))
        return carry.carried(self._old_outcome, proven.outcome, left, inserts, roles)

    def _still_lost(self, made: draft.Draft, proven: proof.Proof, rows: dict[str, int]) -> loss.Loss:
        """What is given up in spite of carrying over.

        What was carried over has to be there; a promise that is not kept is no promise.
        """
        lost = loss.judge(self._old_outcome, loss.without_owner(proven.outcome, self._role), rows, {})
        lost = dataclasses.replace(lost, said=self._unsaid(made))
        missing = lost.without(self._accepted)
        if missing.names:
            raise judging.loss_refusal(self._of.service.name, missing)
        self._compare_contents()
        return lost

    def _compare_contents(self) -> None:
        """Holds the rows that were carried over against those of the old history."""

        def digest(query: str) -> str:
            return str(connection.run(self._place.url, lambda conn: conn.exec_driver_sql(query).scalar()))

        changed = [table for table, (query, before) in self._contents.items() if digest(query) != before]
        if changed:
            raise faults.RefusedFault(
                "rows-changed",
                f"{self._of.service.name}: rows carried into {changed[0]} come out otherwise than the old history has them",
                "something changes them on their way in (a trigger, a default): write this data step by hand, "
                f"and give the old one up with --accept-loss 'data:{changed[0]}'",
                data={"tables": changed},
            )

    def _result(
        self, made: draft.Draft, proven: proof.Proof, lost: loss.Loss | None, old: dict[str, bytes]
    ) -> dict[str, Any]:
        return {
            "revision": made.revision,
            "file": files.entry(made.name, made.source.encode()),
            "tables": len(made.metadata_tables),
            "operations": made.operations,
            "mended": made.mended,
            "prerequisites": {
                "schemas": list(made.prerequisites.schemas),
                "extensions": list(made.prerequisites.extensions),
            },
            "proof": proven.seconds,
            "loss": lost.to_dict() if lost is not None else None,
            "replaced": sorted(old),
            "history": files.digests(old),
            **self._of.where.to_dict(),
            "scratch": {"name": self._place.name, "strategy": self._place.strategy},
            "dumped": self._place.dumped if isinstance(self._place, places.InPlace) else None,
        }
