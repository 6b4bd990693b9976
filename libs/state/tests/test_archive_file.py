"""The archive's file form: what is written is read again, what others wrote or damaged is refused in one line."""

import gzip
import io
import json
import tarfile
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lictor_state import Envelope, Store, apply, apply_noop, dump_stream
from lictor_state.archive import inspect
from lictor_state.archive_file import ArchiveError, ArchiveReader, about, dump_parts, state_file, write
from lictor_state.commands import KVSet
from lictor_state.rows import Table


def archive(keys: int = 20) -> bytes:
    store = Store("cluster")
    apply_noop(store, 1)
    for number in range(keys):
        apply(store, number + 2, Envelope(0, 0, 0, KVSet(f"k{number}", b"v" * 100)))
    header, *rest = dump_stream(store, "all")
    state = b"".join(state_file([header, *rest]))
    return b"".join(write(about(header, len(state)), [state]))


def read(data: bytes, size: int = 1000) -> tuple[Any, bytes]:
    reader = ArchiveReader()
    state = b"".join(piece for at in range(0, len(data), size) for piece in reader.feed(data[at : at + size]))
    return reader.finish(), state


def made(members: dict[str, bytes], *, sums: bool = True, kind: bytes = tarfile.REGTYPE) -> bytes:
    """An archive as somebody else might write one."""
    if sums:
        lines = (f"{sha256(body).hexdigest()}  {name}\n" for name, body in members.items())
        members = {**members, "SHA256SUMS": "".join(lines).encode()}
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz", format=tarfile.USTAR_FORMAT) as tar:
        for name, body in members.items():
            info = tarfile.TarInfo(name)
            info.size, info.type = len(body), kind
            tar.addfile(info, io.BytesIO(body))
    return out.getvalue()


META = json.dumps(
    {
        "Version": 1,
        "ID": "1-2",
        "Index": 2,
        "Term": 0,
        "Size": 1,
        "Lictor": {"Format": 1, "Cluster": "c", "Epoch": 1, "Level": 1},
    }
).encode()
CONSULS = json.dumps({"Version": 1, "ID": "2-148-17", "Index": 148, "Term": 2, "Peers": "x", "Size": 1}).encode()


@pytest.mark.parametrize("size", [1, 7, 511, 4096, 1 << 20])
def test_what_is_written_is_read_again_in_any_pieces(size: Any) -> None:
    meta, state = read(archive(), size)
    assert (meta.index, meta.lictor.cluster, meta.size) == (21, "cluster", len(state))
    sound = archive()
    pieces = (sound[at : at + size] for at in range(0, len(sound), size))
    assert inspect(dump_parts(pieces)).tables[Table.KV].rows == 20


def test_others_can_read_it() -> None:
    with tarfile.open(fileobj=io.BytesIO(archive())) as tar:
        assert tar.getnames() == ["meta.json", "state.bin", "SHA256SUMS"]
        bodies = {name: tar.extractfile(name).read() for name in tar.getnames()}  # type: ignore[union-attr]  # files
    for line in bodies["SHA256SUMS"].decode().splitlines():
        total, name = line.split("  ")
        assert sha256(bodies[name]).hexdigest() == total


def test_what_others_wrote_in_the_same_form_is_read() -> None:
    assert read(made({"meta.json": META, "state.bin": b"x"}))[1] == b"x"


def test_equal_states_give_equal_archives() -> None:
    assert archive() == archive()


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"hello", "not a sound gzip file"),
        (gzip.compress(b"x" * 600), "not a sound tar file"),
        (gzip.compress(b""), "cut off"),
        (b"", "cut off"),
        (made({"meta.json": CONSULS, "state.bin": b"x"}), "a snapshot of a Consul server"),
        (made({"meta.json": b"{", "state.bin": b"x"}), "meta.json: "),
        (made({"meta.json": META, "state.bin": b"xy"}), "2 bytes where 1 were written"),
        (made({"state.bin": b"x", "meta.json": META}), "where meta.json should be"),
        (made({"meta.json": META, "../state.bin": b"x"}), "where state.bin should be"),
        (made({"meta.json": META, "state.bin": b"x"}, kind=tarfile.SYMTYPE), "where meta.json should be"),
        (made({"meta.json": META, "state.bin": b"x", "SHA256SUMS": b"", "more": b""}, sums=False), "is damaged"),
        (made({"meta.json": META, "state.bin": b"x"}, sums=False), "cut off"),
        (made({"meta.json": b"x" * 70_000, "state.bin": b"x"}), "too many"),
        (archive() + b"more", "goes on after its end"),
    ],
)
def test_what_is_no_sound_archive_of_ours_is_refused_in_one_line(data: Any, reason: Any) -> None:
    with pytest.raises(ArchiveError) as refused:
        read(data)
    text = str(refused.value)
    assert reason in text or (reason == "is damaged" and "its end should be" in text)
    assert "\n" not in text


def test_a_state_above_the_bound_is_refused_before_it_is_read(monkeypatch: Any) -> None:
    monkeypatch.setattr("lictor_state.archive_file.STAGED_BYTES_MAX", 100)
    with pytest.raises(ArchiveError, match="too many"):
        read(archive())


def test_little_is_held_while_a_bomb_is_fed() -> None:
    reader = ArchiveReader()
    bomb = gzip.compress(bytes(1 << 24))
    assert list(reader.feed(bomb)) == []
    assert len(reader._buffer) < 1024


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_a_flipped_byte_is_noticed_where_it_means_something_and_a_missing_one_always(data: Any) -> None:
    sound = archive(3)
    at = data.draw(st.integers(10, len(sound) - 1))  # the first ten are gzip's own header, with fields nobody needs
    with pytest.raises(ArchiveError):
        read(sound[:at])
    flipped = bytearray(sound)
    flipped[at] ^= data.draw(st.integers(1, 255))
    try:
        result = read(bytes(flipped))
    except ArchiveError:
        return
    assert result == read(sound)  # deflate pads its last byte with bits that mean nothing
