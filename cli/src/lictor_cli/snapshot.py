"""`lictor snapshot`: save, inspect and restore archives of the whole state, over the HTTP API.

An archive is checked here too: before it is kept, so that what a backup job saved can be restored; and before it is
sent. It is written beside its name first and renamed when it is whole, so that a failed save leaves the last one.
"""

import os
from pathlib import Path

from rich.console import Console
from rich.table import Table as Shown

from lictor_cli.http_api import Api
from lictor_state import CodecError
from lictor_state.archive import Contents, inspect
from lictor_state.archive_file import ArchiveError, dump_parts

PIECE_BYTES = 256 * 1024
PRIVATE = 0o600
"""An archive holds the CA's private key."""

TIMEOUT_S = 600.0
"""A large state takes a while to save, and longer to go through the log."""


class SnapshotError(Exception):
    """The archive is not sound, or could not be read or written; the message is one line."""


def read(path: Path) -> Contents:
    """What an archive holds, after every byte of it was checked; raises `SnapshotError`."""
    try:
        with path.open("rb") as file:
            return inspect(dump_parts(iter(lambda: file.read(PIECE_BYTES), b"")))
    except (ArchiveError, CodecError, OSError) as error:
        raise SnapshotError(f"{path}: {error}") from error


def save(api: Api, path: Path, *, stale: bool) -> Contents:
    """Save the state to a file; raises `SnapshotError` and `ApiError`."""
    partial = path.with_name(path.name + ".partial")
    try:
        partial.unlink(missing_ok=True)
        with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE), "wb") as file:
            api.download("/v1/snapshot?stale" if stale else "/v1/snapshot", file)
            file.flush()
            os.fsync(file.fileno())
        contents = read(partial)
        partial.replace(path)
    except OSError as error:
        raise SnapshotError(f"{path}: {error}") from error
    finally:
        partial.unlink(missing_ok=True)
    return contents


def restore(api: Api, path: Path) -> Contents:
    """Replace the cluster's state by a file's; raises `SnapshotError` and `ApiError`."""
    contents = read(path)
    with path.open("rb") as file:
        api.upload("/v1/snapshot", file, path.stat().st_size)
    return contents


def show(contents: Contents, console: Console) -> None:
    """Print what an archive holds."""
    console.print(
        f"index {contents.index}, epoch {contents.epoch}, level {contents.level}, of cluster {contents.cluster_id}"
    )
    shown = Shown("table", "rows", "bytes", box=None, pad_edge=False)
    for table, size in sorted(contents.tables.items(), key=lambda one: -one[1].bytes):
        shown.add_row(table.name.lower(), str(size.rows), str(size.bytes))
    shown.add_row("total", str(sum(size.rows for size in contents.tables.values())), str(contents.bytes))
    console.print(shown)
