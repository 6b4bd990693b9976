"""The state-of-the-world variant, one test per claim of the protocol's documentation."""

from collections.abc import Iterable

import pytest

from lictor_xdsproto import (
    CLUSTER,
    ENDPOINT,
    LISTENER,
    ROUTE,
    Nack,
    Outcome,
    Reference,
    RequestError,
    Resource,
    Snapshot,
    SotwRequest,
    SotwStream,
)

SHORT = {"C": CLUSTER, "E": ENDPOINT, "L": LISTENER, "R": ROUTE}
LONG = {url: short for short, url in SHORT.items()}


def resources(names: str) -> list[Resource]:
    """From words "name:version>cluster"."""
    out = []
    for word in names.split():
        head, *refs = word.split(">")
        name, _, version = head.partition(":")
        out.append(Resource(name, version or "1", refers=tuple(Reference(CLUSTER, ref) for ref in refs)))
    return out


class Proxy:
    """A hand on the client's end; it answers with the version, nonce and names that it is told or saw last."""

    def __init__(self, **collections: str) -> None:
        self.stream = SotwStream()
        self.names: dict[str, tuple[str, ...]] = {}
        self.last: dict[str, tuple[str, str]] = {}
        self.have(**collections)

    def have(self, **collections: str) -> list[str]:
        self.stream.on_snapshot(
            Snapshot.build("v", {SHORT[short]: resources(names) for short, names in collections.items()})
        )
        return self.take()

    def ask(
        self, short: str, names: Iterable[str] | None = None, *, nonce: str | None = None, error: Nack | None = None
    ) -> list[str]:
        if names is not None:
            self.names[short] = tuple(names)
        version, last = self.last.get(short, ("", ""))
        self.outcome = self.stream.on_request(
            SotwRequest(
                type_url=SHORT[short],
                version_info=version,
                nonce=last if nonce is None else nonce,
                resource_names=self.names.get(short, ()),
                error=error,
            )
        )
        return self.take()

    def take(self) -> list[str]:
        out = []
        for response in self.stream.responses():
            short = LONG[response.type_url]
            self.last[short] = (response.version_info, response.nonce)
            out.append(" ".join([short, *(f"{resource.name}:{resource.version}" for resource in response.resources)]))
        return out


def test_a_root_type_is_always_sent_whole() -> None:
    proxy = Proxy(C="a b")
    assert proxy.ask("C") == ["C a:1 b:1"]
    assert proxy.ask("C") == []
    assert proxy.have(C="a b:2") == ["C a:1 b:2"]
    proxy.ask("C")
    assert proxy.have(C="b:2") == ["C b:2"]
    proxy.ask("C")
    assert proxy.have(C="") == ["C"]


def test_a_root_type_is_answered_once_even_with_nothing() -> None:
    proxy = Proxy(C="")
    assert proxy.ask("C") == ["C"]
    assert proxy.ask("C") == []


def test_other_types_are_sent_as_far_as_they_are_new_and_vanish_without_a_word() -> None:
    proxy = Proxy(E="a b")
    assert proxy.ask("E", ["a", "b"]) == ["E a:1 b:1"]
    proxy.ask("E")
    assert proxy.have(E="a b:2") == ["E b:2"]
    proxy.ask("E")
    assert proxy.have(E="b:2") == []
    assert proxy.have(E="a b:2") == ["E a:1"]


def test_newly_named_resources_are_sent_although_no_version_moved() -> None:
    proxy = Proxy(E="a b")
    assert proxy.ask("E", ["a"]) == ["E a:1"]
    assert proxy.ask("E", ["a", "b"]) == ["E b:1"]
    assert proxy.ask("E", ["b"]) == []
    assert proxy.ask("E", ["a", "b"]) == ["E a:1"]


def test_names_replace_names_and_nothing_after_names_means_nothing() -> None:
    proxy = Proxy(C="a b")
    assert proxy.ask("C") == ["C a:1 b:1"]
    assert proxy.ask("C", ["a"]) == []
    assert proxy.have(C="a:2 b:2") == ["C a:2"]
    assert proxy.ask("C", []) == []
    assert proxy.have(C="a:3 b:3") == []


def test_a_request_with_a_stale_nonce_is_ignored_as_a_whole() -> None:
    proxy = Proxy(E="a b")
    proxy.ask("E", ["a"])
    for stale in ("", "ffffffff"):
        assert proxy.ask("E", ["b"], nonce=stale) == []
        assert proxy.outcome is Outcome.STALE
    assert proxy.stream.status()[0].names == ("a",)
    assert proxy.ask("E", ["a", "b"]) == ["E b:1"]


def test_a_rejected_version_is_not_sent_again_until_something_changes() -> None:
    proxy = Proxy(C="a")
    proxy.ask("C")
    proxy.ask("C")
    assert proxy.have(C="a:2") == ["C a:2"]
    assert proxy.ask("C", error=Nack(13, "no")) == []
    assert proxy.stream.status()[0].versions == {"a": "1"}
    assert proxy.have(C="a:2", L="") == []
    assert proxy.have(C="a:3") == ["C a:3"]
    proxy.ask("C")
    assert proxy.stream.status()[0].rejection is None


def test_equal_contents_have_an_equal_version_and_a_client_that_has_it_gets_nothing() -> None:
    one = Proxy(C="a b")
    one.ask("C")
    other = Proxy(C="b a")
    other.last["C"] = (one.last["C"][0], "")
    assert other.ask("C") == []
    assert other.have(C="a:2 b") == ["C a:2 b:1"]


def test_a_client_with_another_version_gets_everything() -> None:
    proxy = Proxy(C="a")
    proxy.last["C"] = ("of another control plane", "")
    assert proxy.ask("C") == ["C a:1"]


def test_a_named_subscription_is_never_skipped_on_a_version() -> None:
    one = Proxy(E="a")
    one.ask("E", ["a"])
    other = Proxy(E="a")
    other.last["E"] = (one.last["E"][0], "")
    assert other.ask("E", ["a"]) == ["E a:1"]


def started() -> Proxy:
    proxy = Proxy(C="a", E="a", L="l", R="r>a")
    for short, names in (("C", ()), ("E", ("a",)), ("L", ()), ("R", ("r",))):
        proxy.ask(short, names)
        proxy.ask(short)
    assert proxy.take() == []
    return proxy


def test_endpoints_are_sent_again_with_their_cluster() -> None:
    proxy = started()
    assert proxy.have(C="a:2", E="a", L="l", R="r>a") == ["C a:2", "E a:1"]


def test_removed_clusters_stay_in_the_list_until_routes_have_left_them() -> None:
    proxy = started()
    assert proxy.have(C="b", E="b", L="l", R="r:2>b") == ["C b:1 a:1"]
    assert proxy.ask("E", ["a", "b"]) == ["E b:1"]
    assert proxy.ask("E") == []
    assert proxy.ask("C") == ["R r:2"]
    assert proxy.ask("R") == ["C b:1"]
    assert proxy.ask("E", ["b"]) == []
    assert proxy.ask("C") == []


def test_a_wildcard_of_a_child_type_does_not_hold_back_others() -> None:
    proxy = Proxy(C="a", E="", L="l")
    assert proxy.ask("C") == ["C a:1"]
    assert proxy.ask("E", ["*"]) == ["E"]
    proxy.ask("E")
    proxy.ask("C")
    assert proxy.ask("L") == ["L l:1"]


def test_a_request_without_a_type_is_refused() -> None:
    with pytest.raises(RequestError, match="type_url"):
        SotwStream().on_request(SotwRequest(type_url=""))
