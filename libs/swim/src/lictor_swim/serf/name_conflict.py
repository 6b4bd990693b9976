"""Two nodes under one name: the pool votes which of them keeps it (Serf's conflict resolution).

A node that sees its own name claimed from elsewhere asks all others whom they know under that name. If most of them
know it at this node's address it goes on; otherwise it is the intruder and should stop, without leaving: a leave would
take the rightful owner out of every list.
"""

from collections.abc import Callable

from lictor_swim.addresses import Endpoint, endpoint_of
from lictor_swim.serf.asking import AskFor, QueryParams
from lictor_swim.serf.events import NameLost, SerfEvent
from lictor_swim.serf.members import SerfMembers
from lictor_swim.serf.query_exchange import INTERNAL_PREFIX
from lictor_swim.serf.wire import ConflictResponse, Query, SerfType, decode_serf, encode_serf
from lictor_swim.wire.errors import WireError

CONFLICT = "conflict"
_NIL = 0xC0


class NameConflicts:
    """Asks for votes about this node's name, and votes about the names of others.

    Args:
        own_name: this node.
        own_endpoint: where it is reached.
        members: the table of members, from which it votes.
        ask_for: asks a query on behalf of an asker.
        emit: told when the name is lost.
    """

    def __init__(
        self,
        own_name: str,
        own_endpoint: Callable[[], Endpoint],
        members: SerfMembers,
        ask_for: AskFor,
        emit: Callable[[SerfEvent], None],
    ) -> None:
        self._own_name = own_name
        self._own_endpoint = own_endpoint
        self._members = members
        self._ask_for = ask_for
        self._emit = emit
        self._voting = False

    def seen(self, claimed: Endpoint, now: float) -> None:
        """Someone claims this node's name at `claimed`; one vote at a time."""
        if self._voting:
            return
        params = QueryParams(name=INTERNAL_PREFIX + CONFLICT, payload=self._own_name.encode("utf-8", "surrogateescape"))
        try:
            self._ask_for(params, lambda _: _Vote(self._own_endpoint(), claimed, self._counted), now)
        except ValueError:
            return  # too many queries are open: the next claim asks again
        self._voting = True

    def _counted(self, lost: NameLost | None) -> None:
        self._voting = False
        if lost is not None:
            self._emit(lost)

    def vote(self, query: Query, now: float) -> bytes | None:  # noqa: ARG002  (the shape of an internal answer)
        """Tell whom this node knows under the name in question; nothing about its own name."""
        name = (query.payload or b"").decode("utf-8", "surrogateescape")
        if name == self._own_name:
            return None
        member = self._members.find(name)
        if member is None:
            return bytes((SerfType.CONFLICT_RESPONSE, _NIL))
        return encode_serf(
            ConflictResponse(
                member.name, member.address, member.port, member.tags, int(member.status), *member.versions
            )
        )


class _Vote:
    """Counts one vote."""

    def __init__(self, ours: Endpoint, claimed: Endpoint, counted: Callable[[NameLost | None], None]) -> None:
        self._ours = ours
        self._claimed = claimed
        self._counted = counted
        self._votes = 0
        self._for_us = 0

    def ack(self, member: str) -> None:
        """A vote wants no acks."""

    def answer(self, member: str, payload: bytes) -> bool:  # noqa: ARG002  (the protocol's shape)
        """One vote: for us if it names our address; one that cannot be read is against us."""
        self._votes += 1
        try:
            vote = decode_serf(payload)
            if isinstance(vote, ConflictResponse) and vote.address:
                self._for_us += endpoint_of(vote.address, vote.port) == self._ours
        except WireError:
            pass
        return False

    def done(self, acks: int, answers: int) -> None:  # noqa: ARG002  (the protocol's shape)
        """The name is kept by a majority of the votes; with no vote at all it is lost."""
        won = self._for_us >= self._votes // 2 + 1
        self._counted(None if won else NameLost(self._claimed, self._votes, self._for_us))
