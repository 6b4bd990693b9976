"""Which resources of one type a client is interested in: wildcard, legacy wildcard, names.

Follows Envoy's xDS protocol documentation, "How the client specifies what resources to return". Until a client has
named anything, an empty first request for a root type is a wildcard ("legacy"); once any name was sent, `*` included,
emptiness never again means everything.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from lictor_xdsproto.errors import SubscriptionLimit
from lictor_xdsproto.resource import ROOT_TYPES

WILDCARD: Final = "*"

NAMES_MAX: Final = 32_768
"""Names that one stream may subscribe to per type: a sidecar has tens, a large gateway a few thousand; beyond that a
client is broken or hostile, and each name costs memory and time on every change."""


class Interest:
    """The subscription state of one (stream, type)."""

    __slots__ = ("_first", "_legacy_possible", "_type_url", "names", "wildcard")

    def __init__(self, type_url: str) -> None:
        self._type_url = type_url
        self._legacy_possible = type_url in ROOT_TYPES
        self._first = True
        self.wildcard = False
        self.names: set[str] = set()

    def covers(self, name: str) -> bool:
        """Whether the client wants that resource."""
        return self.wildcard or name in self.names

    def change(self, subscribe: Iterable[str], unsubscribe: Iterable[str]) -> tuple[list[str], list[str]]:
        """Apply one delta request; empty lists mean no change, except on the first request of a root type.

        Returns:
            The names subscribed to, which must all be answered, new or not, and the names unsubscribed from that
            were subscribed; both without the wildcard and in the request's order.

        Raises:
            SubscriptionLimit: more than `NAMES_MAX` names.
        """
        wanted = list(dict.fromkeys(subscribe))
        unwanted = list(dict.fromkeys(unsubscribe))
        if wanted or unwanted:
            self._legacy_possible = False
        if self._first and self._legacy_possible:
            self.wildcard = True
        self._first = False
        dropped = []
        for name in unwanted:
            if name == WILDCARD:
                self.wildcard = False
            elif name in self.names:
                self.names.remove(name)
                dropped.append(name)
        if WILDCARD in wanted:
            self.wildcard = True
            wanted.remove(WILDCARD)
        self.names.update(wanted)
        self._check_bound()
        return wanted, dropped

    def replace(self, names: Iterable[str]) -> None:
        """Apply one state-of-the-world request, which lists everything that the client wants.

        Raises:
            SubscriptionLimit: more than `NAMES_MAX` names.
        """
        whole = set(names)
        if whole:
            self._legacy_possible = False
        self.wildcard = WILDCARD in whole or (not whole and self._legacy_possible)
        whole.discard(WILDCARD)
        self.names = whole
        self._check_bound()

    def _check_bound(self) -> None:
        if len(self.names) > NAMES_MAX:
            raise SubscriptionLimit(f"{self._type_url}: at most {NAMES_MAX} names per stream, not {len(self.names)}")
