"""`invoke verify`, `invoke history`: what services would find at their start, and who migrated their databases."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stillroom.tasks.command import Call, command

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from stillroom import runs as running
    from stillroom import verify as verifying
    from stillroom.fleet import Outcome

__all__ = ["history", "verify"]

_COLOURS = {"at_head": "green", "ahead": "yellow"}
_OUTCOMES = {"done": "green", "nothing": "green", "running": "yellow"}


@command(
    "verify",
    options={
        "deep": "Hold each schema against the fingerprint that the last migration run left.",
        "ahead": "POLICY: of a newer database that its ledger does not explain: allow (default), or refuse.",
    },
)
def verify(call: Call, deep: bool = False, ahead: str = "allow") -> None:
    """Ask each service's database what the service asks at its start: one statement, and nothing is changed.

    Exits with 1 where a service would not start; the message says in which state its database is, and what to do.

    Example: invoke verify --service auth --deep
    """
    from stillroom import verify as job

    with call.session() as session, call.watching("verify", brief=True, looks=True, failures=False) as watcher:
        outcomes = job.run(session, call.services, job.Options(deep=deep, ahead=ahead), watcher)
    if not call.json:
        _show_verified(outcomes)
    call.finish(outcomes, lambda found: found.to_dict())


def _show_verified(outcomes: Sequence[Outcome[verifying.Verified]]) -> None:
    from stillroom import verify as job
    from stillroom.people import tables

    rows: list[list[object]] = []
    for outcome in outcomes:
        state, revision, head, count = job.shown(outcome)
        colour = _COLOURS.get(state, "red") if outcome.ok else "red"
        rows.append(
            [
                outcome.service.name,
                revision or "-",
                head or "-",
                f"[{colour}]{state}[/]",
                "-" if count is None else count,
            ]
        )
    tables.show(["service", "database", "code", "state", "tables"], rows, numbers=("tables",))


@command("history", options={"most": "NUMBER: how many runs of a service are shown, the newest first (default: 20)."})
def history(call: Call, most: str = "20") -> None:
    """Show who migrated each service's database: when, from which image, from where to where, and how it ended.

    Example: invoke history --service auth --most 5
    """
    from stillroom import runs as job

    with call.session() as session, call.watching("history", brief=True, looks=True, failures=False) as watcher:
        outcomes = job.run(session, call.services, most, watcher)
    if not call.json:
        _show_runs(call, outcomes)
    call.finish(outcomes, lambda found: found.to_dict())


def _show_runs(call: Call, outcomes: Sequence[Outcome[running.Runs]]) -> None:
    from stillroom.people import tables

    rows: list[list[object]] = []
    for outcome in outcomes:
        if outcome.value is None:
            continue
        rows += [[outcome.service.name, *_row(each)] for each in outcome.value.runs]
        if not outcome.value.runs:
            call.say(f"{outcome.service.name}: {outcome.value.address}: {outcome.value.why_none}")
    if rows:
        headers = ["service", "started", "what", "outcome", "before", "after", "revisions", "seconds", "by", "from"]
        tables.show(headers, rows, numbers=("revisions", "seconds"))
    for outcome in outcomes:
        for each in outcome.value.runs if outcome.value is not None else ():
            if each["error"]:
                call.say(f"{outcome.service.name}, {_when(each)}: {each['error']}")


def _row(run: Mapping[str, Any]) -> list[object]:
    colour = _OUTCOMES.get(run["outcome"], "red")
    seconds = "-" if run["seconds"] is None else f"{run['seconds']:.1f}"
    kinds = [each["kind"] for each in run["applied"]]
    count = f"{len(kinds)}" + (f" ({kinds.count('contract')} contract)" if "contract" in kinds else "")
    whence = " ".join(filter(None, (run["image"], run["commit"]))) or run["host"] or "-"
    return [
        _when(run),
        run["what"],
        f"[{colour}]{run['outcome']}[/]",
        ", ".join(run["from_revisions"]) or "-",
        ", ".join(run["to_revisions"]) or "-",
        count,
        seconds,
        run["actor"] or "-",
        whence,
    ]


def _when(run: Mapping[str, Any]) -> str:
    return str(run["started"])[:19].replace("T", " ")
