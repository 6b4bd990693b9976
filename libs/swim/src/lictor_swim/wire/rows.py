"""The rows of an exchange of state, written and read fast: a pool of 5,000 exchanges 5,000 of them at a time.

Rows are values and hardly ever change, so their bytes are kept. Reading takes a short way as long as a row looks as
every known peer writes it (all seven fields, keys sorted, smallest forms) and the general one otherwise.
"""

from functools import lru_cache

from lictor_swim.wire.messages import NODE_STATE, NodeState
from lictor_swim.wire.msgpack import Reader

ROWS_KEPT = 16_384
"""As many as there can be members; about 4 MiB."""

encode_row = lru_cache(ROWS_KEPT)(NODE_STATE.encode)
"""One row's bytes."""

_HEAD = b"\x87\xa4Addr\xa4"
_INCARNATION = b"\xabIncarnation"
_META = b"\xa4Meta"
_NAME = b"\xa4Name"
_PORT = b"\xa4Port\xcd"
_STATE = b"\xa5State"
_VERSIONS = b"\xa3Vsn\xa6"
_HEAD_END = len(_HEAD) + 4
_SHORT = 0x80
_INTEGERS = {0xCC: 1, 0xCD: 2, 0xCE: 4}


def read_row(reader: Reader) -> NodeState:
    """Read one row.

    Raises:
        WireError: it is malformed.
    """
    row = _read_usual(reader)
    return NODE_STATE.read(reader) if row is None else row


def pass_row(reader: Reader) -> bool:
    """Pass over a whole row of the usual form; whether there was one."""
    return _read_usual(reader) is not None


def _read_usual(reader: Reader) -> NodeState | None:
    """The row if it has the usual form; otherwise None, and nothing is read."""
    data, at = reader.data, reader.position
    if not data.startswith(_HEAD, at) or not data.startswith(_INCARNATION, at + _HEAD_END):
        return None
    address = bytes(data[at + len(_HEAD) : at + _HEAD_END])
    try:
        at += _HEAD_END + len(_INCARNATION)
        incarnation, at = _integer(data, at)
        if not data.startswith(_META, at):
            return None
        meta, at = _raw(data, at + len(_META))
        if not data.startswith(_NAME, at):
            return None
        name, at = _raw(data, at + len(_NAME))
        if not data.startswith(_PORT, at):
            return None
        at += len(_PORT)
        port = data[at] << 8 | data[at + 1]
        at += 2
        if not data.startswith(_STATE, at):
            return None
        at += len(_STATE)
        state = data[at]
        at += 1
    except (IndexError, KeyError):
        return None
    end = at + len(_VERSIONS) + 6
    if state >= _SHORT or end > len(data) or not data.startswith(_VERSIONS, at):
        return None
    reader.position = end
    versions = bytes(data[end - 6 : end])
    return NodeState(name.decode("utf-8", "surrogateescape"), address, port, meta, incarnation, state, versions)


def _integer(data: bytes | bytearray, at: int) -> tuple[int, int]:
    """An unsigned number of at most 32 bits and where it ends; KeyError for another form."""
    code = data[at]
    if code < _SHORT:
        return code, at + 1
    end = at + 1 + _INTEGERS[code]
    if end > len(data):
        raise IndexError
    return int.from_bytes(data[at + 1 : end], "big"), end


def _raw(data: bytes | bytearray, at: int) -> tuple[bytes, int]:
    """Text or bytes in the two usual forms and where they end; KeyError for another form."""
    code = data[at]
    if 0xA0 <= code <= 0xBF:
        start, size = at + 1, code & 0x1F
    elif code == 0xDA:
        start, size = at + 3, data[at + 1] << 8 | data[at + 2]
    else:
        raise KeyError(code)
    end = start + size
    if end > len(data):
        raise IndexError
    return bytes(data[start:end]), end
