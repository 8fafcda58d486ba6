"""Frames: what was altered on the way is seen, wherever it was."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stillroom.runtime.wire import frames

_FRAMES = st.lists(
    st.builds(frames.Frame, st.sampled_from("HRCKPAOX"), st.integers(0, 10**9 - 1), st.binary(max_size=300)), max_size=5
)


def _bytes(sent: list[frames.Frame]) -> bytes:
    return b"".join(frames.encode(each.kind, each.number, each.payload) for each in sent)


@given(sent=_FRAMES, sizes=st.lists(st.integers(1, 50), min_size=1))
def test_frames_arrive_in_whatever_pieces(sent: list[frames.Frame], sizes: list[int]) -> None:
    """All of them, in order, and nothing is left."""
    data, reader, got, turn = _bytes(sent), frames.Reader(), [], 0
    while data:
        size = sizes[turn % len(sizes)]
        got += reader.feed(data[:size])
        data, turn = data[size:], turn + 1
    assert got == sent
    assert not reader.within


@given(data=st.data(), payload=st.binary(min_size=1, max_size=200))
def test_a_byte_that_was_swapped_is_seen(data: st.DataObject, payload: bytes) -> None:
    """In the header or in what it announces: either it is said, or the frame never gets complete."""
    whole = bytearray(frames.encode(frames.ANSWER, 7, payload))
    at = data.draw(st.integers(0, len(whole) - 1))
    whole[at] ^= data.draw(st.integers(1, 255))
    reader = frames.Reader()
    try:
        assert reader.feed(bytes(whole)) == []
    except frames.Damaged:
        return
    assert reader.within


def test_what_is_no_frame_is_refused() -> None:
    """At once, however little of it there is; and a length that nobody would send."""
    with pytest.raises(frames.Damaged, match="no frame begins with"):
        frames.Reader().feed(b"Hello, world\n")
    with pytest.raises(frames.Damaged, match="no frame begins with"):
        frames.Reader().feed(b"x" * 64)
    with pytest.raises(frames.Damaged, match="999999999 bytes"):
        frames.Reader().feed(b"A 1 999999999 00000000\n")
