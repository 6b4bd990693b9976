"""Founding a cluster, once (design §6): who the first voters are and under which cluster id, as a pure core.

Members without a cluster tell each other, in rounds, whom they hear. When the lowest `expect` ids of the list are the
same for all of them in two rounds, the lowest id mints a cluster id and promises (member set, cluster id); the others
promise the same. A promise is the only one a member ever makes and is on disk before it is told. Raft may start once
all of the set have promised. Anybody who knows a cluster vetoes: the member then waits to be taken in as a learner.

    candidate ──two equal rounds──▶ promised ──n of n promises──▶ founded
        │                       └─ one of the set promised something else ──▶ void
        └──────────── a cluster is heard of ──▶ vetoed

A set of which one has promised something else can never be complete, because an id promises once. Who has promised it
starts over under another id, and tells which id it bore: others of that set wait in vain for it too.

It does not start Raft, send or write anything: the driver does, and tells it `now`.
"""

from dataclasses import dataclass

from lictor_bus.frames import FoundingHello

ROUND_S = 0.2
"""Time between two hellos of one member."""

FRESH_S = 1.0
"""A member not heard for five rounds is not a candidate."""

EQUAL_ROUNDS = 2


@dataclass(frozen=True, slots=True)
class Promise:
    """A member's only promise: these members, under this cluster id."""

    members: tuple[int, ...]
    cluster: str


@dataclass(frozen=True, slots=True)
class Founded:
    """All have promised: Raft may start."""

    promise: Promise


@dataclass(frozen=True, slots=True)
class Vetoed:
    """A cluster exists already."""

    cluster: str


@dataclass(frozen=True, slots=True)
class Void:
    """The promise can never be kept by all, and so by nobody: start over under another id."""

    promise: Promise


@dataclass(frozen=True, slots=True)
class MakePromise:
    """Write this promise to disk, then call `promised`."""

    promise: Promise


@dataclass(slots=True)
class _Candidate:
    hello: FoundingHello
    heard_at: float
    equal_rounds: int = 0


class Founding:
    """One member's part in founding."""

    def __init__(
        self,
        member_id: int,
        slot: int,
        expect: int,
        new_cluster: str,
        promise: Promise | None,
        given_up: tuple[int, ...] = (),
    ) -> None:
        """Begin.

        Args:
            member_id: this member's id.
            slot: its slot, shown to operators.
            expect: how many members found the cluster.
            new_cluster: a fresh cluster id, used if it falls to this member to mint it.
            promise: the promise found on disk, from before a restart.
            given_up: ids that this member bore before, whose promises were void.
        """
        self._id, self._slot, self._expect, self._new_cluster = member_id, slot, expect, new_cluster
        self.promise = promise
        self._own_given_up = given_up
        self._given_up = set(given_up)
        self._others: dict[int, _Candidate] = {}
        self._last_list: tuple[int, ...] = ()
        self._own_rounds = 0
        self._veto = ""

    def hello(self, now: float) -> FoundingHello:
        """This round's hello; one every `ROUND_S`."""
        candidates = self._candidates(now)
        self._own_rounds = self._own_rounds + 1 if candidates == self._last_list else 1
        self._last_list = candidates
        return FoundingHello(
            member_id=self._id,
            slot=self._slot,
            expect=self._expect,
            heard=candidates,
            promise=self.promise.members if self.promise else (),
            promised_cluster=self.promise.cluster if self.promise else "",
            given_up=self._own_given_up,
        )

    def heard(self, hello: FoundingHello, now: float) -> None:
        """Take in a hello of another process."""
        if hello.cluster:
            self._veto = hello.cluster
        self._given_up.update(hello.given_up)
        if hello.member_id in {0, self._id}:
            return
        before = self._others.get(hello.member_id)
        equal = before.equal_rounds + 1 if before and before.hello.heard == hello.heard else 1
        self._others[hello.member_id] = _Candidate(hello, now, equal)

    def decide(self, now: float) -> Founded | Vetoed | Void | MakePromise | None:
        """What follows from what has been heard so far, if anything."""
        if self.promise:
            return self._decide_promised(self.promise)
        if self._veto:
            return Vetoed(self._veto)
        asked = self._promise_asked_of_us(now)
        if asked is not None:
            return MakePromise(asked)
        candidates = self._candidates(now)
        if len(candidates) < self._expect or candidates[0] != self._id:
            return None
        return MakePromise(Promise(candidates, self._new_cluster)) if self._agreed(candidates) else None

    def _promise_asked_of_us(self, now: float) -> Promise | None:
        """A promise that others have made and that needs this member's: the one of the lowest id.

        Its set was agreed upon when it was made, this member's own list included. That the list has changed since is no
        reason to wait: who has promised cannot promise anything else, so without this member nothing would ever come
        of it.
        """
        asking = [
            promise
            for one in sorted(self._others)
            if now - self._others[one].heard_at < FRESH_S
            and (promise := self._promise_of(one)) is not None
            and self._id in promise.members
            and not self._is_void(promise)
        ]
        return min(asking, key=lambda promise: promise.members) if asking else None

    def promised(self, promise: Promise) -> None:
        """The promise is on disk."""
        assert self.promise is None, "a member promises once"
        self.promise = promise

    def waiting_for(self, now: float) -> str:
        """What founding waits for, for operators."""
        if self.promise:
            missing = [f"{one:x}" for one in self.promise.members if one != self._id and not self._kept(one)]
            return f"promises of {', '.join(missing)}"
        candidates = self._candidates(now)
        return f"{self._expect} members expected, {len(candidates)} heard"

    def _decide_promised(self, promise: Promise) -> Founded | Vetoed | Void | None:
        if self._veto and self._veto != promise.cluster:
            return Vetoed(self._veto)
        if self._veto == promise.cluster or all(one == self._id or self._kept(one) for one in promise.members):
            return Founded(promise)
        return Void(promise) if self._is_void(promise) else None

    def _is_void(self, promise: Promise) -> bool:
        """Whether somebody it needs has promised something else, or is there no more to promise anything.

        However long ago that was heard: it stays so.
        """
        return any(
            one in self._given_up or self._promise_of(one) not in {None, promise}
            for one in promise.members
            if one != self._id
        )

    def _candidates(self, now: float) -> tuple[int, ...]:
        fresh = [
            one for one, seen in self._others.items() if now - seen.heard_at < FRESH_S and one not in self._given_up
        ]
        return tuple(sorted([self._id, *fresh])[: self._expect])

    def _agreed(self, candidates: tuple[int, ...]) -> bool:
        """Whether all candidates, this member included, have seen the same list in two rounds."""
        if self._own_rounds < EQUAL_ROUNDS or self._last_list != candidates:
            return False
        for one in candidates:
            if one == self._id:
                continue
            other = self._others[one]
            if other.hello.heard != candidates or other.equal_rounds < EQUAL_ROUNDS:
                return False
            if other.hello.expect != self._expect:
                return False
            if other.hello.promise:
                return (
                    False  # to others, or it would have been asked of this member: theirs may yet be kept, or is void
                )
        return True

    def _promise_of(self, member: int) -> Promise | None:
        other = self._others.get(member)
        if other is None or not other.hello.promise:
            return None
        return Promise(other.hello.promise, other.hello.promised_cluster)

    def _kept(self, member: int) -> bool:
        return self._promise_of(member) == self.promise
