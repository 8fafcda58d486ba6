"""What came of a Job: what the runtime in it left for whoever asks, and the failure that people are told. Pure."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from stillroom import errors
from stillroom.rollout import judging, reasons

__all__ = ["JobFailed", "JobRefused", "Result", "Said", "document", "failure", "said"]

_LAST_WORD = re.compile(r"^\w[\w ]*? failed: (?P<message>.*) \[(?P<code>[a-z]+(?:-[a-z]+)*)\]\s*$", re.DOTALL)


class JobFailed(errors.StillroomError):
    """A Job did not do what it was for."""

    def __init__(self, code: str, message: str, mend: str, *, detail: str, data: Mapping[str, Any]) -> None:
        super().__init__(message, mend, detail=detail)
        self.code = code
        self.data = data


class JobRefused(errors.Refused):
    """The runtime in a Job refused, before anything was touched."""

    def __init__(self, code: str, message: str, mend: str, *, detail: str, data: Mapping[str, Any]) -> None:
        super().__init__(message, mend, detail=detail)
        self.code = code
        self.data = data


@dataclasses.dataclass(frozen=True)
class Said:
    """A termination message of the runtime: of a failure its code, message and mend; of a success what was done."""

    code: str = ""
    message: str = ""
    mend: str = ""
    done: Mapping[str, Any] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Result:
    """A Job that has done what it was for.

    Attributes:
        job, pod: their names.
        image_id: the digest of the image that ran; empty where the node did not tell.
        done: what the runtime says it did (`outcome`, `before`, `after`, `applied`); empty where it said nothing.
    """

    job: str
    pod: str = ""
    image_id: str = ""
    done: Mapping[str, Any] = dataclasses.field(default_factory=dict)


def said(message: str) -> Said:
    """What a termination message tells; nothing where it is not the runtime's."""
    found = _object(message)
    if found is not None:
        return Said(done=found)
    head, _, mend = message.rstrip().partition("]\n")
    match = _LAST_WORD.match(f"{head}]" if mend else message.rstrip())
    return Said() if match is None else Said(match["code"], match["message"], mend.strip())


def document(lines: Iterable[str]) -> dict[str, Any] | None:
    """The one JSON document that the runtime prints with `--json`, found among log lines; None: there is none."""
    found = None
    for line in lines:
        value = _object(line)
        if value is not None and "exit_code" in value:
            found = value
    return found


def failure(service: str, job: str, verdict: judging.Verdict, lines: Iterable[str], log: str) -> errors.StillroomError:
    """The error to raise for a Job that failed: the runtime's own words where it left some.

    Args:
        service: whose.
        job: its name.
        verdict: how it was judged.
        lines: the last ones of its log.
        log: where all of them are stored; empty: nowhere.
    """
    container = verdict.container
    word = container.message if container is not None and container.state == "terminated" else ""
    told = said(word)
    exit_code = container.exit_code if container is not None else None
    message = f"{service}: {told.message.removeprefix(f'{service}: ') or verdict.message} (Job {job})"
    data = {
        "job": job,
        "pod": verdict.pod,
        "exit_code": exit_code,
        "cause": verdict.code,
        "log": log,
        "termination_message": word,
    }
    kind = JobRefused if exit_code == reasons.REFUSED else JobFailed
    detail = "\n".join(lines)
    return kind(told.code or verdict.code, message, told.mend or verdict.mend, detail=detail, data=data)


def _object(text: str) -> dict[str, Any] | None:
    if not text.lstrip().startswith("{"):
        return None
    try:
        found = json.loads(text)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None
