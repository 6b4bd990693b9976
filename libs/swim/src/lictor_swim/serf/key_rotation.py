"""Changing the keys of a running pool: install a key everywhere, encrypt with it everywhere, remove the old one.

Each step is a query to all members, who change their ring and answer; the asker gathers who did and who did not
(`serf keys`). Nothing is undone when some fail: the operator sees it and asks again, each step may be repeated.
"""

import base64
from collections import Counter
from collections.abc import Callable

from lictor_swim.serf.asking import AskFor, QueryParams
from lictor_swim.serf.events import KeyOperation, KeyringChanged, KeysDone, QueryId, SerfEvent
from lictor_swim.serf.query_exchange import INTERNAL_PREFIX
from lictor_swim.serf.wire import KeyRequest, KeyResponse, Query, decode_serf, encode_serf
from lictor_swim.wire.errors import WireError
from lictor_swim.wire.keyring import KEY_BYTES, Keyring

LIST_BYTES_MAX = 960
"""Largest list of keys: what remains of an answer's 1,024 bytes after its envelope with a name of 40 bytes."""

PATIENCE_S = 2.5
"""A key query waits so long at least, about what Serf waits in a small LAN pool: fast profiles would take a busy member
for one that refuses. Once all have answered it is over."""

TEXT_LENGTH_MAX = 512
"""Longest remark of a member that is kept."""

KEYS_COUNTED_MAX = 4096
"""Most different keys counted over all answers: a pool has three, and liars must not fill memory."""

_NO_RING_TO_CHANGE = "No keyring to modify (encryption not enabled)"
_NO_RING_TO_LIST = "Keyring is empty (encryption not enabled)"


class KeyRotation:
    """Key operations on the whole pool, and this node's part in those of others.

    Args:
        ask_for: asks a query on behalf of an asker.
        living: how many members are alive, this one included.
        keyring: gives this node's ring; None when the pool is not encrypted.
        replace_keyring: puts another one in its place.
        emit: told of outcomes and of changes of the own ring.
    """

    def __init__(
        self,
        ask_for: AskFor,
        living: Callable[[], int],
        keyring: Callable[[], Keyring | None],
        replace_keyring: Callable[[Keyring], None],
        emit: Callable[[SerfEvent], None],
    ) -> None:
        self._ask_for = ask_for
        self._living = living
        self._keyring = keyring
        self._replace_keyring = replace_keyring
        self._emit = emit

    # Asking

    def install(self, key: bytes, now: float, *, relay_factor: int = 0) -> QueryId:
        """Have every member accept a key; KeysDone with this id follows. ValueError when it is no AES key."""
        return self._ask(KeyOperation.INSTALL, key, now, relay_factor)

    def use(self, key: bytes, now: float, *, relay_factor: int = 0) -> QueryId:
        """Have every member encrypt with a key that is installed; the same."""
        return self._ask(KeyOperation.USE, key, now, relay_factor)

    def remove(self, key: bytes, now: float, *, relay_factor: int = 0) -> QueryId:
        """Have every member forget a key that is not the one it encrypts with; the same."""
        return self._ask(KeyOperation.REMOVE, key, now, relay_factor)

    def list_keys(self, now: float, *, relay_factor: int = 0) -> QueryId:
        """Ask every member for its keys; the same."""
        return self._ask(KeyOperation.LIST, b"", now, relay_factor)

    def _ask(self, operation: KeyOperation, key: bytes, now: float, relay_factor: int) -> QueryId:
        if operation is not KeyOperation.LIST and len(key) not in KEY_BYTES:
            raise ValueError(f"a gossip key has 16, 24 or 32 bytes, not {len(key)}")
        params = QueryParams(
            name=INTERNAL_PREFIX + operation.value,
            payload=encode_serf(KeyRequest(key)),
            relay_factor=relay_factor,
            timeout_s_min=PATIENCE_S,
        )
        living = self._living()
        return self._ask_for(params, lambda query: _Outcome(query, operation, living, self._emit), now)

    # Being asked

    def answer(self, operation: KeyOperation, query: Query) -> bytes:
        """This node's answer to a key query, after it has done what was asked."""
        try:
            request = decode_serf(query.payload or b"")
        except WireError as error:
            return encode_serf(KeyResponse(message=f"key request cannot be read: {error}"))
        if not isinstance(request, KeyRequest):
            return encode_serf(KeyResponse(message="key request is another message"))
        ring = self._keyring()
        if operation is KeyOperation.LIST:
            return _listing(ring)
        if ring is None:
            return encode_serf(KeyResponse(message=_NO_RING_TO_CHANGE))
        try:
            changed = _changed(ring, operation, request.key)
        except ValueError as error:
            return encode_serf(KeyResponse(message=str(error)))
        if changed.keys != ring.keys:
            self._replace_keyring(changed)
            self._emit(KeyringChanged(changed.keys))
        return encode_serf(KeyResponse(result=True))


def _changed(ring: Keyring, operation: KeyOperation, key: bytes) -> Keyring:
    """The ring after an operation; ValueError with Serf's words when it is refused."""
    keys = ring.keys
    if operation is KeyOperation.INSTALL:
        return Keyring((*keys, key))
    others = tuple([one for one in keys if one != key])
    if operation is KeyOperation.USE:
        if key not in keys:
            raise ValueError("Requested key is not in the keyring")
        return Keyring((key, *others))
    if key == keys[0]:
        raise ValueError("Removing the primary key is not allowed")
    return Keyring(others)


def _listing(ring: Keyring | None) -> bytes:
    """All keys, or the first of them that fit one answer."""
    if ring is None:
        return encode_serf(KeyResponse(message=_NO_RING_TO_LIST))
    keys = tuple([base64.b64encode(key).decode() for key in ring.keys])
    remark = ""
    for count in range(len(keys), 0, -1):
        if count < len(keys):
            remark = f"the first {count} of {len(keys)} keys: the others do not fit one answer"
        listing = encode_serf(KeyResponse(result=True, message=remark, keys=keys[:count], primary_key=keys[0]))
        if len(listing) <= LIST_BYTES_MAX:
            break
    return listing


def _read(payload: bytes) -> KeyResponse:
    """A member's answer; one that cannot be read is a refusal that says so."""
    try:
        response = decode_serf(payload)
    except WireError as error:
        return KeyResponse(message=str(error))
    if isinstance(response, KeyResponse):
        return response
    return KeyResponse(message=f"{type(response).__name__} is no answer to a key query")


class _Outcome:
    """Gathers the answers to one key query."""

    def __init__(
        self, query: QueryId, operation: KeyOperation, members: int, emit: Callable[[SerfEvent], None]
    ) -> None:
        self._query = query
        self._operation = operation
        self._members = members
        self._emit = emit
        self._answered = 0
        self._failed = 0
        self._messages: dict[str, str] = {}
        self._keys: Counter[str] = Counter()
        self._primary_keys: Counter[str] = Counter()

    def ack(self, member: str) -> None:
        """Key queries want no acks."""

    def answer(self, member: str, payload: bytes) -> bool:
        """Count one member; once all have answered there is nothing to wait for."""
        self._answered += 1
        response = _read(payload)
        self._failed += not response.result
        if response.message or not response.result:
            self._messages[member] = response.message[:TEXT_LENGTH_MAX]
        if self._operation is KeyOperation.LIST and response.result:
            self._count(self._keys, response.keys or ())
            self._count(self._primary_keys, (response.primary_key,) if response.primary_key else ())
        return self._answered >= self._members

    def _count(self, counter: Counter[str], keys: tuple[str, ...]) -> None:
        counter.update(key for key in set(keys) if key in counter or len(counter) < KEYS_COUNTED_MAX)

    def done(self, acks: int, answers: int) -> None:  # noqa: ARG002  (the protocol's shape)
        """Tell it."""
        self._emit(
            KeysDone(
                self._query,
                self._operation,
                self._members,
                self._answered,
                self._failed,
                self._messages,
                dict(self._keys),
                dict(self._primary_keys),
            )
        )


def answers(rotation: KeyRotation) -> dict[str, Callable[[Query, float], bytes | None]]:
    """The internal queries that key rotation answers, by name without the prefix."""

    def answer_for(operation: KeyOperation) -> Callable[[Query, float], bytes | None]:
        return lambda query, _now: rotation.answer(operation, query)

    return {operation.value: answer_for(operation) for operation in KeyOperation}
