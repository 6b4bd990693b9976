"""Record framing: what is written is read, what is not a record is named."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lictor_raft_store import record
from lictor_raft_store.batch import encode_batch
from lictor_raft_store.record import BadRecord, HardState, LogEntry, RecordKind, SnapshotMark

U64 = st.integers(0, 2**64 - 1)


def test_the_checksum_is_crc32c_as_in_rfc_3720_appendix_b_4() -> None:
    for data, expected in (
        (bytes(32), 0x8A9136AA),
        (b"\xff" * 32, 0x62A8AB43),
        (bytes(range(32)), 0x46DD794E),
        (bytes(reversed(range(32))), 0x113FDB5C),
        (b"123456789", 0xE3069283),
    ):
        assert record.crc32c(data) == expected
    assert record.crc32c(b"6789", record.crc32c(b"12345")) == 0xE3069283


@given(U64, U64, st.integers(0, 255), st.binary(max_size=300))
def test_an_entry_comes_back_as_it_was(index: int, term: int, kind: int, data: bytes) -> None:
    entry = LogEntry(index, term, kind, data)
    encoded = record.encode_entry(entry)
    assert len(encoded) % record.ALIGNMENT == 0
    decoded = record.decode(encoded, 0, len(encoded))
    assert decoded.end == len(encoded)
    assert record.decode_value(decoded) == entry
    assert encoded == record.encode(RecordKind.ENTRY, struct.pack("<QQ", term, index) + data, aux=kind)


@given(U64, U64, U64, st.booleans())
def test_hard_states_marks_and_truncations_come_back_as_they_were(a: int, b: int, c: int, installed: bool) -> None:
    for encoded, value in (
        (record.encode_hard_state(HardState(a, b, c)), HardState(a, b, c)),
        (record.encode_snapshot_mark(SnapshotMark(a, b, installed)), SnapshotMark(a, b, installed)),
        (record.encode_truncate(a), a),
    ):
        assert record.decode_value(record.decode(encoded, 0, len(encoded))) == value


def test_bytes_that_are_no_record_are_named_by_field_and_rule() -> None:
    good = record.encode(RecordKind.ENTRY, bytes(20))
    for data, message in (
        (good[:8], "only 8 bytes left"),
        (bytes(32), "magic"),
        (good[:4] + struct.pack("<I", record.RECORD_BYTES_MAX + 1) + good[8:], "length at 0: 16777217, above 16777216"),
        (good[:4] + struct.pack("<I", 500) + good[8:], "reaches beyond 32"),
        (good[:16] + b"\x01" + good[17:], "crc"),
    ):
        with pytest.raises(BadRecord, match=message):
            record.decode(data, 0, len(data))


def test_a_length_over_the_bound_is_refused_before_the_bytes_are_looked_at() -> None:
    header = struct.pack("<IIBBH", 0, 2**32 - 1, 3, 0, record.MAGIC)
    with pytest.raises(BadRecord, match="length at 0: 4294967295, above 16777216"):
        record.decode(header, 0, 2**40)


def test_kinds_without_a_place_in_a_batch_and_wrong_lengths_are_refused() -> None:
    for kind, payload, message in (
        (RecordKind.SEGMENT_HEADER, b"", "kind 1 has no place inside a batch"),
        (RecordKind.HARD_STATE, bytes(23), "wrong length"),
        (RecordKind.TRUNCATE, b"", "wrong length"),
        (RecordKind.ENTRY, bytes(15), "at least 16"),
    ):
        encoded = record.encode(kind, payload)
        with pytest.raises(BadRecord, match=message):
            record.decode_value(record.decode(encoded, 0, len(encoded)))


def test_a_batch_that_cannot_be_stored_is_refused_by_the_name_of_its_field() -> None:
    big = bytes(record.ENTRY_DATA_BYTES_MAX + 1)
    for entries, message in (
        ([LogEntry(1, 1, 0, big)], "data of 16777201 bytes"),
        ([LogEntry(0, 1, 0, b"")], "index: 0"),
        ([LogEntry(1, 1, 0, b""), LogEntry(3, 1, 0, b"")], "3 follows 1, must be 2"),
        ([LogEntry(1, 2**64, 0, b"")], "out of range"),
        ([LogEntry(1, 1, 256, b"")], "out of range"),
        ([LogEntry(place, 1, 0, big[1:]) for place in range(1, 6)], "batch of"),
    ):
        with pytest.raises(ValueError, match=message):
            encode_batch(entries)
    with pytest.raises(ValueError, match="hard state vote: -1"):
        encode_batch(hard_state=HardState(1, -1, 0))
    with pytest.raises(ValueError, match="truncate_from: 0"):
        encode_batch(truncate_from=0)
