"""One aggregated stream: requests and snapshots in, responses in the right order out.

`AdsStream` holds what both variants share; `DeltaStream` speaks the incremental one (Envoy's xDS protocol
documentation, "Incremental xDS"). A stream for a single type is an aggregated stream that happens to carry one type.

The host calls `responses` after each request and snapshot and sends what it returns. At most one response per type
waits for its answer, and only the newest snapshot is kept, so a slow client costs no memory. Identity, access control
and the pace of snapshots are the host's.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from typing import Final, Generic, TypeVar

from lictor_xdsproto.errors import RequestError, SubscriptionLimit
from lictor_xdsproto.messages import DeltaRequest, DeltaResponse, Outcome, TypeStatus
from lictor_xdsproto.order import Outstanding, Step, is_open, steps_for
from lictor_xdsproto.resource import CHILD_TYPES, CLUSTER, ENDPOINT, LISTENER, ROUTE, Resource
from lictor_xdsproto.snapshot import Snapshot
from lictor_xdsproto.subscription import Diff, Subscription

TYPES_MAX: Final = 16
"""Types on one stream: Envoy knows nine; more is a broken or hostile client."""

_Response = TypeVar("_Response")


class AdsStream(ABC, Generic[_Response]):
    """What both variants share: subscriptions by type, nonces, the walk through the order of types."""

    def __init__(self) -> None:
        self._snapshot: Snapshot | None = None
        self._subscriptions: dict[str, Subscription] = {}
        self._steps: list[Step] = []
        self._owed: dict[str, set[str]] = {}  # children to refresh of types that the client has not asked for yet
        self._nonce = 0
        self._answered = False  # the client has answered something, so all its first requests have arrived

    def on_snapshot(self, snapshot: Snapshot) -> None:
        """From now on this is what the client shall have."""
        self._snapshot = snapshot

    def responses(self) -> list[_Response]:
        """What may be sent now, in this order; empty before the first snapshot."""
        snapshot = self._snapshot
        if snapshot is None:
            return []
        progress = {url: self._outstanding(url, snapshot) for url in self._subscriptions}
        out: list[_Response] = []
        for step in self._steps:
            due = progress[step.type_url]
            if not ((step.upserts and due.upserts) or (step.removals and due.removals)) or not is_open(step, progress):
                continue
            subscription = self._subscriptions[step.type_url]
            diff = subscription.diff(snapshot.collection(step.type_url), self._parents(step.type_url, snapshot))
            kept = self._still_needed(diff.removals) if step.type_url == CLUSTER and step.removals else ()
            removals = tuple(name for name in diff.removals if name not in kept) if step.removals else ()
            if step.removals and not step.upserts and not removals:
                continue
            response = self._respond(snapshot, subscription, diff, step, removals)
            if response is not None:
                out.append(response)
            if step.upserts:
                self._refresh_children(step.type_url, diff.upserts, snapshot)
                for url in CHILD_TYPES.values():
                    if url in progress:
                        progress[url] = self._outstanding(url, snapshot)
            progress[step.type_url] = self._outstanding(step.type_url, snapshot)
        return out

    def status(self) -> tuple[TypeStatus, ...]:
        """What the stream knows of each type that the client has asked for, sorted by type."""
        return tuple(self._subscriptions[url].status() for url in sorted(self._subscriptions))

    @abstractmethod
    def _respond(
        self, snapshot: Snapshot, subscription: Subscription, diff: Diff, step: Step, removals: tuple[str, ...]
    ) -> _Response | None:
        """Make the response of one step and note it as sent; None where the variant has no words for it."""

    def _subscription(self, type_url: str) -> Subscription:
        if not type_url:
            raise RequestError("type_url: must not be empty on an aggregated stream")
        known = self._subscriptions.get(type_url)
        if known is not None:
            return known
        if len(self._subscriptions) >= TYPES_MAX:
            raise SubscriptionLimit(f"type_url: at most {TYPES_MAX} types per stream")
        subscription = self._subscriptions[type_url] = Subscription(type_url)
        subscription.refresh(self._owed.pop(type_url, ()))
        self._steps = steps_for(list(self._subscriptions))
        return subscription

    def _next_nonce(self) -> str:
        self._nonce += 1
        return f"{self._nonce:08x}"

    def _outstanding(self, type_url: str, snapshot: Snapshot) -> Outstanding:
        return self._subscriptions[type_url].outstanding(
            snapshot.collection(type_url), self._parents(type_url, snapshot)
        )

    def _parents(self, type_url: str, snapshot: Snapshot) -> Mapping[str, Resource] | None:
        """The clusters, for endpoints of a client that has its clusters from here."""
        return snapshot.collection(CLUSTER) if type_url == ENDPOINT and CLUSTER in self._subscriptions else None

    def _still_needed(self, clusters: Iterable[str]) -> set[str]:
        """Those clusters that a listener or route refers to which the client may be working with.

        It matters after a rejected change: the client goes on with the old route, and needs the old route's cluster.
        What a client brought along may refer to anything. A client that reconnects asks for its clusters first: until
        it has asked for listeners and routes too, or has answered a response (which it does only after all its first
        requests), it may have brought some along.
        """
        wanted = set(clusters)
        users = [self._subscriptions[url] for url in (LISTENER, ROUTE) if url in self._subscriptions]
        unheard = len(users) < len((LISTENER, ROUTE)) and not self._answered
        if any(user.holds_unknown for user in users) or (unheard and self._subscriptions[CLUSTER].reconnected):
            return wanted
        needed = {ref.name for user in users for ref in user.references_in_use() if ref.type_url == CLUSTER}
        return wanted & needed

    def _refresh_children(self, parent_type: str, parents: Iterable[Resource], snapshot: Snapshot) -> None:
        child_type = CHILD_TYPES.get(parent_type)
        if child_type is None:
            return
        names = set()
        for parent in parents:
            if parent_type == CLUSTER:
                names.add(parent.name)
            names.update(ref.name for ref in parent.refers if ref.type_url == child_type)
        names.intersection_update(snapshot.collection(child_type))
        if child_type in self._subscriptions:
            self._subscriptions[child_type].refresh(names)
        else:
            owed = self._owed.setdefault(child_type, set())
            owed.update(names)
            owed.intersection_update(snapshot.collection(child_type))  # keeps it bounded


class DeltaStream(AdsStream[DeltaResponse]):
    """One stream of the incremental variant."""

    def on_request(self, request: DeltaRequest) -> Outcome:
        """Take a request: first its answer to a response, then its change of the subscription.

        Returns:
            What the request meant for the response that it names.

        Raises:
            RequestError: no type URL.
            SubscriptionLimit: too many types or names. After either error the stream must be ended.
        """
        subscription = self._subscription(request.type_url)
        outcome = subscription.answer(request.nonce, request.error)
        self._answered = self._answered or outcome in {Outcome.ACK, Outcome.NACK}
        subscription.change(request.subscribe, request.unsubscribe, request.initial_versions)
        return outcome

    def _respond(
        self, snapshot: Snapshot, subscription: Subscription, diff: Diff, step: Step, removals: tuple[str, ...]
    ) -> DeltaResponse:
        upserts = diff.upserts if step.upserts else ()
        if step.upserts:
            removals = (*diff.absences, *removals)
        nonce = self._next_nonce()
        subscription.sent(nonce, upserts, removals)
        return DeltaResponse(
            type_url=subscription.type_url,
            nonce=nonce,
            resources=upserts,
            removed_resources=removals,
            system_version_info=snapshot.version,
        )
