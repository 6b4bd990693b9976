"""What one client holds of one type, what it still needs, and what it said about it.

Follows Envoy's xDS protocol documentation, "ACK/NACK and versioning", "Incremental xDS" and "Resource warming". It
serves both variants: they differ in how interest is told and in what a response contains, not in the bookkeeping.

    not held ──send──▶ in flight ──ACK──▶ held
        ▲                  └──────NACK──▶ rejected (the version held before stays the held one)
        └── unsubscribed, asked for again, or its parent was sent again

Rejection. A client applies each resource of a response by itself but rejects responses as wholes, so after a NACK any
resource of the response may have taken effect. None of them is sent again until one of them changes; then all of
them are, in their present state. What was not in the rejected response goes its own way.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from lictor_xdsproto.errors import SubscriptionLimit
from lictor_xdsproto.interest import NAMES_MAX, Interest
from lictor_xdsproto.messages import Nack, Outcome, Rejection, TypeStatus
from lictor_xdsproto.order import Outstanding
from lictor_xdsproto.resource import ROOT_TYPES, Reference, Resource


class Diff(msgspec.Struct, frozen=True):
    """What the client lacks of the present collection, and what it must drop; all in a fixed order.

    Attributes:
        wanted: what it is interested in, as far as it exists.
        upserts: what to send.
        absences: names that it asked about, waits for and never had, known not to exist: told together with the
            upserts, because nothing can depend on them.
        removals: what it holds and must drop when nothing needs it any more.
    """

    wanted: Mapping[str, Resource]
    upserts: tuple[Resource, ...]
    absences: tuple[str, ...]
    removals: tuple[str, ...]


class _Pending(msgspec.Struct):
    """A response that waits for its answer.

    Names are taken out of it when they must be sent again anyway, so that a late ACK does not count them as delivered.
    """

    nonce: str
    names: tuple[str, ...]
    upserts: dict[str, Resource]
    removals: set[str]


class Subscription:
    """The state of one (stream, type)."""

    def __init__(self, type_url: str) -> None:
        self.type_url = type_url
        self.interest = Interest(type_url)
        self.held: dict[str, Resource] = {}
        self.last_nonce = ""
        self.greeting_owed = False
        """The client waits for a first response even if there is nothing to say."""
        self.reconnected = False
        """The client came with resources from an earlier stream."""
        self._started = False
        self._pending: _Pending | None = None
        self._bare: set[str] = set()  # held by the client's own word: we know the version but not the contents
        self._rejected: dict[str, Resource | None] = {}  # None: its removal was rejected
        # names sent since their last ACK, and what all those versions refer to: any of them may have taken effect
        self._unconfirmed: dict[str, set[Reference]] = {}
        self._rejection: Rejection | None = None
        self._asked: set[str] = set()
        self._refresh: set[str] = set()
        self._reported_version = ""
        self._diff: Diff | None = None
        self._diffed: tuple[Mapping[str, Resource], Mapping[str, Resource] | None] | None = None

    @property
    def in_flight(self) -> bool:
        """Whether a response waits for its answer; until then none follows it."""
        return self._pending is not None

    def answer(self, nonce: str, error: Nack | None) -> Outcome:
        """Take the client's answer to a response; one to any but the newest changes nothing."""
        pending = self._pending
        if not nonce or (pending is None and nonce == self.last_nonce and error is None):
            return Outcome.NO_ANSWER
        if pending is None or nonce != pending.nonce:
            return Outcome.STALE
        self._pending = None
        self._diff = None
        if error is not None:
            self._rejected.update(pending.upserts)
            self._rejected.update(dict.fromkeys(pending.removals))
            self._rejection = Rejection(pending.nonce, pending.names, error)
            return Outcome.NACK
        self.held.update(pending.upserts)
        self._bare.difference_update(pending.upserts)
        for name in pending.upserts:
            self._rejected.pop(name, None)
            self._unconfirmed.pop(name, None)
        self._bare.difference_update(pending.removals)
        for name in pending.removals:
            self.held.pop(name, None)
            self._rejected.pop(name, None)
            self._unconfirmed.pop(name, None)
        if not self._rejected:
            self._rejection = None
        return Outcome.ACK

    def change(self, subscribe: Iterable[str], unsubscribe: Iterable[str], initial_versions: Mapping[str, str]) -> None:
        """Apply a delta request's change of interest, whatever its nonce was.

        A name subscribed to is answered even if it seems to be held: the client may have forgotten it. Only the
        first request of the type, with what the client brought along, is believed.

        Raises:
            SubscriptionLimit: more than `NAMES_MAX` names or initial versions.
        """
        first, self._started = not self._started, True
        subscribed, dropped = self.interest.change(subscribe, unsubscribe)
        if first:
            if len(initial_versions) > NAMES_MAX:
                raise SubscriptionLimit(f"{self.type_url}: at most {NAMES_MAX} initial versions per stream")
            self.held = {
                name: Resource(name, version)
                for name, version in initial_versions.items()
                if self.interest.covers(name)
            }
            self._bare = set(self.held)
            self.reconnected = bool(initial_versions)
            self._asked.update(name for name in subscribed if name not in self.held)
            self.greeting_owed = self.interest.wildcard and not initial_versions
        else:
            self._ask(subscribed)
            if self.interest.wildcard:
                self._ask(dropped)
        self._forget_unwanted()
        self._diff = None

    def replace(self, names: Iterable[str], version_info: str) -> None:
        """Apply a state-of-the-world request's list of names; SubscriptionLimit if it is too long."""
        first, self._started = not self._started, True
        self.interest.replace(names)
        if first:
            self.greeting_owed = self.interest.wildcard
            # Only a pure wildcard tells by one version what the client holds: its set of names cannot have changed.
            self._reported_version = version_info if self.interest.wildcard and not self.interest.names else ""
        self._forget_unwanted()
        self._diff = None

    def take_reported_version(self) -> str:
        """The version that the client brought along from another stream; once."""
        version, self._reported_version = self._reported_version, ""
        return version

    def assume_held(self, resources: Mapping[str, Resource]) -> None:
        """Believe that the client holds these and waits for nothing."""
        self.held = dict(resources)
        self.greeting_owed = False
        self._diff = None

    def refresh(self, names: Iterable[str]) -> None:
        """A parent of these is sent again, so the client waits for them anew, whatever it holds.

        Names that it has not subscribed to yet are remembered: on a new stream the parent's request comes first.
        """
        for name in names:
            self._refresh.add(name)
            self._not_delivered(name)
        self._diff = None

    def forget(self, names: Iterable[str]) -> None:
        """Stop tracking resources that are gone where the protocol has no word for it."""
        for name in names:
            self.held.pop(name, None)
            self._rejected.pop(name, None)
            self._unconfirmed.pop(name, None)
            self._asked.discard(name)
        self._diff = None

    def diff(self, collection: Mapping[str, Resource], parents: Mapping[str, Resource] | None = None) -> Diff:
        """What to send for this collection; must not be asked while a response is in flight.

        Args:
            collection: the resources of this type.
            parents: resources that bear the same names and without which these cannot exist, if there are such.
        """
        assert self._pending is None, "a response is in flight"
        seen = self._diffed
        if self._diff is None or seen is None or seen[0] is not collection or seen[1] is not parents:
            self._diff = self._compare(collection, parents)
            self._diffed = (collection, parents)
        return self._diff

    def outstanding(
        self, collection: Mapping[str, Resource], parents: Mapping[str, Resource] | None = None
    ) -> Outstanding:
        """How far this type is, for the order of types."""
        if self._pending is not None:
            return Outstanding(in_flight=True)
        diff = self.diff(collection, parents)
        upserts = bool(diff.upserts or diff.absences) or self.greeting_owed
        return Outstanding(upserts=upserts, removals=bool(diff.removals))

    def sent(self, nonce: str, upserts: Iterable[Resource], removals: Iterable[str]) -> None:
        """A response with these resources and removals was handed out."""
        resources = {resource.name: resource for resource in upserts}
        removed = set(removals)
        self._pending = _Pending(nonce, (*resources, *sorted(removed)), resources, removed)
        for name, resource in resources.items():
            self._unconfirmed.setdefault(name, set()).update(resource.refers)
        self.last_nonce = nonce
        self.greeting_owed = False
        self._asked.difference_update(resources, removed)
        self._refresh.difference_update(resources, removed)
        self._diff = None

    @property
    def holds_unknown(self) -> bool:
        """Whether the client holds something of which we know no more than the version that it told."""
        return bool(self._bare)

    def references_in_use(self) -> set[Reference]:
        """What the client's resources may refer to: those it holds, and all that were sent since."""
        in_use = {reference for resource in self.held.values() for reference in resource.refers}
        return in_use.union(*self._unconfirmed.values())

    def status(self) -> TypeStatus:
        """For people."""
        return TypeStatus(
            self.type_url,
            self.interest.wildcard,
            tuple(sorted(self.interest.names)),
            {name: resource.version for name, resource in sorted(self.held.items())},
            "" if self._pending is None else self._pending.nonce,
            self._rejection,
        )

    def _compare(self, collection: Mapping[str, Resource], parents: Mapping[str, Resource] | None) -> Diff:
        wanted = collection
        if not self.interest.wildcard:
            wanted = {name: collection[name] for name in sorted(self.interest.names) if name in collection}
        if self._rejected_changed(wanted):
            self._reopen_rejected(wanted)
        covers = self.interest.covers
        self._refresh = {name for name in self._refresh if name in collection or covers(name)}  # keeps it bounded
        must = self._asked | self._refresh
        upserts = [resource for name, resource in wanted.items() if name in must or self._lacks(name, resource)]
        absences = []
        for name in sorted(name for name in must if name not in wanted):
            if parents is not None and name not in parents and covers(name):
                # The parent was on its way when both were taken back. The client waits for this child before it
                # acknowledges the parent, and until then nothing that follows can be sent.
                if name in self.held and name not in self._bare:
                    upserts.append(self.held[name])
                elif name in self._asked or name in self.held:
                    absences.append(name)
            elif name in self._asked and name not in self.held and self._knows_absence:
                absences.append(name)
        gone = {name for name in (*self.held, *self._unconfirmed) if name not in wanted and name not in self._rejected}
        gone.difference_update(absences)
        return Diff(wanted, tuple(upserts), tuple(absences), tuple(sorted(gone)))

    @property
    def _knows_absence(self) -> bool:
        """Whether a name that is not in the collection does not exist; a child may only be late."""
        return self.interest.wildcard or self.type_url in ROOT_TYPES

    def _lacks(self, name: str, resource: Resource) -> bool:
        if name in self._rejected:
            return False
        held = self.held.get(name)
        if held is None or held.version != resource.version:
            return True
        if name in self._bare:
            self._bare.discard(name)
            self.held[name] = resource
        return False

    def _rejected_changed(self, wanted: Mapping[str, Resource]) -> bool:
        for name, rejected in self._rejected.items():
            present = wanted.get(name)
            if (rejected is None) != (present is None):
                return True
            if rejected is not None and present is not None and rejected.version != present.version:
                return True
        return False

    def _reopen_rejected(self, wanted: Mapping[str, Resource]) -> None:
        """One of the rejected names changed: all of them are sent (or removed) as they are now; once per change."""
        self._refresh.update(name for name in self._rejected if name in wanted)
        self._rejected.clear()

    def _ask(self, names: Iterable[str]) -> None:
        for name in names:
            self._asked.add(name)
            self._not_delivered(name)

    def _not_delivered(self, name: str) -> None:
        if self._pending is not None:
            self._pending.upserts.pop(name, None)
            self._pending.removals.discard(name)

    def _forget_unwanted(self) -> None:
        """The client itself drops what it no longer subscribes to; nothing is sent for it."""
        if self.interest.wildcard:
            return
        covers = self.interest.covers
        for tracked in (self.held, self._rejected, self._unconfirmed):
            for name in [name for name in tracked if not covers(name)]:
                del tracked[name]
        self._bare.intersection_update(self.held)
        self._asked = {name for name in self._asked if covers(name)}
        if self._pending is not None:
            pending = self._pending
            for name in [name for name in (*pending.upserts, *pending.removals) if not covers(name)]:
                self._not_delivered(name)
        if not self._rejected:
            self._rejection = None
