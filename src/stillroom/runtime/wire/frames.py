"""Frames on a stream that several requests share, between the operator side and a relay (see `relay`).

Each has a header line, `<kind> <number of the request> <bytes> <CRC-32>`, and that many bytes. The checksum is of the line
without itself and of the bytes: what was altered on the way is the fault of the way, and not of who answers.
"""

from __future__ import annotations

import dataclasses
import re
import zlib

__all__ = [
    "ALIVE",
    "ANSWER",
    "EXIT",
    "HELLO",
    "KILL",
    "LEFT",
    "OUTPUT",
    "REQUEST",
    "Damaged",
    "Frame",
    "Reader",
    "encode",
]

HELLO = "H"
"""Relay: it is there; JSON of what it is (see `relay.serve`)."""
REQUEST = "R"
"""Operator: a request, as `protocol.encode_request` has it."""
LEFT = "C"
"""Operator: nobody waits for this request any more."""
KILL = "K"
"""Operator: its process is to be ended at once."""
ALIVE = "P"
"""Both: still there."""
ANSWER = "A"
"""Relay: bytes of the answer."""
OUTPUT = "O"
"""Relay: bytes that the service's code wrote."""
EXIT = "X"
"""Relay: the process of the request has ended; its exit status (negative: the signal)."""

MAX_PAYLOAD = 96 * 1024 * 1024
_LONGEST_HEADER = 64
_HEADER = re.compile(rb"([A-Z]) (\d{1,9}) (\d{1,9}) ([0-9a-f]{8})")


class Damaged(Exception):
    """What arrived is no frame, or not the one that was sent."""


@dataclasses.dataclass(frozen=True)
class Frame:
    """One of them."""

    kind: str
    number: int
    payload: bytes = b""


def encode(kind: str, number: int, payload: bytes = b"") -> bytes:
    """A frame as it travels."""
    start = f"{kind} {number} {len(payload)}".encode()
    return b"%s %08x\n%s" % (start, zlib.crc32(payload, zlib.crc32(start)), payload)


class Reader:
    """Takes bytes as they arrive, and gives back the frames that they complete."""

    def __init__(self) -> None:
        self._pending = bytearray()
        self._need = 0

    def feed(self, data: bytes) -> list[Frame]:
        """The frames that are complete now.

        Raises:
            Damaged: one was altered on the way, or something else writes to the stream.
        """
        self._pending += data
        found = []
        while len(self._pending) >= self._need:
            frame = self._next()
            if frame is None:
                break
            found.append(frame)
        return found

    @property
    def within(self) -> bool:
        """Whether a frame has begun that is not complete."""
        return bool(self._pending)

    def _next(self) -> Frame | None:
        end = self._pending.find(b"\n", 0, _LONGEST_HEADER)
        if end < 0:
            if len(self._pending) >= _LONGEST_HEADER:
                raise Damaged(f"no frame begins with {bytes(self._pending[:40])!r}")
            return None
        header = _HEADER.fullmatch(self._pending, 0, end)
        if header is None:
            raise Damaged(f"no frame begins with {bytes(self._pending[: min(end, 40)])!r}")
        length = int(header[3])
        if length > MAX_PAYLOAD:
            raise Damaged(f"a frame of {length} bytes is announced")
        self._need = end + 1 + length
        if len(self._pending) < self._need:
            return None
        payload = bytes(self._pending[end + 1 : self._need])
        start = header[0].rpartition(b" ")[0]
        frame = Frame(header[1].decode(), int(header[2]), payload)
        if zlib.crc32(payload, zlib.crc32(start)) != int(header[4], 16):
            raise Damaged("a frame arrived with other bytes than were sent")
        del header  # it holds on to the buffer, which could not shrink
        del self._pending[: self._need]
        self._need = 0
        return frame
