"""Commands by which an archived state takes the place of the present one (see `apply_restore`).

Part of the log's format, as `commands` says, which gives all of them.
"""

import msgspec


class RestoreBegin(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=25):
    """Begin to replace the whole state by an archived one; one under way is given up. Result: True.

    `header` is the first part of the archived dump; chunks carry the bytes of the others, cut anywhere.
    """

    restore_id: str
    header: bytes


class RestoreChunk(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=26):
    """The next bytes of the archived dump, numbered from 0. Result: True."""

    restore_id: str
    number: int
    data: bytes


class RestoreCommit(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=27):
    """Put the archived state in place. `digest` is `restore_digest` of header and data. Result: the new index."""

    restore_id: str
    digest: str


class RestoreAbort(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=28):
    """Give a restore up. Result: bool, whether it was under way."""

    restore_id: str
