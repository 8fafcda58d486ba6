"""Misbehaviour on demand. Tests order it from their thread; the server meets it in its own.

Each order is met `times` times by what it is for (a pod, a verb, a resource; "" is any) and is gone then.
"""

from __future__ import annotations

import asyncio
import dataclasses
import threading
from collections.abc import Callable

from tests.support.cluster import statuses

__all__ = ["Faults", "Interruption", "Tampered"]


@dataclasses.dataclass
class Interruption:
    """What happens to one stream.

    Attributes:
        what: "cut" (the connection is gone), "end" (closed in order, without a status), "swap" (a byte is changed),
            "stall" (nothing more for a while) or "delete" (the pod is deleted).
        of: "exec", "exec input", "log" or "watch".
        at: after that many bytes of the stream (of standard output, for exec); None: when it would have ended.
        pod: name or prefix of the name; "" is any.
    """

    what: str
    of: str
    at: int | None
    pod: str
    times: int
    seconds: float = 0.0


@dataclasses.dataclass
class _Answer:
    code: int
    retry_after: int | None
    seconds: float
    verb: str
    resource: str
    times: int


class Tampered:
    """Bytes of one stream on their way, and what is to happen to them."""

    def __init__(self, interruption: Interruption | None) -> None:
        self.interruption = interruption
        self._seen = 0

    def passed(self, data: bytes) -> tuple[bytes, bool]:
        """What is still sent of `data`, and whether the interruption is due after it."""
        order = self.interruption
        begin = self._seen
        self._seen += len(data)
        if order is None or order.at is None or not begin <= order.at < self._seen:
            return data, False
        inside = order.at - begin
        if order.what == "swap":
            self.interruption = None
            return data[:inside] + bytes([data[inside] ^ 0x01]) + data[inside + 1 :], False
        return data if order.what in ("delete", "stall") else data[:inside], True


class Faults:
    """The orders that stand."""

    def __init__(self, restart: Callable[[float], None], forget: Callable[[], None]) -> None:
        self._restart = restart
        self._forget = forget
        self._lock = threading.Lock()
        self._interruptions: list[Interruption] = []
        self._answers: list[_Answer] = []

    def cut_exec(self, at: int | None = 0, *, pod: str = "", times: int = 1) -> None:
        """The connection of an exec is gone after `at` bytes of standard output; the process runs on."""
        self._order(Interruption("cut", "exec", at, pod, times))

    def cut_exec_input(self, at: int = 0, *, pod: str = "", times: int = 1) -> None:
        """The connection of an exec is gone after `at` bytes of standard input; the process sees the end of it."""
        self._order(Interruption("cut", "exec input", at, pod, times))

    def stall_exec(self, at: int, seconds: float, *, pod: str = "", times: int = 1) -> None:
        """Nothing of an exec's standard output follows byte `at` for so long; then all the rest."""
        self._order(Interruption("stall", "exec", at, pod, times, seconds))

    def end_exec_without_status(self, at: int | None = None, *, pod: str = "", times: int = 1) -> None:
        """An exec is closed in good order after `at` bytes (None: after all), without a word of how it ended."""
        self._order(Interruption("end", "exec", at, pod, times))

    def swap_byte(self, at: int, *, pod: str = "", times: int = 1) -> None:
        """Byte `at` of an exec's standard output arrives as another; all else is as it should be."""
        self._order(Interruption("swap", "exec", at, pod, times))

    def delete_pod(self, at: int = 0, *, pod: str = "", times: int = 1) -> None:
        """The pod is deleted, without grace, once byte `at` of an exec's standard output has passed."""
        self._order(Interruption("delete", "exec", at, pod, times))

    def cut_log(self, at: int = 0, *, pod: str = "", times: int = 1) -> None:
        """The connection of a log is gone after `at` bytes."""
        self._order(Interruption("cut", "log", at, pod, times))

    def cut_watch(self, at: int = 0, *, times: int = 1) -> None:
        """The connection of a watch is gone after `at` bytes."""
        self._order(Interruption("cut", "watch", at, "", times))

    def end_watch(self, at: int = 0, *, times: int = 1) -> None:
        """A watch is ended in good order after `at` bytes, which need not be whole lines."""
        self._order(Interruption("end", "watch", at, "", times))

    def answer(
        self, code: int, *, retry_after: int | None = None, verb: str = "", resource: str = "", times: int = 1
    ) -> None:
        """Requests are refused with 429, 503 or 500. `resource` may name a subresource: `pods/exec`."""
        self._later(_Answer(code, retry_after, 0.0, verb, resource, times))

    def delay(self, seconds: float, *, verb: str = "", resource: str = "", times: int = 1) -> None:
        """Requests are answered that much later."""
        self._later(_Answer(0, None, seconds, verb, resource, times))

    def restart(self, away: float = 0.0) -> None:
        """All connections are gone, the port is closed for `away` seconds, then all is as before. Returns when it is."""
        self._restart(away)

    def forget_history(self) -> None:
        """Watches and pages that continue from an older version are refused (410), as after etcd's compaction."""
        self._forget()

    def clear(self) -> None:
        """Takes back all orders."""
        with self._lock:
            self._interruptions.clear()
            self._answers.clear()

    def interruption(self, of: str, pod: str = "") -> Interruption | None:
        """The order that this stream meets, used up by it."""
        with self._lock:
            for order in self._interruptions:
                if order.of == of and pod.startswith(order.pod):
                    order.times -= 1
                    if not order.times:
                        self._interruptions.remove(order)
                    return order
        return None

    async def meet(self, verb: str, resource: str) -> None:
        """Waits or raises `Refused`, as ordered for such a request."""
        with self._lock:
            met = next((each for each in self._answers if _is_for(each, verb, resource)), None)
            if met is not None:
                met.times -= 1
                if not met.times:
                    self._answers.remove(met)
        if met is None:
            return
        await asyncio.sleep(met.seconds)
        if met.code:
            raise statuses.refusal(met.code, met.retry_after)

    def _order(self, order: Interruption) -> None:
        with self._lock:
            self._interruptions.append(order)

    def _later(self, order: _Answer) -> None:
        with self._lock:
            self._answers.append(order)


def _is_for(order: _Answer, verb: str, resource: str) -> bool:
    return order.verb in ("", verb) and order.resource in ("", resource)
