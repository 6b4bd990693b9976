"""One aggregated stream of the state-of-the-world variant.

Follows Envoy's xDS protocol documentation, "Aggregated Discovery Service" and "How the client specifies what
resources to return". Its bookkeeping and order are those of the incremental variant; what differs:

- A response for a root type lists all that shall exist, and leaving a name out removes it. So until listeners and
  routes no longer need them, removed clusters stay in the list as the client last accepted them.
- Other types cannot be removed: they vanish when nothing refers to them. Nothing is sent for it.
- A request whose nonce is not the newest of its type is ignored as a whole; the client will repeat what it wants when
  it answers the newest response.
"""

from __future__ import annotations

from lictor_xdsproto.messages import Outcome, SotwRequest, SotwResponse
from lictor_xdsproto.order import Step
from lictor_xdsproto.resource import ROOT_TYPES, Resource
from lictor_xdsproto.snapshot import Snapshot
from lictor_xdsproto.stream import AdsStream
from lictor_xdsproto.subscription import Diff, Subscription
from lictor_xdsproto.versions import collection_version


class SotwStream(AdsStream[SotwResponse]):
    """One stream of the state-of-the-world variant."""

    def on_request(self, request: SotwRequest) -> Outcome:
        """Take a request: its answer to the newest response, and the names that the client wants from now on.

        Returns:
            What the request meant for the response that it names; STALE requests have no effect.

        Raises:
            RequestError: no type URL.
            SubscriptionLimit: too many types or names. After either error the stream must be ended.
        """
        subscription = self._subscription(request.type_url)
        if request.nonce != subscription.last_nonce:
            return Outcome.STALE
        outcome = subscription.answer(request.nonce, request.error)
        self._answered = self._answered or outcome in {Outcome.ACK, Outcome.NACK}
        subscription.replace(request.resource_names, request.version_info)
        return outcome

    def responses(self) -> list[SotwResponse]:
        """What may be sent now, in this order; empty before the first snapshot."""
        snapshot = self._snapshot
        if snapshot is not None:
            for url, subscription in self._subscriptions.items():
                version = subscription.take_reported_version()
                collection = snapshot.collection(url)
                if version and version == collection_version(collection.values()):
                    subscription.assume_held(collection)
        return super().responses()

    def _respond(
        self, snapshot: Snapshot, subscription: Subscription, diff: Diff, step: Step, removals: tuple[str, ...]
    ) -> SotwResponse | None:
        del snapshot
        if subscription.type_url not in ROOT_TYPES:
            subscription.forget(removals)
            if not step.upserts or not (diff.upserts or subscription.greeting_owed):
                return None
            return self._response(subscription, diff.upserts, collection_version(diff.wanted.values()))
        retained = [
            subscription.held[name] for name in diff.removals if name not in removals and name in subscription.held
        ]
        resources = (*diff.wanted.values(), *retained)
        version = collection_version(resources)
        return self._response(subscription, resources, version, tuple(diff.wanted.values()), removals)

    def _response(
        self,
        subscription: Subscription,
        resources: tuple[Resource, ...],
        version: str,
        upserts: tuple[Resource, ...] | None = None,
        removals: tuple[str, ...] = (),
    ) -> SotwResponse:
        nonce = self._next_nonce()
        subscription.sent(nonce, resources if upserts is None else upserts, removals)
        return SotwResponse(type_url=subscription.type_url, version_info=version, nonce=nonce, resources=resources)
