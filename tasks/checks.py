"""`invoke check` and `invoke preflight`, and how other commands stop at what preflight finds."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from stillroom.tasks.command import Call, command

from stillroom import errors

if TYPE_CHECKING:
    from stillroom.session import Session

__all__ = ["STALE", "before", "check", "preflight"]


@command("check", options={})
def check(call: Call) -> None:
    """Check the histories by their files alone: no database, no interpreter of the services.

    Example: invoke check --service 'pro*' --verbose
    """
    from stillroom import check as job
    from stillroom.people import checked

    reports = job.run(call.fleet, call.services, call.jobs, details=call.verbose)
    if call.json:
        call.answer(checked.document(call.environment.name, reports))
    else:
        checked.show(reports, verbose=call.verbose)
    bad = [each.service for each in reports if each.errors]
    if bad:
        raise errors.CheckFailed(
            f"check found errors in {len(bad)} of {len(reports)} services ({', '.join(bad)})",
            "mend what is listed above",
        )


STALE = "Other code in the image than in this folder is no error."
"""What `--allow-stale-image` says of itself, wherever it is an option."""


@command("preflight", options={"skip-db-check": "Leave the database out.", "allow-stale-image": STALE})
def preflight(call: Call, skip_db_check: bool = False, allow_stale_image: bool = False) -> None:
    """Check everything that would make a run fail, before it starts.

    Example: invoke preflight --service auth --verbose
    """
    from stillroom import preflight as job
    from stillroom.people import findings

    with call.session() as session, call.watching("preflight", brief=True, looks=True) as watcher:
        options = job.Options(skip_db_check=skip_db_check, alone=True, allow_stale_image=allow_stale_image)
        outcomes = job.run(session, call.services, options, watcher)
    if call.json:
        call.answer(findings.document(call.environment.name, outcomes))
    else:
        findings.show(outcomes, verbose=call.verbose)
    bad = [each.service.name for each in outcomes if each.value is None or each.value.errors]
    if bad:
        raise errors.PreflightFailed(
            f"preflight found errors in {len(bad)} of {len(outcomes)} services ({', '.join(bad)}); nothing was touched",
            "mend what is listed above",
        )


def before(
    call: Call,
    session: Session,
    *,
    skip_db_check: bool,
    ignore: bool,
    reset_in_place: bool = False,
    allow_stale_image: bool = False,
) -> Mapping[str, Mapping[str, Any]]:
    """Runs preflight ahead of another command.

    Args:
        call: says which services.
        session: opened.
        skip_db_check: leave the database out.
        ignore: go on in spite of errors.
        reset_in_place: no scratch database is going to be needed.
        allow_stale_image: other code in an image than here is no error.

    Returns:
        service -> preflight's facts.

    Raises:
        errors.PreflightFailed: on errors, unless they are to be ignored (in a terminal it asks); nothing was touched.
    """
    from stillroom import preflight as job
    from stillroom.people import findings

    options = job.Options(skip_db_check, reset_in_place, allow_stale_image=allow_stale_image)
    with call.watching("preflight", brief=True, looks=True) as watcher:
        outcomes = job.run(session, call.services, options, watcher)
    for each in outcomes:
        if each.value is not None:
            for level, line in findings.lines(each.value, without=findings.versions(each.value)):
                if level != "ok" and (each.value.errors or each.value.warnings):
                    call.say(line)
    if not ignore:
        try:
            job.refuse(outcomes)
        except errors.PreflightFailed as failed:
            failed.detail = ""  # it was just shown, with what to do about each
            if call.json or not sys.stdin.isatty():
                raise
            call.confirm("Preflight found errors. Go on in spite of them?", yes=False, flag="--ignore-preflight")
    return {each.service.name: each.value.facts for each in outcomes if each.value is not None}
