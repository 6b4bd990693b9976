"""Leaf certificates: one per service with a proxy here, made on demand, renewed in time, shared by its proxies.

Keys are made here and never leave this process except to Envoy. A leaf is renewed at a random moment between 60 and
90 % of its life, and within a window of 30 s once its root is no longer the active one. Until a new one has been
checked the old one stays; a failed attempt is repeated after a growing wait. An identity that no proxy wants any more
is forgotten by `keep_only`.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence

import msgspec
import structlog

from lictor_bus.ca_signing import CsrAnswer
from lictor_kit import Backoff
from lictor_mesh import ServiceIdentity
from lictor_pki import LeafRejected, active_root, check_issued, create_key_and_csr, issuing_root, renewal_at
from lictor_state.rows import CARootRow
from lictor_xds.ca_client import SigningUnavailableError
from lictor_xds.metrics import XdsMetrics

SIGNING_MAX = 8  # requests under way at once: the authority writes to the store for each, and others ask too
ROOT_CHANGE_SETTLE_S = 2.0  # every proxy must trust a new root before the first leaf of it is shown to one
ROOT_CHANGE_WINDOW_S = 30.0  # a rotation renews every leaf of the mesh: spread over half a minute
LOOK_AGAIN_S = 30.0  # longest sleep, so that a changed clock is noticed
RETRY_FIRST_S = 0.2
RETRY_LONGEST_S = 30.0

log = structlog.get_logger()


class Leaf(msgspec.Struct, frozen=True):
    """A certificate in use: leaf with its intermediates, key, end of life (RFC 3339), and its root's id."""

    cert_pem: str
    key_pem: str
    valid_before: str
    root_id: str


class _Entry:
    __slots__ = ("due", "leaf", "reason", "retry")

    def __init__(self, due: float, retry: Backoff) -> None:
        self.leaf: Leaf | None = None
        self.due = due
        self.reason = "its certificate has been asked for"
        self.retry = retry


class LeafStore:
    """The leaves of this process; run `run()` as one of its tasks.

    Args:
        sign: has a request signed; raises `SigningUnavailableError`.
        roots: the roots that are known now.
        clock: Unix time in seconds.
        dice: numbers in [0, 1) that spread renewals.
        metrics: counts what was signed and what failed.
    """

    def __init__(
        self,
        sign: Callable[[str], Awaitable[CsrAnswer]],
        roots: Callable[[], Sequence[CARootRow]],
        *,
        clock: Callable[[], float],
        dice: Callable[[], float],
        metrics: XdsMetrics,
    ) -> None:
        self._sign, self._roots = sign, roots
        self._clock, self._dice = clock, dice
        self._metrics = metrics
        self._listeners: list[Callable[[ServiceIdentity], None]] = []
        self._entries: dict[ServiceIdentity, _Entry] = {}
        self._work = asyncio.Event()

    def listen(self, listener: Callable[[ServiceIdentity], None]) -> None:
        """Call `listener` with each identity that has got a leaf, or a new reason for having none."""
        self._listeners.append(listener)

    def leaf(self, identity: ServiceIdentity) -> Leaf | None:
        """The leaf in use; None until the first one has come. Asking for it is wanting it."""
        entry = self._entries.get(identity)
        if entry is None:
            entry = self._entries[identity] = _Entry(self._clock(), Backoff(RETRY_FIRST_S, RETRY_LONGEST_S, self._dice))
            self._work.set()
        return entry.leaf

    def reason(self, identity: ServiceIdentity) -> str:
        """Why there is no leaf yet, or why it could not be renewed; empty when all is well."""
        entry = self._entries.get(identity)
        return "" if entry is None else entry.reason

    def keep_only(self, identities: Collection[ServiceIdentity]) -> None:
        """Forget every leaf that is not for one of `identities`."""
        for identity in [one for one in self._entries if one not in identities]:
            del self._entries[identity]

    def roots_changed(self) -> None:
        """Renew, within a window, every leaf whose root is not the active one."""
        active = active_root(self._roots())
        if active is None:
            return
        for entry in self._entries.values():
            if entry.leaf is not None and entry.leaf.root_id != active.root_id:
                spread_s = ROOT_CHANGE_WINDOW_S * self._dice()
                entry.due = min(entry.due, self._clock() + ROOT_CHANGE_SETTLE_S + spread_s)
        self._work.set()

    async def run(self) -> None:
        """Make and renew leaves for ever."""
        while True:
            self._work.clear()
            now = self._clock()
            due = [(entry.due, identity.uri, identity, entry) for identity, entry in self._entries.items()]
            due = sorted(one for one in due if one[0] <= now)[
                :SIGNING_MAX
            ]  # no two have one URI: entries never compare
            if due:
                async with asyncio.TaskGroup() as group:
                    for _, uri, identity, entry in due:
                        group.create_task(self._renew(identity, entry), name=f"renew {uri}")
                continue
            wait_s = min((entry.due - now for entry in self._entries.values()), default=LOOK_AGAIN_S)
            try:
                async with asyncio.timeout(min(wait_s, LOOK_AGAIN_S)):
                    await self._work.wait()
            except TimeoutError:
                continue

    async def _renew(self, identity: ServiceIdentity, entry: _Entry) -> None:
        key_pem, csr_pem = create_key_and_csr(identity.uri)
        try:
            answer = await self._sign(csr_pem)
            roots = self._roots()
            check_issued(answer.cert_pem, key_pem, identity.uri, roots, now=self._clock())
        except (SigningUnavailableError, LeafRejected) as error:
            entry.due = self._clock() + next(entry.retry)
            self._metrics.leaf_failures.inc()
            if str(error) != entry.reason:
                entry.reason = str(error)
                log.warning("leaf not renewed", uri=identity.uri, reason=entry.reason)
                self._tell(identity)
            return
        root_id = issuing_root(answer.cert_pem, roots)
        assert root_id is not None, "a checked leaf has a root"
        entry.leaf = Leaf(answer.cert_pem, key_pem, answer.valid_before, root_id)
        entry.due = renewal_at(answer.valid_after, answer.valid_before, self._dice)
        entry.reason = ""
        entry.retry.reset()
        self._metrics.leaves.inc()
        log.info("leaf issued", uri=identity.uri, serial=answer.serial, valid_before=answer.valid_before)
        self._tell(identity)

    def _tell(self, identity: ServiceIdentity) -> None:
        for listener in self._listeners:
            listener(identity)
