"""Every connected proxy: what it should have, what it has accepted, and who listens for changes.

A proxy's snapshot is rebuilt only when a row that it depends on has changed, or its certificate. A build that fails
leaves the last good snapshot in place and says why; so does a proxy that is deregistered while it is connected. A
proxy that is not registered yet waits, and gets its first snapshot before anybody's update. The state of a proxy
stays for a while after its last stream, because most proxies that go come back at once.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple, cast

import structlog

from lictor_mesh import Desired, Destinations, ProxyConfig, ServiceIdentity, desired_config
from lictor_pki import bundle_pem
from lictor_state import Store
from lictor_state.rows import CARootRow, Table
from lictor_state.watches import Watch
from lictor_xds.acknowledgements import Acknowledgements, ProxyReport
from lictor_xds.leaf_store import LeafStore
from lictor_xds.metrics import XdsMetrics
from lictor_xds.pusher import Pusher
from lictor_xds.translate import sidecar_resources
from lictor_xdsproto import Nack, Outcome, Snapshot, SnapshotError

LINGER_S = 45.0  # longer than Envoy's longest wait between two attempts to connect (30 s)
PROXIES_MAX = 16_384  # states kept at once, three times the streams that one process is meant for

Deliver = Callable[[Snapshot], None]
log = structlog.get_logger()


class ProxyKey(NamedTuple):
    """A proxy by its node (empty when Envoy does not say) and service id."""

    node: str
    proxy_id: str


class TooManyProxiesError(Exception):
    """This process keeps no more proxies; another replica may."""


class _Proxy:
    def __init__(self, key: ProxyKey) -> None:
        self.key = key
        self.status = "waiting"
        self.reason = "not built yet"
        self.config: ProxyConfig | None = None
        self.snapshot: Snapshot | None = None
        self.watch: tuple[Store, Watch] | None = None
        self.listeners: dict[Deliver, None] = {}
        self.idle_since = 0.0
        self.acknowledgements = Acknowledgements()

    def unwatch(self) -> None:
        if self.watch is not None:
            store, watch = self.watch
            store.watches.remove(watch)
            self.watch = None


class ProxyStates:
    """All proxies of this process; `pusher.run()` must be one of its tasks.

    Args:
        store: the view's store of this moment.
        leaves: the certificates.
        datacenter: the datacenter of this control plane.
        default_allow: what happens to callers that no intention names.
        clock: seconds that never go back.
        metrics: counts rebuilds and answers.
    """

    def __init__(
        self,
        store: Callable[[], Store],
        leaves: LeafStore,
        *,
        datacenter: str,
        default_allow: bool,
        clock: Callable[[], float],
        metrics: XdsMetrics,
    ) -> None:
        self._store, self._leaves = store, leaves
        self._datacenter, self._default_allow = datacenter, default_allow
        self._clock, self._metrics = clock, metrics
        self._proxies: dict[ProxyKey, _Proxy] = {}
        self._read: tuple[Store, int, Destinations, str] | None = None
        self.pusher: Pusher[ProxyKey] = Pusher(self.rebuild, clock)
        leaves.listen(self._leaf_changed)

    def attach(self, key: ProxyKey, deliver: Deliver) -> None:
        """A stream of proxy `key` wants its snapshots: at once the one there is, then each new one.

        Raises:
            TooManyProxiesError: `PROXIES_MAX` others are known already.
        """
        proxy = self._proxies.get(key)
        if proxy is None:
            if len(self._proxies) >= PROXIES_MAX:
                raise TooManyProxiesError(f"this process keeps at most {PROXIES_MAX} proxies")
            proxy = self._proxies[key] = _Proxy(key)
        proxy.listeners[deliver] = None
        if proxy.snapshot is not None:
            deliver(proxy.snapshot)
        else:
            self.pusher.mark(key, first=True)
        self._count()

    def detach(self, key: ProxyKey, deliver: Deliver) -> None:
        """That stream has ended."""
        proxy = self._proxies[key]
        del proxy.listeners[deliver]
        proxy.idle_since = self._clock()
        self._count()

    def answered(self, key: ProxyKey, type_url: str, outcome: Outcome, nack: Nack | None, now: float) -> None:
        """The proxy has accepted or rejected a response; `now` is Unix time."""
        if self._proxies[key].acknowledgements.record(type_url, outcome, nack, now):
            log.warning(
                "proxy rejected its configuration",
                proxy=key.proxy_id,
                proxy_node=key.node,
                type=type_url.rpartition(".")[2],
                reason="" if nack is None else nack.message,
            )

    def rebuild(self, keys: Sequence[ProxyKey]) -> None:
        """Build these proxies anew from the state of this moment; what is equal to before is not sent."""
        for key in keys:
            proxy = self._proxies.get(key)
            if proxy is not None:
                started = self._clock()
                self._rebuild(proxy)
                self._metrics.rebuild_seconds.observe(self._clock() - started)
                self._metrics.rebuilds.labels(proxy.status).inc()
        self._count()

    def expire(self) -> None:
        """Forget proxies whose last stream ended long ago, and the certificates that nobody needs any more."""
        horizon = self._clock() - LINGER_S
        gone = [key for key, proxy in self._proxies.items() if not proxy.listeners and proxy.idle_since < horizon]
        for key in gone:
            self._proxies.pop(key).unwatch()
            self.pusher.forget(key)
        if gone:
            kept = {proxy.config.identity for proxy in self._proxies.values() if proxy.config is not None}
            self._leaves.keep_only(kept)
            self._count()

    def reports(self) -> list[ProxyReport]:
        """Every proxy, by node and id."""
        return [self._report(self._proxies[key]) for key in sorted(self._proxies)]

    def _report(self, proxy: _Proxy) -> ProxyReport:
        reason = proxy.reason
        if not reason and proxy.config is not None:
            reason = self._leaves.reason(proxy.config.identity)
        return ProxyReport(
            proxy_id=proxy.key.proxy_id,
            node=proxy.key.node,
            status=proxy.status,
            reason=reason,
            streams=len(proxy.listeners),
            problems=proxy.config.problems if proxy.config is not None else (),
            types=proxy.acknowledgements.report(),
        )

    def _rebuild(self, proxy: _Proxy) -> None:
        store, destinations, bundle = self._moment()
        desired = desired_config(
            destinations,
            store,
            proxy_id=proxy.key.proxy_id,
            node=proxy.key.node,
            datacenter=self._datacenter,
            default_allow=self._default_allow,
        )
        proxy.unwatch()
        proxy.watch = (store, store.watches.add(desired.tokens, lambda: self.pusher.mark(proxy.key)))
        if desired.config is None:
            self._not_ready(proxy, desired)
            return
        proxy.config = desired.config
        leaf = self._leaves.leaf(desired.config.identity)
        if leaf is None:
            self._not_ready(proxy, Desired("waiting", (), reason=self._leaves.reason(desired.config.identity)))
            return
        try:
            resources = sidecar_resources(desired.config, cert_pem=leaf.cert_pem, key_pem=leaf.key_pem, bundle=bundle)
            snapshot = Snapshot.build(str(store.index), resources, previous=proxy.snapshot)
        except (ValueError, TypeError, SnapshotError) as error:
            # A value that Envoy's messages cannot hold: one bad registration must not stop the others.
            self._not_ready(proxy, Desired("invalid", (), reason=f"cannot be told to Envoy: {error}"))
            return
        assert not snapshot.missing_references(), "a sidecar's resources refer to each other only"
        proxy.status, proxy.reason = "ready", ""
        changed = proxy.snapshot is None or proxy.snapshot.collections != snapshot.collections
        proxy.snapshot = snapshot
        if changed:
            for deliver in tuple(proxy.listeners):
                deliver(snapshot)

    def _not_ready(self, proxy: _Proxy, desired: Desired) -> None:
        if (proxy.status, proxy.reason) != (desired.status, desired.reason):
            proxy.status, proxy.reason = desired.status, desired.reason
            tell = log.warning if desired.status == "invalid" else log.info
            tell(
                "proxy has no new configuration",
                proxy=proxy.key.proxy_id,
                proxy_node=proxy.key.node,
                status=desired.status,
                reason=desired.reason,
                keeps_last=proxy.snapshot is not None,
            )

    def _moment(self) -> tuple[Store, Destinations, str]:
        """The store with what has been read of it: kept until it moves, so that proxies share the reading."""
        store = self._store()
        if self._read is None or self._read[0] is not store or self._read[1] != store.index:
            roots = [cast("CARootRow", row) for _, row in store.rows(Table.CA_ROOTS)]
            self._read = (store, store.index, Destinations(store), bundle_pem(roots))
        return store, self._read[2], self._read[3]

    def _leaf_changed(self, identity: ServiceIdentity) -> None:
        for proxy in self._proxies.values():
            if proxy.config is not None and proxy.config.identity == identity:
                self.pusher.mark(proxy.key, first=proxy.snapshot is None)

    def _count(self) -> None:
        counts = dict.fromkeys(("ready", "waiting", "invalid"), 0)
        for proxy in self._proxies.values():
            if proxy.listeners:
                counts[proxy.status] += 1
        for status, count in counts.items():
            self._metrics.proxies.labels(status).set(count)
