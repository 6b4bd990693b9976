"""Replays a log in a process of its own and prints the digest of the state at every index.

    python -m lictor_sim.replay LOG [--restore-at INDEX]

The state is a function of the log alone (design rule 3.5): processes with different hash seeds, and one that goes
through a snapshot midway, must print the same. A log is what `write_log` wrote: the committed entries of a simulated
cluster, as MessagePack.
"""

import argparse
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import msgspec

from lictor_raft import FOUNDING_INDEX, Entry, EntryKind
from lictor_state import Store, apply, apply_noop
from lictor_state.codec import decode_envelope
from lictor_state.levels import FOUNDING_LEVEL
from lictor_state.snapshot import dump, restore

_encoder = msgspec.msgpack.Encoder()
_entries = msgspec.msgpack.Decoder(tuple[Entry, ...])


def write_log(path: Path, entries: Iterable[Entry]) -> None:
    """Write committed entries, in order."""
    path.write_bytes(_encoder.encode(tuple(entries)))


def digests(entries: Sequence[Entry], cluster: str, restore_at: int = 0) -> Iterator[tuple[int, int]]:
    """The index and digest after each entry; at the Raft index `restore_at` the state goes through a snapshot."""
    store = Store(cluster, FOUNDING_LEVEL)
    store.advance(FOUNDING_INDEX)
    for entry in entries:
        if entry.kind is EntryKind.NORMAL and entry.data:
            apply(store, entry.index, decode_envelope(entry.data))
        else:
            apply_noop(store, entry.index)
        if entry.index == restore_at:
            store = restore(dump(store))
        yield store.index, store.digest()


def main(arguments: list[str] | None = None) -> int:
    """Print what `digests` gives; returns the exit status."""
    parser = argparse.ArgumentParser(prog="lictor_sim.replay", description="Digests of the state at every index.")
    parser.add_argument("log", type=Path, help="a file written by write_log")
    parser.add_argument("--cluster", default="replayed", help="the cluster id of the state")
    parser.add_argument("--restore-at", type=int, default=0, help="go through a snapshot at this Raft index")
    options = parser.parse_args(arguments)
    entries = _entries.decode(options.log.read_bytes())
    for index, digest in digests(entries, options.cluster, options.restore_at):
        sys.stdout.write(f"{index} {digest:016x}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
