"""How objects get to the cluster, and Jobs away from it: applied under our own name, deleted and waited for."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from stillroom.targets.kubernetes import kubectl

__all__ = ["MANAGER", "apply", "delete_job", "find_job"]

MANAGER = "stillroom"
"""The field manager: who owns the fields that are applied."""

_APPLY_SECONDS = 120.0
_DELETE_SECONDS = 300.0  # a migration that runs has that long to roll back


def apply(
    door: kubectl.Kubectl, namespace: str, objects: Sequence[Mapping[str, Any]], *, force: bool = False
) -> list[dict[str, Any]]:
    """Applies objects of one namespace, in the order given; gives them as the server has them now.

    Args:
        door: to the cluster.
        namespace: of all of them.
        objects: their bodies.
        force: take fields over that another tool owns.

    Raises:
        kubectl.KubectlFailed: `conflict`, `invalid`, `forbidden`, …; earlier objects may have been applied.
    """
    if not objects:
        return []
    body = json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)}).encode()
    forced = ["--force-conflicts"] if force else []
    asked = ["apply", "--server-side", f"--field-manager={MANAGER}", *forced, "--filename=-"]
    # Applying the same again changes nothing, so that it may be tried again.
    answer = door.json(*asked, namespace=namespace, stdin=body, timeout=_APPLY_SECONDS, retry=True)
    return list(answer["items"]) if answer.get("kind") == "List" else [answer]


def find_job(door: kubectl.Kubectl, namespace: str, name: str) -> dict[str, Any] | None:
    """The Job of that name; None: there is none.

    Raises:
        kubectl.KubectlFailed: it can't be asked for.
    """
    output = door.run("get", "job", name, "--ignore-not-found", "-o", "json", namespace=namespace)
    if not output.strip():
        return None
    found: dict[str, Any] = json.loads(output)
    return found


def delete_job(door: kubectl.Kubectl, namespace: str, name: str) -> None:
    """Deletes a Job with its pods, and waits until they are gone: a process that ran has rolled back by then.

    Raises:
        kubectl.KubectlFailed: it could not be deleted, or did not go in time.
    """
    asked = ["delete", "job", name, "--cascade=foreground", "--wait=true", "--ignore-not-found"]
    door.run(*asked, f"--timeout={_DELETE_SECONDS:.0f}s", namespace=namespace, timeout=_DELETE_SECONDS + 30, retry=True)
