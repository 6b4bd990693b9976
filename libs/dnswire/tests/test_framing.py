"""Messages on a stream: whatever the pieces, the messages are the same (RFC 1035, section 4.2.2)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lictor_dnswire import MESSAGE_BYTES_MAX, EncodeError, FrameReader, frame


@given(st.lists(st.binary(max_size=300), max_size=6), st.data())
def test_messages_survive_any_cutting_of_the_stream(messages: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(map(frame, messages))
    reader = FrameReader()
    received = []
    while stream:
        size = data.draw(st.integers(1, len(stream)))
        received += reader.feed(stream[:size])
        stream = stream[size:]
    assert received == messages
    assert reader.waiting_bytes == 0


def test_an_incomplete_message_waits() -> None:
    reader = FrameReader()
    assert reader.feed(b"\0") == []
    assert reader.feed(b"\x03ab") == []
    assert reader.waiting_bytes == 4
    assert reader.feed(b"c\0\0\0") == [b"abc", b""]
    assert reader.waiting_bytes == 1


def test_the_longest_message_fits_a_frame_and_a_longer_one_is_refused() -> None:
    assert frame(bytes(MESSAGE_BYTES_MAX))[:2] == b"\xff\xff"
    with pytest.raises(EncodeError, match="65536"):
        frame(bytes(MESSAGE_BYTES_MAX + 1))
