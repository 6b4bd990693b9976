"""A client's query as far as its reply depends on it: the question, the way it came, and what EDNS says. Pure.

The reply's OPT record repeats the client's payload size, as Consul's does, and the client subnet with the scope that
the answer is valid for (RFC 7871, section 7.2.1); options that we do not know are not repeated (RFC 6891, section
6.1.2).
"""

from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final

from lictor_dnswire import (
    CLIENT_SUBNET,
    MESSAGE_BYTES_MAX,
    UDP_BYTES_MIN,
    ClientSubnet,
    Opt,
    Question,
)

UDP_BYTES_MAX: Final = 65_467
"""The largest UDP reply, as Consul's: 65,535 less headers and a margin."""


@dataclass(frozen=True, slots=True)
class ClientQuery:
    """One query.

    Attributes:
        data: the whole message.
        question: what it asks.
        client: the client's address, packed.
        udp: it came as a datagram.
        subnet: the network that it is asked for, if it says so.
    """

    data: bytes
    question: Question
    client: bytes
    udp: bool
    subnet: ClientSubnet | None

    @property
    def max_bytes(self) -> int:
        """The largest reply that the client takes."""
        return min(self.question.udp_bytes, UDP_BYTES_MAX) if self.udp else MESSAGE_BYTES_MAX

    @property
    def is_plain_udp(self) -> bool:
        """The client takes 512 bytes, and is given few answers."""
        return self.udp and self.question.udp_bytes == UDP_BYTES_MIN

    @property
    def source(self) -> str:
        """The address that distance and the like are reckoned from, as text."""
        return str(ip_address(self.client if self.subnet is None else self.subnet.packed()))

    def opt(self, *, for_subnet_only: bool = False) -> Opt | None:
        """The OPT record of the reply, if the query has one.

        Args:
            for_subnet_only: the answer is valid for the client's network, and not for everybody.
        """
        theirs = self.question.edns
        if theirs is None:
            return None
        if self.subnet is None:
            return Opt(payload_bytes=theirs.payload_bytes)
        scope = self.subnet.source_bits if for_subnet_only else 0
        return Opt(payload_bytes=theirs.payload_bytes, options=(self.subnet.to_option(scope_bits=scope),))


def subnet_of(question: Question) -> ClientSubnet | None:
    """The network that a query is asked for, if it says so.

    Raises:
        FormatError: it says so wrongly.
    """
    option = None if question.edns is None else question.edns.option(CLIENT_SUBNET)
    return None if option is None else ClientSubnet.from_option(option)
