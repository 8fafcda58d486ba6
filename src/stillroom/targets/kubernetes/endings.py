"""Why the way into a container ended, as far as kubectl and what ran there tell."""

from __future__ import annotations

import re

from stillroom.runtime import secrecy
from stillroom.targets import base, carrier, refusals
from stillroom.targets.kubernetes import failures, pods

__all__ = ["explain"]

_NO_PROGRAM = re.compile(
    r"executable file not found|no such file or directory|stat .*: no such file|exec format error|permission denied",
    re.IGNORECASE,
)
_FROM_PYTHON = re.compile(r"^(?:\w+Error|Traceback)\b", re.MULTILINE)
_STATUS = re.compile(r"command terminated with exit code (\d+)")
_KILLED = 137
# What kubectl says where a stream could not be begun, too: a refused upgrade is tried again in another protocol first.
_UNCLEAR = frozenset({"kubectl-failed", "not-found", "invalid"})
_AGAIN = "run it again; invoke status tells how far it came"


def explain(
    service: str, chosen: pods.Chosen, python: str, *, begun: bool, noticed: str, status: int | None, said: str
) -> base.TargetFailed:
    """The failure to tell.

    Args:
        service: for messages.
        chosen: where it ran.
        python: the interpreter that was asked for there.
        begun: whether the runtime was there already.
        noticed: what was seen of the stream; empty: it ended.
        status: kubectl's exit status. It is 0 also where the connection was lost.
        said: what kubectl, and the container by way of it, wrote to standard error.
    """
    place = f"pod {chosen.pod}, container {chosen.container}"
    exit_code = _STATUS.search(said)
    code = int(exit_code[1]) if exit_code else None
    if carrier.DAMAGED in said:
        return _lost(service, place, "what was sent there arrived damaged", said)
    if not begun and code not in (None, _KILLED):
        return _not_begun(service, place, python, said)
    if not begun and _NO_PROGRAM.search(said):
        return _no_program(service, place, python, said)
    if code == _KILLED:
        return _lost(
            service, place, "it was killed there: the pod was deleted or restarted, or ran out of memory", said
        )
    if exit_code is None and "(NotFound)" in said:
        return _lost(service, place, "the pod is gone", said)
    if exit_code is None and not noticed and status not in (0, None):
        known = failures.of(["exec", chosen.pod], said, status)
        if known.code not in _UNCLEAR and not known.passing:
            return known
        return _lost(service, place, known.message, said)
    return _lost(service, place, noticed or "the connection ended", said)


def _lost(service: str, place: str, why: str, said: str) -> base.TargetFailed:
    return base.TargetFailed(
        base.LOST,
        f"{service}: the connection to {place} was lost: {why}",
        _AGAIN,
        detail=str(secrecy.scrubbed(said)),
    )


def _not_begun(service: str, place: str, python: str, said: str) -> base.TargetFailed:
    if _NO_PROGRAM.search(said) and not _FROM_PYTHON.search(said):
        return _no_program(service, place, python, said)
    lines = [line for line in said.splitlines() if not _STATUS.search(line)]
    told = refusals.of(python, "\n".join(lines))
    return base.TargetFailed(told.code, f"{service}: in {place} {told.message}", told.mend, detail=told.detail)


def _no_program(service: str, place: str, python: str, said: str) -> base.TargetFailed:
    return base.TargetFailed(
        "interpreter-missing",
        f"{service}: there is no {python} in {place}",
        "name the interpreter of the image, with its path where it is not on PATH: python: in services.yaml, for the "
        "environment or the service",
        detail=str(secrecy.scrubbed(said)),
    )
