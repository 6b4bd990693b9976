"""`/v1/agent/connect/ca/leaf/:service`: keys and leaves made and signed here, kept until they should be renewed.

One leaf per service, as Consul's agent keeps it: the same one is served until a moment between 60 and 90 % of its life,
or until another root signs. A request may block on the leaf's index; it returns with the next leaf.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable

import msgspec

from lictor_catalog import mesh_json
from lictor_catalog.ca_service import CAService, CAUnavailableError
from lictor_catalog.consistency import ReadOptions
from lictor_catalog.errors import ApiError
from lictor_catalog.page import Page, json_page
from lictor_catalog.ports import ViewPort
from lictor_mesh.identity import ServiceIdentity, trust_domain
from lictor_pki import SigningRefused, create_key_and_csr, renewal_at

LEAVES_MAX = 4096
"""Services that one agent's host runs are tens; beyond this the least recently used leaf is dropped and made anew."""

LOOK_AGAIN_S = 5.0
"""How often a waiting request looks whether its leaf is due: a root's change is rare and renewal never urgent."""


class _Leaf(msgspec.Struct, frozen=True):
    page: Page
    root_id: str
    renew_at: float


class LeafCache:
    """Makes, keeps and renews leaves.

    Args:
        now: Unix time in seconds.
        dice: a number in [0, 1).
    """

    def __init__(
        self,
        authority: CAService,
        view: ViewPort,
        datacenter: str,
        *,
        now: Callable[[], float],
        dice: Callable[[], float],
    ) -> None:
        self._authority = authority
        self._view = view
        self._datacenter = datacenter
        self._now = now
        self._dice = dice
        self._leaves: OrderedDict[str, _Leaf] = OrderedDict()

    async def read(self, service: str, options: ReadOptions, gone: Callable[[], Awaitable[bool]]) -> Page:
        """The service's leaf; for an index not below its own, the next one, or the same when time is up.

        `gone` tells whether the client has hung up, so that nobody is waited for in vain.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + options.wait_s
        while True:
            hit = service in self._leaves
            page = self._current(service)
            left = deadline - loop.time()
            if not options.min_index or page.index > options.min_index or left <= 0 or await gone():
                return _with_headers(page, hit=hit)
            await asyncio.sleep(min(left, LOOK_AGAIN_S))

    def _current(self, service: str) -> Page:
        active = self._authority.active()
        leaf = self._leaves.get(service)
        if leaf is None or active is None or leaf.root_id != active.root_id or self._now() >= leaf.renew_at:
            leaf = self._leaves[service] = self._issue(service, leaf)
            while len(self._leaves) > LEAVES_MAX:
                self._leaves.popitem(last=False)
        self._leaves.move_to_end(service)
        return leaf.page

    def _issue(self, service: str, before: _Leaf | None) -> _Leaf:
        store = self._view.store
        uri = ServiceIdentity(trust_domain(store.meta.cluster_id), self._datacenter, service).uri
        key_pem, csr_pem = create_key_and_csr(uri)
        try:
            issued = self._authority.sign(csr_pem)
        except CAUnavailableError as error:
            raise ApiError(500, str(error)) from None
        except SigningRefused as error:
            raise ApiError(400, str(error)) from None
        active = self._authority.active()
        assert active is not None, "what has just signed is the active root"
        # A renewed leaf's index must rise even if nothing else in the store has moved since.
        index = max(store.index, 1, before.page.index + 1 if before is not None else 0)
        shown = mesh_json.ShownLeaf(
            serial_number=issued.serial,
            cert_pem=issued.cert_pem,
            private_key_pem=key_pem,
            service=service,
            service_uri=issued.uri,
            valid_after=issued.valid_after,
            valid_before=issued.valid_before,
            create_index=index,
            modify_index=index,
        )
        renew_at = renewal_at(issued.valid_after, issued.valid_before, self._dice)
        return _Leaf(json_page(shown, index=index), active.root_id, renew_at)


def _with_headers(page: Page, *, hit: bool) -> Page:
    headers = (
        (b"x-consul-index", str(page.index).encode()),
        (b"x-cache", b"HIT" if hit else b"MISS"),
        (b"age", b"0"),
    )
    return Page(page.body, index=page.index, headers=headers)
