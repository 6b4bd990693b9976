"""Random stories between a delta stream and a model of Envoy, in virtual time, from a seed.

The model does what Envoy was seen to do: it asks for endpoints as soon as it gets a cluster and acknowledges the cluster
only when it is warm; it asks for listeners once the first clusters are warm; it applies the good resources of a
response whose bad ones make it reject the whole; it lists what it holds when it reconnects.

Invariants, at every step: no listener or route names a cluster that the client lacks (unless the client itself refused
that cluster); no resource comes twice in a response; nothing that the client holds is sent again without a reason.
At rest: the client has exactly the snapshot, as far as it accepts it.
"""

import random
from collections import Counter, deque

import pytest

from lictor_xdsproto import (
    CLUSTER,
    ENDPOINT,
    LISTENER,
    ROUTE,
    DeltaRequest,
    DeltaResponse,
    DeltaStream,
    Nack,
    Reference,
    Resource,
    Snapshot,
)

TYPES = (CLUSTER, ENDPOINT, LISTENER, ROUTE)
BAD = "bad"
SEEDS = (*range(36), 38, 46, 272, 307)  # the last ones found faults once


class ModelEnvoy:
    def __init__(self, *, strict: bool) -> None:
        self.strict = strict  # whether unneeded resends are an error: only without rejections and reconnects
        self.held: dict[str, dict[str, Resource]] = {url: {} for url in TYPES}
        self.wanted: dict[str, set[str]] = {ENDPOINT: set(), ROUTE: set()}
        self.warming: set[str] = set()
        self.refused: set[str] = set()
        self.reasons: Counter[tuple[str, str]] = Counter()
        self.withheld: deque[tuple[str, Nack | None]] = deque()
        self.started = False  # whether the first clusters have come
        self.listeners_asked = False
        self.out: deque[DeltaRequest] = deque()
        self.connect()

    def connect(self) -> None:
        self.out.clear()
        self.withheld.clear()
        # Envoy gives up waiting after a time and goes on with the endpoints that it has
        self.warming = {name for name in self.warming if name not in self.held[ENDPOINT]}
        self.out.append(DeltaRequest(type_url=CLUSTER, initial_versions=self.versions(CLUSTER)))
        for url in (ENDPOINT, LISTENER, ROUTE):
            names = () if url == LISTENER else tuple(sorted(self.wanted[url]))
            if names or (url == LISTENER and self.listeners_asked):
                self.out.append(DeltaRequest(type_url=url, subscribe=names, initial_versions=self.versions(url)))

    def versions(self, url: str) -> dict[str, str]:
        return {name: resource.version for name, resource in self.held[url].items()}

    def on_response(self, response: DeltaResponse) -> None:
        url = response.type_url
        names = [resource.name for resource in response.resources] + list(response.removed_resources)
        assert len(set(names)) == len(names), "one name twice in a response"
        bad = [resource.name for resource in response.resources if BAD in resource.version]
        for resource in response.resources:
            self.check_needed(url, resource)
            if resource.name not in bad:
                self.apply(url, resource)
        for name in response.removed_resources:
            self.remove(url, name)
        error = Nack(13, f"{bad} are bad") if bad else None
        if url == CLUSTER:
            self.refused.update(bad)
            self.refused.difference_update(resource.name for resource in response.resources if resource.name not in bad)
            self.withheld.append((response.nonce, error))
            self.started = True
        else:
            self.out.append(DeltaRequest(type_url=url, nonce=response.nonce, error=error))
        self.want_routes()
        self.settle()
        self.check_references()

    def check_needed(self, url: str, resource: Resource) -> None:
        held = self.held[url].get(resource.name)
        if not self.strict or held is None or held.version != resource.version:
            return
        assert url in {ENDPOINT, ROUTE}, f"{url} {resource.name} was sent again"
        assert self.reasons[url, resource.name] > 0, f"{url} {resource.name} was sent again without a reason"
        self.reasons[url, resource.name] -= 1

    def apply(self, url: str, resource: Resource) -> None:
        if url in self.wanted and resource.name not in self.wanted[url]:
            return  # not asked for: ignored
        self.held[url][resource.name] = resource
        if url == CLUSTER:
            self.warming.add(resource.name)
            self.reasons[ENDPOINT, resource.name] += 1
            self.want(ENDPOINT, {resource.name})
        elif url == ENDPOINT:
            self.warming.discard(resource.name)
        elif url == LISTENER:
            for reference in resource.refers:
                self.reasons[reference.type_url, reference.name] += 1

    def remove(self, url: str, name: str) -> None:
        self.held[url].pop(name, None)
        if url in {CLUSTER, ENDPOINT}:
            self.warming.discard(name)
        if url == CLUSTER:
            self.unwant(ENDPOINT, {name})

    def want(self, url: str, names: set[str]) -> None:
        new = names - self.wanted[url]
        if new:
            self.wanted[url] |= new
            self.reasons.update((url, name) for name in new)
            self.out.append(DeltaRequest(type_url=url, subscribe=tuple(sorted(new))))

    def unwant(self, url: str, names: set[str]) -> None:
        old = names & self.wanted[url]
        if old:
            self.wanted[url] -= old
            for name in old:
                self.held[url].pop(name, None)
            self.out.append(DeltaRequest(type_url=url, unsubscribe=tuple(sorted(old))))

    def want_routes(self) -> None:
        needed = {
            reference.name
            for listener in self.held[LISTENER].values()
            for reference in listener.refers
            if reference.type_url == ROUTE
        }
        self.want(ROUTE, needed)
        self.unwant(ROUTE, self.wanted[ROUTE] - needed)

    def settle(self) -> None:
        if self.warming:
            return
        while self.withheld:
            nonce, error = self.withheld.popleft()
            self.out.append(DeltaRequest(type_url=CLUSTER, nonce=nonce, error=error))
        if self.started and not self.listeners_asked:
            self.listeners_asked = True
            self.out.append(DeltaRequest(type_url=LISTENER))

    def check_references(self) -> None:
        for url in (LISTENER, ROUTE):
            for resource in self.held[url].values():
                for reference in resource.refers:
                    if reference.type_url == CLUSTER and reference.name not in self.refused:
                        assert reference.name in self.held[CLUSTER], f"{resource.name} names {reference.name}"


class World:
    """A desired state that wanders; every snapshot of it is consistent."""

    def __init__(self, dice: random.Random, *, bad_share: float) -> None:
        self.dice = dice
        self.bad_share = bad_share
        self.count = 0
        self.previous: Snapshot | None = None
        self.clusters = {"a": "1"}
        self.endpoints = {"a": "1"}
        self.routes: dict[str, tuple[str, str]] = {"r": ("1", "a")}
        self.listeners: dict[str, tuple[str, str, str]] = {"l": ("1", "r", "a")}

    def version(self) -> str:
        self.count += 1
        return f"{self.count}-{BAD}" if self.dice.random() < self.bad_share else str(self.count)

    def change(self) -> None:
        dice = self.dice
        for _ in range(dice.randint(1, 4)):
            match dice.randint(0, 7):
                case 0:
                    name = dice.choice("abcdef")
                    self.clusters[name] = self.version()
                    self.endpoints.setdefault(name, self.version_good())
                case 1:
                    self.endpoints[dice.choice(list(self.clusters))] = self.version_good()
                case 2:
                    self.routes[dice.choice("rstu")] = (self.version(), dice.choice(list(self.clusters)))
                case 3:
                    route, cluster = dice.choice(list(self.routes)), dice.choice(list(self.clusters))
                    self.listeners[dice.choice("lmn")] = (self.version(), route, cluster)
                case 4 if self.listeners:
                    del self.listeners[dice.choice(list(self.listeners))]
                case 5:
                    used = {route for _, route, _ in self.listeners.values()}
                    for name in [name for name in self.routes if name not in used][:1]:
                        if len(self.routes) > 1:
                            del self.routes[name]
                case _:
                    self.drop_a_cluster()

    def version_good(self) -> str:
        self.count += 1
        return str(self.count)

    def drop_a_cluster(self) -> None:
        if len(self.clusters) == 1:
            return
        gone = self.dice.choice(list(self.clusters))
        del self.clusters[gone], self.endpoints[gone]
        other = next(iter(self.clusters))
        for name, (_, cluster) in self.routes.items():
            if cluster == gone:
                self.routes[name] = (self.version(), other)
        for listener, (_, route, cluster) in self.listeners.items():
            if cluster == gone:
                self.listeners[listener] = (self.version(), route, other)

    def snapshot(self) -> Snapshot:
        to = Reference
        self.previous = Snapshot.build(
            str(self.count),
            {
                CLUSTER: [Resource(name, version) for name, version in self.clusters.items()],
                ENDPOINT: [Resource(name, version) for name, version in self.endpoints.items()],
                ROUTE: [
                    Resource(name, version, refers=(to(CLUSTER, cluster),))
                    for name, (version, cluster) in self.routes.items()
                ],
                LISTENER: [
                    Resource(name, version, refers=(to(ROUTE, route), to(CLUSTER, cluster)))
                    for name, (version, route, cluster) in self.listeners.items()
                ],
            },
            previous=self.previous,
        )
        assert not self.previous.missing_references()
        return self.previous


class Story:
    """Both ends, the two directions between them, and what happens next."""

    def __init__(self, seed: int, *, bad_share: float, reconnects: bool) -> None:
        self.dice = random.Random(seed)
        self.reconnects = reconnects
        self.world = World(self.dice, bad_share=bad_share)
        self.client = ModelEnvoy(strict=not bad_share and not reconnects)
        self.connect()

    def connect(self) -> None:
        self.stream = DeltaStream()
        self.stream.on_snapshot(self.world.snapshot())
        self.to_client: deque[DeltaResponse] = deque()

    def step(self) -> bool:
        """Move one message; False when there is none."""
        ways = [way for way, queue in ((0, self.client.out), (1, self.to_client)) if queue]
        if not ways:
            return False
        if self.dice.choice(ways) == 0:
            self.stream.on_request(self.client.out.popleft())
            self.to_client.extend(self.stream.responses())
        else:
            self.client.on_response(self.to_client.popleft())
        return True

    def disturb(self) -> None:
        if self.reconnects and self.dice.random() < 0.15:
            self.connect()
            self.client.connect()
            self.client.settle()
            return
        self.world.change()
        self.stream.on_snapshot(self.world.snapshot())
        self.to_client.extend(self.stream.responses())

    def rest(self) -> None:
        moves = 0
        while self.step():
            moves += 1
            assert moves < 2000, "never comes to rest"

    def check_at_rest(self) -> None:
        snapshot = self.world.snapshot()
        held = self.client.held
        for url in TYPES:
            want = dict(snapshot.collection(url))
            if url in self.client.wanted:
                want = {name: resource for name, resource in want.items() if name in self.client.wanted[url]}
            good = {name: resource.version for name, resource in want.items() if BAD not in resource.version}
            mine = {name: version for name, version in self.client.versions(url).items() if name in good}
            assert mine == good, url
            if url in {CLUSTER, LISTENER}:
                rejecting = any(status.rejection is not None for status in self.stream.status())
                assert rejecting or set(held[url]) <= set(want), url
        assert not self.client.warming
        assert all(not status.in_flight for status in self.stream.status())


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(
    ("bad_share", "reconnects"),
    [(0.0, False), (0.0, True), (0.2, False), (0.2, True)],
    ids=["calm", "cut", "bad", "both"],
)
def test_the_client_is_never_broken_and_ends_with_the_snapshot(seed: int, bad_share: float, reconnects: bool) -> None:
    story = Story(seed, bad_share=bad_share, reconnects=reconnects)
    for _ in range(40):
        for _ in range(story.dice.randint(0, 12)):
            story.step()
        story.disturb()
        if story.dice.random() < 0.2:
            story.rest()
            story.check_at_rest()
    story.rest()
    story.check_at_rest()
    snapshot = story.world.snapshot()
    story.stream.on_snapshot(Snapshot.build("again", {url: snapshot.collection(url).values() for url in TYPES}))
    assert story.stream.responses() == [], "an equal snapshot sends nothing"


def test_the_model_notices_a_cluster_that_is_missing() -> None:
    client = ModelEnvoy(strict=True)
    listener = Resource("l", "1", refers=(Reference(CLUSTER, "never sent"),))
    with pytest.raises(AssertionError, match="never sent"):
        client.on_response(DeltaResponse(type_url=LISTENER, nonce="1", resources=(listener,)))
