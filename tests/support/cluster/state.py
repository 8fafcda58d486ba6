"""What all parts of the server share."""

from __future__ import annotations

import asyncio
import dataclasses
import traceback
from collections.abc import Coroutine, Mapping
from pathlib import Path
from typing import Any

from tests.support.cluster import resources
from tests.support.cluster.images import Image
from tests.support.cluster.store import Store

__all__ = ["State"]


@dataclasses.dataclass
class State:
    """The cluster's own view of itself; used in the event loop only.

    Attributes:
        folder: where pods' folders are made.
        slots: how many pods the node runs at a time; others stay Pending.
        hurry: by what Kubernetes' own pauses between a Job's pods are divided. Times that a spec names are not.
        address: of the API server.
        problems: what went wrong in this server itself; a test during which that happens fails.
        server_version: what `/version` tells.
        tasks: what goes on after the request that began it has been answered.
    """

    store: Store
    folder: Path
    slots: asyncio.Semaphore
    hurry: float
    address: tuple[str, int] = ("127.0.0.1", 0)
    images: dict[str, Image] = dataclasses.field(default_factory=dict)
    problems: list[str] = dataclasses.field(default_factory=list)
    server_version: str = "1.32.0"
    tasks: set[asyncio.Task[None]] = dataclasses.field(default_factory=set)

    def named(self, kind: str, namespace: str, name: str) -> Mapping[str, Any] | None:
        """An object by kind and name."""
        return self.store.find(resources.of_kind(kind), namespace, name)

    def begin(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Lets something go on by itself; the loop alone would hold it only weakly."""
        task = asyncio.get_running_loop().create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self._over)
        return task

    def _over(self, task: asyncio.Task[None]) -> None:
        self.tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.problems.append("".join(traceback.format_exception(error)))
