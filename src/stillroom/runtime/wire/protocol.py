"""The protocol between the operator side and the runtime, defined once and used by both.

A request is one frame: a header line `STILLROOM/1 <bytes>`, then that many bytes of JSON. The answer is a stream of JSON
lines: events (`started`, `step`, `warning`, `log`), exactly one `result` or `error`, and an **end marker** with the exit
code and the SHA-256 of all bytes of the answer before it. Without the marker, or with a wrong digest, the answer counts
as lost, whatever exit code the transport gave: kubectl and ssh exit 0 on cut streams.
"""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import os
from collections.abc import Callable
from typing import Any, BinaryIO

__all__ = [
    "MAX_ANSWER",
    "AnswerReader",
    "AnswerWriter",
    "BrokenAnswer",
    "Request",
    "decode_request",
    "encode_request",
    "read_request",
]

MAGIC = "STILLROOM/1"
MAX_REQUEST = 64 * 1024 * 1024
MAX_ANSWER = 256 * 1024 * 1024
MAX_LINE = 128 * 1024 * 1024
MAX_EVENTS = 200_000

# The events that an answer ends with, and the object that each has to hold.
FINAL = {"result": "value", "error": "error"}


class BrokenAnswer(Exception):
    """The answer can't be trusted: cut off, altered, of another request, or out of form."""


@dataclasses.dataclass(frozen=True)
class Request:
    """One operation for one service.

    Attributes:
        id: unguessable; the answer repeats it, so that an answer of another request is seen.
        operation: name of an operation in `operations`.
        service: facts of the service (see `facts.ServiceFacts`).
        options: arguments of the operation, JSON-able.
        environment: variables to set before the service's code is imported; may hold secrets, so never shown.
        fallback: likewise, where they are not set already.
        time_limit: seconds after which the runtime ends itself.
    """

    id: str
    operation: str
    service: dict[str, Any]
    options: dict[str, Any]
    environment: dict[str, str] = dataclasses.field(default_factory=dict, repr=False)
    fallback: dict[str, str] = dataclasses.field(default_factory=dict, repr=False)
    time_limit: float = 120.0


def encode_request(request: Request) -> bytes:
    """The request as one frame."""
    body = json.dumps(dataclasses.asdict(request)).encode()
    return f"{MAGIC} {len(body)}\n".encode() + body


def read_request(stream: BinaryIO) -> Request | None:
    """The next request of a stream; None at its end.

    Raises:
        BrokenAnswer: if what arrives is no frame of this protocol, or is cut off.
    """
    header = stream.readline(128)
    if not header:
        return None
    magic, _, length = header.decode("ascii", "replace").strip().partition(" ")
    if magic != MAGIC or not length.isdigit() or int(length) > MAX_REQUEST:
        raise BrokenAnswer(f"not a request of {MAGIC}: {header[:40]!r}")
    body = stream.read(int(length))
    if len(body) != int(length):
        raise BrokenAnswer(f"the request was cut off after {len(body)} of {length} bytes")
    return Request(**json.loads(body))


def decode_request(frame: bytes) -> Request:
    """The request that `encode_request` made a frame of.

    Raises:
        BrokenAnswer: see `read_request`; or there is nothing.
    """
    request = read_request(io.BytesIO(frame))
    if request is None:
        raise BrokenAnswer("there is no request in the frame")
    return request


class AnswerWriter:
    """Writes the answer to one request, line by line, and keeps its digest.

    Args:
        write: takes bytes and writes all of them, or raises OSError.
        request_id: repeated in the first and the last line.
    """

    def __init__(self, write: Callable[[bytes], None], request_id: str) -> None:
        self._write = write
        self._id = request_id
        self._digest = hashlib.sha256()

    def event(self, name: str, **fields: Any) -> None:
        """Writes one event line."""
        line = json.dumps({"event": name, **fields}, default=str).encode() + b"\n"
        self._digest.update(line)
        self._write(line)

    def end(self, exit_code: int) -> None:
        """Writes the end marker: nothing of this answer comes after it."""
        marker = {"event": "end", "id": self._id, "exit": exit_code, "sha256": self._digest.hexdigest()}
        self._write(json.dumps(marker).encode() + b"\n")


def write_all(descriptor: int) -> Callable[[bytes], None]:
    """A function that writes all bytes to a file descriptor (`os.write` may write a part)."""

    def write(data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[os.write(descriptor, view) :]

    return write


class AnswerReader:
    """Takes the bytes of an answer as they arrive, and gives back its events.

    After the last byte, `final()` is the one result or error, or raises. Everything that does not fit the protocol
    raises `BrokenAnswer`, so a wrong result is never taken for a right one.
    """

    def __init__(self, request_id: str) -> None:
        self._id = request_id
        self._digest = hashlib.sha256()
        self._pending = bytearray()  # it grows in place: a long line arrives in thousands of pieces
        self._read = 0
        self._events = 0
        self._started = False
        self._final: dict[str, Any] | None = None
        self.exit_code: int | None = None

    @property
    def complete(self) -> bool:
        """Whether the end marker has been read and was right."""
        return self.exit_code is not None

    def feed(self, data: bytes) -> list[dict[str, Any]]:
        """The events that these bytes complete, in order, the end marker left out."""
        self._read += len(data)
        if self._read > MAX_ANSWER:
            raise BrokenAnswer(f"the answer is larger than {MAX_ANSWER} bytes")
        *lines, rest = data.split(b"\n")
        if lines:
            lines[0] = bytes(self._pending) + lines[0]
            self._pending.clear()
        self._pending += rest
        if len(self._pending) > MAX_LINE:
            raise BrokenAnswer(f"a line of the answer is longer than {MAX_LINE} bytes")
        events = []
        for line in lines:
            event = self._take(line + b"\n")
            if event is not None:
                events.append(event)
        return events

    def final(self) -> dict[str, Any]:
        """The `result` or `error` event of the whole, verified answer."""
        if self.exit_code is None:
            raise BrokenAnswer("the answer ended without its end marker")
        if self._final is None:
            raise BrokenAnswer("the answer ended without a result")
        return self._final

    def _take(self, line: bytes) -> dict[str, Any] | None:
        if self.complete:
            raise BrokenAnswer("bytes arrived after the end marker")
        self._events += 1
        if self._events > MAX_EVENTS:
            raise BrokenAnswer(f"the answer has more than {MAX_EVENTS} events")
        event = self._parse(line)
        name = event["event"]
        if name == "end":
            self._end(event)
            return None
        self._digest.update(line)
        if not self._started:
            if name != "started" or event.get("id") != self._id:
                raise BrokenAnswer("the answer does not begin as the answer to this request does")
            self._started = True
        elif self._final is not None:
            raise BrokenAnswer(f"'{name}' arrived after the result")
        if name in FINAL:
            if not isinstance(event.get(FINAL[name]), dict):
                raise BrokenAnswer(f"the {name} of the answer holds nothing that one can use")
            self._final = event
        return event

    def _parse(self, line: bytes) -> dict[str, Any]:
        try:
            event = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise BrokenAnswer(f"a line of the answer is not JSON: {line[:60]!r}") from error
        if not isinstance(event, dict) or not isinstance(event.get("event"), str):
            raise BrokenAnswer(f"a line of the answer is no event: {line[:60]!r}")
        return event

    def _end(self, event: dict[str, Any]) -> None:
        if event.get("id") != self._id:
            raise BrokenAnswer("the end marker belongs to another request")
        if event.get("sha256") != self._digest.hexdigest():
            raise BrokenAnswer("the digest in the end marker does not match what arrived")
        if type(event.get("exit")) is not int:
            raise BrokenAnswer("the end marker has no exit code")
        if self._final is not None and (event["exit"] == 0) != (self._final["event"] == "result"):
            raise BrokenAnswer(f"it ends with exit code {event['exit']} after its {self._final['event']}")
        self.exit_code = event["exit"]
