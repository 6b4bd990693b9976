"""The replicated state: rows, commands, apply, changes, queries, watches and snapshots."""

from lictor_state.apply import Applied, apply, apply_noop
from lictor_state.commands import Command, Envelope, Result
from lictor_state.errors import CodecError
from lictor_state.rows import Change, Key, Row, Table
from lictor_state.snapshot import StreamRestore, dump, dump_stream, restore
from lictor_state.store import Store
from lictor_state.streams import STREAM_TABLES, STREAMS, Stream
from lictor_state.watches import Token, Watch, Watches

__all__ = [
    "STREAMS",
    "STREAM_TABLES",
    "Applied",
    "Change",
    "CodecError",
    "Command",
    "Envelope",
    "Key",
    "Result",
    "Row",
    "Store",
    "Stream",
    "StreamRestore",
    "Table",
    "Token",
    "Watch",
    "Watches",
    "apply",
    "apply_noop",
    "dump",
    "dump_stream",
    "restore",
]
