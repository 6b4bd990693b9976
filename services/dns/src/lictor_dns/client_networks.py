"""Networks of clients: who may have other names resolved (RFC 5358: serving everybody serves attackers). Pure."""

from collections.abc import Iterable
from ipaddress import ip_network
from typing import Final

NETWORKS_MAX: Final = 64
"""Each is looked at for a question that goes to recursors; more belong into a firewall."""

PRIVATE: Final = (
    "127.0.0.0/8,10.0.0.0/8,172.16.0.0/12,192.168.0.0/16,100.64.0.0/10,169.254.0.0/16,::1/128,fc00::/7,fe80::/10"
)
"""This machine, and networks that nobody reaches from outside (RFC 1918, 6598, 3927, 4193, 4291)."""


class Networks:
    """A set of networks; `packed in networks` for an address of 4 or 16 bytes."""

    def __init__(self, texts: Iterable[str]) -> None:
        """Networks as `10.0.0.0/8` or an address alone.

        Raises:
            ValueError: names the text that is none, or says that there are too many.
        """
        found = []
        for text in texts:
            try:
                network = ip_network(text)
            except ValueError as error:
                raise ValueError(f"{text!r} is no network: {error}") from None
            found.append((len(network.network_address.packed), int(network.network_address), int(network.netmask)))
        if len(found) > NETWORKS_MAX:
            raise ValueError(f"{len(found)} networks, at most {NETWORKS_MAX}")
        self._networks = tuple(dict.fromkeys(found))

    @classmethod
    def from_text(cls, text: str) -> "Networks":
        """Out of a comma separated list; an empty one holds nobody."""
        return cls(part.strip() for part in text.split(",") if part.strip())

    def __contains__(self, packed: bytes) -> bool:
        number, size = int.from_bytes(packed, "big"), len(packed)
        return any(size == own and number & mask == network for own, network, mask in self._networks)
