"""Zeros that a synced write takes along, so that the ones after it find written room: when, how far, and never over a batch."""

from lictor_raft_store.batch import EncodedBatch, encode_batch
from lictor_raft_store.record import LogEntry
from lictor_raft_store.sim_disk import SimDisk, SimFile
from lictor_raft_store.wal import Wal

SEGMENT = 16 * 1024
AHEAD = 2048


class WatchedFile(SimFile):
    """Notes where synced writes begin and end."""

    written: list[tuple[int, int]]

    def pwrite_durably(self, data: bytes, offset: int) -> None:
        self.written.append((offset, offset + len(data)))
        super().pwrite_durably(data, offset)


class WatchedDisk(SimDisk):
    """The synced writes of all files, in order."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[tuple[int, int]] = []

    def open(self, path: str, *, create: bool) -> SimFile:
        plain = super().open(path, create=create)
        file = WatchedFile(self, plain._inode)
        file.written = self.written
        return file


def one(index: int) -> EncodedBatch:
    return encode_batch([LogEntry(index, 1, 0, bytes([index]) * 400)])


def opened(disk: SimDisk, ahead_bytes: int = AHEAD) -> Wal:
    return Wal.open(disk, "wal", cluster_id="c", member_id=1, segment_bytes=SEGMENT, ahead_bytes=ahead_bytes)[0]


def indexes(disk: SimDisk) -> list[int]:
    found = Wal.open(disk, "wal", cluster_id="c", member_id=1, segment_bytes=SEGMENT)[1]
    return [entry.index for entry in found.entries]


def test_a_write_that_comes_to_unwritten_room_takes_zeros_along_and_the_next_ones_do_not() -> None:
    disk = WatchedDisk()
    wal = opened(disk)
    room_end, plain, longer = wal._position, 0, 0
    for index in range(1, 21):
        start = wal._position
        wal.write([one(index)], sync=True)
        begun, ended = disk.written[-1]
        assert begun == start, "never over what was written"
        if wal._position <= room_end:
            assert ended == wal._position
            plain += 1
        else:
            assert ended == wal._position + AHEAD
            room_end, longer = ended, longer + 1
    assert (plain, longer) == (15, 5)
    assert indexes(disk) == list(range(1, 21))


def test_the_zeros_end_with_the_segment() -> None:
    disk = WatchedDisk()
    wal = opened(disk, ahead_bytes=10 * SEGMENT)
    for index in range(1, 71):
        wal.write([one(index)], sync=True)
    assert max(ended for _, ended in disk.written) == SEGMENT
    assert len(disk.listdir("wal")) >= 3, "segments rotated"
    assert all(len(inode.volatile) == SEGMENT for inode in disk._names.values())
    assert indexes(disk) == list(range(1, 71))


def test_what_an_unsynced_write_has_put_there_stays() -> None:
    disk = WatchedDisk()
    wal = opened(disk)
    wal.write([one(1)], sync=True)
    for index in range(2, 9):
        wal.write([one(index)], sync=False)  # beyond the zeros
    wal.sync()
    wal.write([one(9)], sync=True)
    begun, ended = disk.written[-1]
    assert ended == wal._position + AHEAD
    assert begun > disk.written[0][1]
    assert indexes(disk) == list(range(1, 10))


def test_a_log_that_was_opened_anew_takes_zeros_along_with_its_first_write() -> None:
    disk = WatchedDisk()
    wal = opened(disk)
    wal.write([one(1)], sync=True)
    wal.close()
    wal = opened(disk)
    wal.write([one(2)], sync=True)
    assert disk.written[-1][1] == wal._position + AHEAD
    assert indexes(disk) == [1, 2]
