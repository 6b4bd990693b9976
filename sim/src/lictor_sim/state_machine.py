"""The replicated object of the simulation: registers, locks and sets, with commands that take effect once.

Raft thesis 6.3: a client registers (its session is the index of that entry) and numbers its commands; each command
carries the lowest number that is still unanswered. Results are kept from that number on. A command below it, or of a
session that is not known any more, is refused and never applied. Sessions are bounded; the least recently used by index
goes first. All of it is part of the snapshot, and of the digest that members compare.

The object behind a key is told by its first letter: `r` register, `l` lock, `s` set.
"""

from typing import Any
from zlib import crc32

import msgspec

SESSIONS_MAX = 12
"""Few on purpose, so that sessions are dropped while their clients still use them."""

REGISTER = "register"
"""The kind of the command that opens a session."""
REFUSED = "refused"
"""The result of a command that was not applied, and never will be under this number."""


class Command(msgspec.Struct, array_like=True, frozen=True):
    """What a client asks for."""

    session: int
    number: int
    low: int
    """The lowest number of this session that the client has no answer to."""
    kind: str
    key: str = ""
    argument: Any = None


class Session(msgspec.Struct, array_like=True):
    """What is remembered of one client."""

    used: int
    low: int
    results: dict[int, Any]


class Image(msgspec.Struct, array_like=True):
    """Everything that a snapshot holds."""

    digest: int
    sessions: dict[int, Session]
    registers: dict[str, Any]
    locks: dict[str, tuple[int | None, int]]
    sets: dict[str, list[int]]


_encoder = msgspec.msgpack.Encoder()
encode_command = _encoder.encode
_decode_command = msgspec.msgpack.Decoder(Command).decode
_decode_image = msgspec.msgpack.Decoder(Image).decode


class StateMachine:
    """The state of one member."""

    def __init__(self, image: bytes = b"") -> None:
        self.image = _decode_image(image) if image else Image(0, {}, {}, {}, {})

    def encoded(self) -> bytes:
        """The state for a snapshot."""
        return _encoder.encode(self.image)

    def apply(self, index: int, data: bytes) -> tuple[Any, Command | None]:
        """Apply one entry; returns the result, and the command if it took effect just now."""
        result, effective = self._result(index, data) if data else (None, None)
        self.image.digest = crc32(b"%d %r %b" % (index, result, data), self.image.digest)
        return result, effective

    def _result(self, index: int, data: bytes) -> tuple[Any, Command | None]:
        command = _decode_command(data)
        if command.kind == REGISTER:
            self._open(index)
            return index, command
        session = self.image.sessions.get(command.session)
        if session is None:
            return REFUSED, None
        session.used = index
        self._trim(session, index, command)
        if command.number < session.low:
            return REFUSED, None
        if command.number in session.results:
            return session.results[command.number], None
        result = self._do(command)
        session.results[command.number] = result
        return result, command

    def read(self, key: str) -> Any:
        """What a key holds now, as the models of `linearizable_objects` have it."""
        image = self.image
        if key[0] == "r":
            return image.registers.get(key)
        if key[0] == "l":
            return image.locks.get(key, (None, 0))
        return tuple(image.sets.get(key, ()))

    def _open(self, index: int) -> None:
        sessions = self.image.sessions
        sessions[index] = Session(index, 0, {})
        if len(sessions) > SESSIONS_MAX:
            del sessions[min(sessions, key=lambda number: (sessions[number].used, number))]

    def _trim(self, session: Session, index: int, command: Command) -> None:
        """Forget the results that the client has."""
        del index  # the client decides, never the age
        if command.low > session.low:
            session.low = command.low
            for number in [number for number in session.results if number < command.low]:
                del session.results[number]

    def _do(self, command: Command) -> Any:
        image, key, argument = self.image, command.key, command.argument
        match command.kind:
            case "write":
                image.registers[key] = argument
                return True
            case "cas":
                expected, new = argument
                swaps = image.registers.get(key) == expected
                if swaps:
                    image.registers[key] = new
                return swaps
            case "acquire":
                owner, lock_index = image.locks.get(key, (None, 0))
                if owner not in (None, argument):
                    return False
                image.locks[key] = (argument, lock_index + (owner is None))
                return image.locks[key][1]
            case "release":
                owner, lock_index = image.locks.get(key, (None, 0))
                if owner == argument:
                    image.locks[key] = (None, lock_index)
                return owner == argument
            case "add":
                image.sets.setdefault(key, []).append(argument)
                return True
        raise ValueError(f"there is no command {command.kind}")
