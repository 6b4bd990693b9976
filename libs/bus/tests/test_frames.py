"""Frames: whatever comes is decoded or refused."""

import pytest

from lictor_bus import frames
from lictor_bus.frames import FailureReport, FrameError


@pytest.mark.parametrize("damage", [0x00, 0x7F, 0xC1, 0xFF])
def test_a_damaged_frame_is_decoded_or_refused_and_raises_nothing_else(damage: int) -> None:
    data = frames.encode(FailureReport("cluster", "n1", "run", 0, {"n2": 3}, ("n2", "n3"), ("n4",)))
    refused = 0
    for at in range(len(data)):
        try:
            frames.decode(data[:at] + bytes([damage]) + data[at + 1 :], FailureReport)
        except FrameError:
            refused += 1
    assert refused
