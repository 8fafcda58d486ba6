"""The protocol: what arrives whole is taken, everything else is refused."""

from __future__ import annotations

import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stillroom.runtime.wire import protocol


def answer(request_id: str = "r1", *, exit_code: int = 0) -> bytes:
    """A whole answer, as bytes."""
    written: list[bytes] = []
    writer = protocol.AnswerWriter(written.append, request_id)
    writer.event("started", id=request_id, pid=1)
    writer.event("step", step="upgrade")
    writer.event("result", value={"tables": 3})
    writer.end(exit_code)
    return b"".join(written)


def read(data: bytes, request_id: str = "r1") -> dict[str, object]:
    """The final event of an answer."""
    reader = protocol.AnswerReader(request_id)
    reader.feed(data)
    return reader.final()


def test_a_whole_answer_is_taken() -> None:
    """Events come back in order, and the result is the one that was written."""
    reader = protocol.AnswerReader("r1")
    names = [event["event"] for event in reader.feed(answer())]
    assert names == ["started", "step", "result"]
    assert reader.complete and reader.exit_code == 0
    assert reader.final()["value"] == {"tables": 3}


@given(cut=st.integers(min_value=0, max_value=len(answer()) - 1), pieces=st.integers(min_value=1, max_value=7))
def test_an_answer_cut_off_anywhere_is_refused(cut: int, pieces: int) -> None:
    """Whatever the byte at which the stream ends, and however it was cut into pieces."""
    reader = protocol.AnswerReader("r1")
    data = answer()[:cut]
    with pytest.raises(protocol.BrokenAnswer):
        for start in range(0, len(data), pieces):
            reader.feed(data[start : start + pieces])
        reader.final()


@given(at=st.integers(min_value=0, max_value=len(answer()) - 1), value=st.integers(min_value=0, max_value=255))
def test_a_changed_byte_is_refused(at: int, value: int) -> None:
    """No change of one byte can give another result (white space inside the marker line aside)."""
    data = bytearray(answer())
    if data[at] == value:
        return
    data[at] = value
    try:
        final = read(bytes(data))
    except (protocol.BrokenAnswer, UnicodeDecodeError):
        return
    marker = data.rstrip(b"\n").rfind(b"\n")
    assert at > marker, "a byte before the end marker was changed, and nobody noticed"
    assert final["value"] == {"tables": 3}


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (answer("other"), "does not begin as the answer to this request"),
        (answer() + b"more\n", "after the end marker"),
        (b"hello\n", "not JSON"),
        (b"[1]\n", "no event"),
        (b'{"event": 1}\n', "no event"),
        (b'{"event": "result", "value": 1}\n', "does not begin"),
        (b"\xff\xfe\n", "not JSON"),
    ],
    ids=["other request", "bytes after the end", "noise", "no object", "no name", "no start", "not UTF-8"],
)
def test_what_does_not_fit_the_protocol_is_refused(data: bytes, says: str) -> None:
    """Each kind of wrong answer is told apart in the message."""
    with pytest.raises(protocol.BrokenAnswer, match=says):
        read(data)


def test_a_second_result_is_refused() -> None:
    """Exactly one result or error."""
    written: list[bytes] = []
    writer = protocol.AnswerWriter(written.append, "r1")
    writer.event("started", id="r1")
    writer.event("result", value={"n": 1})
    writer.event("result", value={"n": 2})
    writer.end(0)
    with pytest.raises(protocol.BrokenAnswer, match="after the result"):
        read(b"".join(written))


def test_an_end_without_a_result_is_refused() -> None:
    """An end marker alone is no result."""
    written: list[bytes] = []
    writer = protocol.AnswerWriter(written.append, "r1")
    writer.event("started", id="r1")
    writer.end(0)
    with pytest.raises(protocol.BrokenAnswer, match="without a result"):
        read(b"".join(written))


def test_an_endless_answer_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory is bounded, whatever a target sends."""
    monkeypatch.setattr(protocol, "MAX_ANSWER", 10_000)
    reader = protocol.AnswerReader("r1")
    line = json.dumps({"event": "started", "id": "r1"}).encode() + b"\n"
    step = json.dumps({"event": "step", "step": "x" * 100}).encode() + b"\n"
    with pytest.raises(protocol.BrokenAnswer, match="larger than"):
        reader.feed(line)
        for _ in range(1000):
            reader.feed(step)


def test_a_request_comes_through_whole_and_hides_its_environment() -> None:
    """What is encoded is what is read; the variables (secrets) are not in its text form."""
    request = protocol.Request("r1", "echo", {"name": "auth"}, {"a": 1}, {"AUTH_DATABASE_URL": "pass-word"}, 5.0)
    assert protocol.read_request(io.BytesIO(protocol.encode_request(request))) == request
    assert "pass-word" not in repr(request)


@pytest.mark.parametrize(
    "data", [b"GET / HTTP/1.1\r\n", b"STILLROOM/1 99999999999\n", b"STILLROOM/1 -1\n", b"STILLROOM/1 10\n{}"]
)
def test_a_broken_request_is_refused(data: bytes) -> None:
    """Not of this protocol, too large, or cut off."""
    with pytest.raises(protocol.BrokenAnswer):
        protocol.read_request(io.BytesIO(data))


def test_no_request_is_none() -> None:
    """The end of the stream is no error."""
    assert protocol.read_request(io.BytesIO(b"")) is None
