"""What is to be done about each service's migration Job, by what is there. Pure."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from stillroom.rollout import judging

__all__ = ["CREATE", "NOTHING", "REPLACE", "WATCH", "Standing", "Step", "decide", "standing_of"]

CREATE = "create"
REPLACE = "replace"
WATCH = "watch"
NOTHING = "nothing"


@dataclasses.dataclass(frozen=True)
class Standing:
    """What a service's database said of itself when it was asked through its pod.

    Attributes:
        state: a word of `runtime.verifying.verdict`; empty: it could not be asked.
        heads: of the code that was asked with, sorted.
        why: of one that could not be asked: why.
    """

    state: str
    heads: tuple[str, ...] = ()
    why: str = ""


@dataclasses.dataclass(frozen=True)
class Step:
    """What is done about one service.

    Attributes:
        action: `CREATE`, `REPLACE` (the Job of that name is deleted first), `WATCH` (it runs), or `NOTHING`.
        why: in words.
        job, namespace, image: of the Job that is meant.
        needed: the heads of this checkout, which the image has to know; none: that is not asked for.
        found: the Job that is there.
    """

    action: str
    why: str
    job: str
    namespace: str
    image: str
    needed: tuple[str, ...] = ()
    found: judging.Job | None = None

    def to_dict(self) -> dict[str, Any]:
        """JSON-able form."""
        told = dataclasses.asdict(self)
        del told["found"]
        return {**told, "needed": list(self.needed)}


def decide(
    found: judging.Job | None, standing: Standing | None, needed: tuple[str, ...], *, rerun: bool
) -> tuple[str, str]:
    """The action and why.

    Args:
        found: the Job of that name that is there; None: none is.
        standing: what the database says; needed of a Job that is complete.
        needed: the heads of this checkout; none: they are not compared.
        rerun: `--rerun`.
    """
    if found is None:
        return CREATE, "there is no Job of this content"
    if rerun:
        return REPLACE, "--rerun"
    if found.deleting:
        return REPLACE, "it is being deleted"
    if found.failed:
        return REPLACE, f"it failed ({found.failed})"
    if not found.complete:
        return WATCH, "it runs already"
    return _of_complete(standing or Standing("", why="it was not asked"), needed)


def _of_complete(standing: Standing, needed: tuple[str, ...]) -> tuple[str, str]:
    """A Job that is complete says what was once; only the database says what is."""
    if not standing.state:
        return REPLACE, f"it is complete, but its database could not be asked: {standing.why}"
    if standing.state != "at_head":
        return REPLACE, f"it is complete, but the database is {standing.state}"
    if needed and standing.heads != needed:
        asked = ", ".join(standing.heads) or "none"
        return REPLACE, f"it is complete, but the pod that was asked has other revisions (heads: {asked})"
    return NOTHING, "it is complete, and the database is at head"


def standing_of(verdict: Mapping[str, Any]) -> Standing:
    """What the runtime's `verify` answered, or what its refusal carries."""
    return Standing(str(verdict.get("state") or ""), tuple(sorted(map(str, verdict.get("heads") or ()))))
