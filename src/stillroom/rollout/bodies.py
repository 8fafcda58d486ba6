"""Jobs made from a migration Job: with what only this run knows, or with another command of the runtime. Pure."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

from stillroom import errors
from stillroom.manifests import naming
from stillroom.rollout import cluster
from stillroom.runtime.migrating import described, last_word

__all__ = ["EXPECTED_HEADS", "MAIN", "applied_name", "for_run", "other_command", "verify"]

MAIN = "migration"
"""The container of a migration Job that migrates."""

EXPECTED_HEADS = "STILLROOM_EXPECTED_HEADS"
"""Revisions that the image has to know; the runtime refuses otherwise, before anything is touched."""

_ACTOR = "STILLROOM_ACTOR"
_COMMAND = "migrate"
_CONTENT = "stillroom.dev/content"
# Options of `migrate` that tell which project it is, and that every other command has as well.
_PLACES = ("--config", "--section")
_LONGEST = 63
_MINUTES = 15 * 60


def applied_name(rendered: str) -> str:
    """What a rendered migration Job is called where `apply --via job` runs it.

    It has more in its pod template than the rendered file, and a Job's template can't be changed: under one name, whoever
    applies the file afterwards (kubectl, a GitOps tool) would be refused.
    """
    return f"{rendered.rpartition('-')[0]}-{naming.short_hash(rendered.encode())}"


def for_run(body: Mapping[str, Any], needed: Sequence[str], actor: str) -> dict[str, Any]:
    """The migration Job as it is applied: it refuses an image that lacks these heads, and the ledger notes who asked.

    A Job that is there is never applied again.
    """
    made = copy.deepcopy(dict(body))
    made["metadata"]["name"] = applied_name(str(body["metadata"]["name"]))
    for container in _containers(made):
        if container["name"] == MAIN:
            _tell(container, actor)
            if needed:
                _set(container, EXPECTED_HEADS, ",".join(needed))
    return made


def other_command(
    body: Mapping[str, Any], purpose: str, token: str, arguments: Sequence[str], *, image: str | None = None, actor: str
) -> dict[str, Any]:
    """A Job that runs another command of the runtime where the migration would run: once, and not kept for long.

    Args:
        body: the migration Job.
        purpose: what for: a word, which is in its name and is its component.
        token: makes the name unique.
        arguments: the command and its options, instead of `migrate` and what follows.
        image: instead of the migration's.
        actor: who asked.

    Raises:
        errors.StillroomError: the Job's command is not the runtime's `migrate` (a template of the team's own).
    """
    made = copy.deepcopy(dict(body))
    service = made["metadata"]["labels"][cluster.SERVICE]
    end = f"-{purpose}-{token}"
    made["metadata"]["name"] = f"{service[: _LONGEST - len(end)].rstrip('-')}{end}"
    # The pod's labels stay: network policies let it reach the database by them.
    made["metadata"]["labels"][cluster.COMPONENT] = purpose
    made["metadata"]["labels"].pop(_CONTENT, None)
    made["spec"].pop("podFailurePolicy", None)
    made["spec"].update(backoffLimit=0, ttlSecondsAfterFinished=_MINUTES)
    found = _containers(made)
    for container in found:
        if container["name"] == MAIN:
            _give(container, arguments)
            _tell(container, actor)
    if image is not None:
        before = next(each["image"] for each in found if each["name"] == MAIN)
        for container in found:
            container["image"] = image if container["image"] == before else container["image"]
    return made


def verify(body: Mapping[str, Any]) -> list[str]:
    """The command that verifies where a migration Job migrates: it may have no URL but that of migrations."""
    names = {str(each["name"]) for one in _containers(body) if one["name"] == MAIN for each in one.get("env") or ()}
    return ["verify", *(["--url-variable", described.DIRECT] if described.DIRECT in names else [])]


def _containers(body: Mapping[str, Any]) -> list[dict[str, Any]]:
    spec = body["spec"]["template"]["spec"]
    return [*(spec.get("initContainers") or ()), *spec["containers"]]


def _give(container: dict[str, Any], arguments: Sequence[str]) -> None:
    """Puts the arguments in the place of `migrate` and what follows it."""
    for key in ("args", "command"):
        words = list(container.get(key) or ())
        if _COMMAND in words:
            at = words.index(_COMMAND)
            container[key] = [*words[:at], *arguments, *_places(words[at + 1 :])]
            if key == "command":
                container.pop("args", None)
            return
    raise errors.StillroomError(
        f"container {MAIN} of the migration Job does not run `migrate` of the runtime: {container.get('command')}",
        "let templates/migration-job.yaml.j2 run python -m stillroom.runtime migrate, as ours does",
    )


def _places(options: Sequence[str]) -> list[str]:
    named = [at for at, each in enumerate(options) if each in _PLACES]
    return [word for at in named for word in options[at : at + 2]]


def _tell(container: dict[str, Any], actor: str) -> None:
    """Tells the runtime who asked, and where its last word goes."""
    _set(container, _ACTOR, actor)
    _set(container, last_word.VARIABLE, str(container.get("terminationMessagePath") or last_word.LOG))


def _set(container: dict[str, Any], name: str, value: str) -> None:
    others = [each for each in container.get("env") or () if each["name"] != name]
    container["env"] = [*others, {"name": name, "value": value}]
