"""The certificate authority's keeper (design §5): makes the first root, and signs requests of key holders.

Every catalog process may propose a first root; the one whose proposal finds the roots unchanged wins, the others read
it from their view. Signing needs the active root's key, which travels on this service's stream only. Rotation is not
here. Certificates themselves are `lictor_pki`'s work.
"""

import asyncio
from collections.abc import Callable

import msgspec
import structlog

from lictor_bus import Bus
from lictor_bus.ca_signing import CSR_BYTES_MAX, SIGNERS, CsrAnswer, CsrRequest
from lictor_bus.subjects import ca_sign
from lictor_catalog.errors import ApiError
from lictor_catalog.metrics import CatalogMetrics
from lictor_catalog.ports import ViewPort
from lictor_catalog.writes import Writes
from lictor_pki import IssuedCertificate, SigningRefused, active_root, create_root, sign
from lictor_state import queries
from lictor_state.commands import CARootSet
from lictor_state.reported_indexes import CA_ROOTS
from lictor_state.rows import CARootRow, Table

ROOT_RETRY_S = 1.0
"""Between two tries to found the CA while there is no leader."""

SERIAL_BYTES = 8

log = structlog.get_logger()
_requests = msgspec.msgpack.Decoder(CsrRequest)
_encoder = msgspec.msgpack.Encoder()


class CAUnavailableError(Exception):
    """There is no active root with a readable key yet."""


class CAService:
    """Keeps a root in place and signs with it; run `run()` as one of the process's tasks.

    Args:
        now: Unix time in seconds.
        dice: `dice(n)` gives n random bytes.
    """

    def __init__(
        self,
        view: ViewPort,
        writes: Writes,
        datacenter: str,
        *,
        now: Callable[[], float],
        dice: Callable[[int], bytes],
        metrics: CatalogMetrics,
    ) -> None:
        self._view = view
        self._writes = writes
        self._datacenter = datacenter
        self._now = now
        self._dice = dice
        self._metrics = metrics
        self._changed = asyncio.Event()

    def reset(self) -> None:
        """The view's store was replaced: look again."""
        self._changed.set()

    def active(self) -> CARootRow | None:
        """The root that signs."""
        return active_root(queries.ca.roots(self._view.store).value)

    async def run(self) -> None:
        """Found the CA when there is none, for ever."""
        await self._view.ready.wait()
        while True:
            self._changed.clear()
            store = self._view.store
            watch = store.watches.add((("table", Table.CA_ROOTS),), self._changed.set)
            if self.active() is None:
                await self._found()
            try:
                async with asyncio.timeout(None if self.active() is not None else ROOT_RETRY_S):
                    await self._changed.wait()
            except TimeoutError:
                continue
            finally:
                store.watches.remove(watch)

    async def _found(self) -> None:
        store = self._view.store
        root, key_pem = create_root(store.meta.cluster_id, self._now(), self._dice)
        try:
            won = await self._writes.propose(CARootSet(root, key_pem, store.index_of(CA_ROOTS)))
        except ApiError as error:
            log.warning("the certificate authority could not be founded yet", reason=error.text)
            return
        log.info("certificate authority founded" if won else "another process founded the authority", root=root.root_id)

    def sign(self, csr_pem: str) -> IssuedCertificate:
        """Sign one request.

        Raises:
            CAUnavailableError: no active root yet.
            SigningRefused: the request breaks a rule.
        """
        root = self.active()
        key = queries.ca.active_key(self._view.store).value
        if root is None or key is None:
            self._metrics.certificate("unavailable")
            raise CAUnavailableError("the certificate authority has no active root yet")
        serial = (int.from_bytes(self._dice(SERIAL_BYTES), "big") >> 1) or 1
        try:
            issued = sign(csr_pem, root, key.private_key, now=self._now(), serial=serial, datacenter=self._datacenter)
        except SigningRefused:
            self._metrics.certificate("refused")
            raise
        self._metrics.certificate("signed")
        return issued

    async def listen(self, bus: Bus, cluster: str) -> None:
        """Answer the cluster's requests from the bus, as one of the group of signers."""

        async def on_request(_subject: str, data: bytes, reply: str) -> None:
            if reply:
                await bus.publish(reply, _encoder.encode(self._answer(data)))

        await bus.subscribe(ca_sign(cluster), on_request, queue=SIGNERS)

    def _answer(self, data: bytes) -> CsrAnswer:
        if len(data) > CSR_BYTES_MAX:
            return CsrAnswer(error=f"a request has at most {CSR_BYTES_MAX} bytes")
        try:
            issued = self.sign(_requests.decode(data).csr_pem)
        except (CAUnavailableError, SigningRefused, msgspec.DecodeError, UnicodeDecodeError) as error:
            return CsrAnswer(error=str(error))
        return CsrAnswer(issued.cert_pem, issued.valid_after, issued.valid_before, issued.serial)
