"""The incremental variant, one test per claim of the protocol's documentation and of Envoy's observed behaviour."""

from collections.abc import Iterable

import pytest

from lictor_xdsproto import (
    CLUSTER,
    ENDPOINT,
    LISTENER,
    NAMES_MAX,
    ROUTE,
    SECRET,
    TYPES_MAX,
    DeltaRequest,
    DeltaResponse,
    DeltaStream,
    Nack,
    Outcome,
    Reference,
    RequestError,
    Resource,
    Snapshot,
    SubscriptionLimit,
)

SHORT = {"C": CLUSTER, "E": ENDPOINT, "L": LISTENER, "R": ROUTE, "S": SECRET}
LONG = {url: short for short, url in SHORT.items()}


def resources(names: str) -> list[Resource]:
    """From words "name:version>X/name": X/name are references."""
    out = []
    for word in names.split():
        head, *refs = word.split(">")
        name, _, version = head.partition(":")
        refers = tuple(Reference(SHORT[ref[0]], ref[2:]) for ref in refs)
        out.append(Resource(name, version or "1", refers=refers))
    return out


class Proxy:
    """A hand on the client's end of a stream; it acknowledges nothing by itself."""

    def __init__(self, **collections: str) -> None:
        self.stream = DeltaStream()
        if collections:
            self.have(**collections)

    def have(self, **collections: str) -> list[str]:
        self.stream.on_snapshot(
            Snapshot.build("v", {SHORT[short]: resources(names) for short, names in collections.items()})
        )
        return self.take()

    def ask(
        self,
        short: str,
        subscribe: Iterable[str] = (),
        unsubscribe: Iterable[str] = (),
        *,
        nonce: str = "",
        held: dict[str, str] | None = None,
        error: Nack | None = None,
    ) -> list[str]:
        self.outcome = self.stream.on_request(
            DeltaRequest(
                type_url=SHORT[short],
                nonce=nonce,
                subscribe=tuple(subscribe),
                unsubscribe=tuple(unsubscribe),
                initial_versions=held or {},
                error=error,
            )
        )
        return self.take()

    def take(self) -> list[str]:
        """Responses as "C1 +a:1 +b:2 -c": type, nonce, upserts with versions, removals."""
        return [self.show(response) for response in self.stream.responses()]

    @staticmethod
    def show(response: DeltaResponse) -> str:
        parts = [f"{LONG.get(response.type_url, '?')}{int(response.nonce, 16)}"]
        parts += [f"+{resource.name}:{resource.version}" for resource in response.resources]
        parts += [f"-{name}" for name in response.removed_resources]
        return " ".join(parts)

    def outcome_of(self, short: str, response: str) -> Outcome:
        self.ask(short, nonce=nonce(response))
        return self.outcome

    def ack(self, response: str) -> list[str]:
        return self.ask(response[0], nonce=nonce(response))

    def nack(self, response: str) -> list[str]:
        return self.ask(response[0], nonce=nonce(response), error=Nack(13, "no"))


def nonce(response: str) -> str:
    return f"{int(response.split(maxsplit=1)[0][1:]):08x}"


# --- subscriptions ---------------------------------------------------------------------------------------------------


def test_a_wildcard_gets_everything_and_then_only_what_changed() -> None:
    proxy = Proxy(C="a b")
    assert proxy.ask("C") == ["C1 +a:1 +b:1"]
    assert proxy.ack("C1") == []
    assert proxy.have(C="a b:2 c") == ["C2 +b:2 +c:1"]
    assert proxy.ack("C2") == []
    assert proxy.have(C="b:2 c") == ["C3 -a"]


def test_nothing_is_sent_before_the_first_snapshot_and_nothing_is_lost() -> None:
    proxy = Proxy()
    assert proxy.ask("C") == []
    assert proxy.have(C="a") == ["C1 +a:1"]


def test_a_wildcard_is_answered_once_even_with_nothing() -> None:
    proxy = Proxy(C="")
    assert proxy.ask("C") == ["C1"]
    assert proxy.ack("C1") == []
    assert proxy.have(C="", L="") == []


def test_an_equal_snapshot_sends_nothing() -> None:
    proxy = Proxy(C="a")
    proxy.ack(proxy.ask("C")[0])
    assert proxy.have(C="a") == []


def test_a_name_that_does_not_exist_yet_is_remembered_and_sent_when_it_appears() -> None:
    proxy = Proxy(E="a")
    assert proxy.ask("E", ["a", "late"]) == ["E1 +a:1"]
    assert proxy.ack("E1") == []
    assert proxy.have(E="a late") == ["E2 +late:1"]


def test_an_absent_name_of_a_root_type_is_answered_as_removed_and_sent_when_it_appears() -> None:
    proxy = Proxy(C="a")
    assert proxy.ask("C", ["odd"]) == ["C1 -odd"]
    assert proxy.ack("C1") == []
    assert proxy.have(C="a odd") == ["C2 +odd:1"]


def test_empty_lists_mean_no_change() -> None:
    proxy = Proxy(E="a b")
    proxy.ack(proxy.ask("E", ["a"])[0])
    assert proxy.ask("E") == []
    assert proxy.have(E="a:2 b:2") == ["E2 +a:2"]


def test_a_subscribed_name_is_answered_even_if_it_seems_to_be_held() -> None:
    proxy = Proxy(E="a b")
    proxy.ack(proxy.ask("E", ["a", "b"])[0])
    assert proxy.ask("E", ["a"]) == ["E2 +a:1"]


def test_a_name_subscribed_while_it_is_in_flight_is_sent_again_after_the_ack() -> None:
    proxy = Proxy(E="a b")
    assert proxy.ask("E", ["a", "b"]) == ["E1 +a:1 +b:1"]
    assert proxy.ask("E", ["a"]) == []
    assert proxy.ack("E1") == ["E2 +a:1"]
    assert proxy.ack("E2") == []


def test_unsubscribing_needs_no_response_and_subscribing_again_sends_again() -> None:
    proxy = Proxy(E="a")
    proxy.ack(proxy.ask("E", ["a"])[0])
    assert proxy.ask("E", unsubscribe=["a"]) == []
    assert proxy.have(E="a:2") == []
    assert proxy.ask("E", ["a"]) == ["E2 +a:2"]


def test_unsubscribing_from_an_unknown_name_is_ignored() -> None:
    proxy = Proxy(E="a")
    proxy.ack(proxy.ask("E", ["a"])[0])
    assert proxy.ask("E", unsubscribe=["never"]) == []


def test_a_name_unsubscribed_while_in_flight_is_not_counted_as_held() -> None:
    proxy = Proxy(E="a b")
    proxy.ask("E", ["a", "b"])
    assert proxy.ask("E", unsubscribe=["a"]) == []
    assert proxy.ack("E1") == []
    assert proxy.ask("E", ["a"]) == ["E2 +a:1"]


def test_unsubscribing_under_a_wildcard_is_answered_with_the_resource_or_its_removal() -> None:
    proxy = Proxy(C="a")
    assert proxy.ask("C", ["*", "a", "gone"]) == ["C1 +a:1 -gone"]
    proxy.ack("C1")
    assert proxy.ask("C", unsubscribe=["a"]) == ["C2 +a:1"]
    proxy.ack("C2")
    assert proxy.ask("C", unsubscribe=["gone"]) == ["C3 -gone"]


def test_dropping_the_wildcard_keeps_the_names() -> None:
    proxy = Proxy(C="a b")
    proxy.ack(proxy.ask("C")[0])
    proxy.ack(proxy.ask("C", ["a"])[0])
    assert proxy.ask("C", unsubscribe=["*"]) == []
    assert proxy.have(C="a:2 b:2") == ["C3 +a:2"]
    proxy.ack("C3")
    assert proxy.ask("C", unsubscribe=["a"]) == []
    assert proxy.have(C="a:3 b:3") == []


def test_types_on_one_stream_do_not_mix() -> None:
    proxy = Proxy(C="a", E="a")
    assert proxy.ask("C") == ["C1 +a:1"]
    assert proxy.ask("E", ["a"]) == ["E2 +a:1"]
    assert proxy.outcome_of("E", "C1") is Outcome.STALE
    assert proxy.outcome_of("C", "C1") is Outcome.ACK


# --- answers ---------------------------------------------------------------------------------------------------------


def test_one_response_per_type_waits_for_its_answer_and_the_newest_snapshot_wins() -> None:
    proxy = Proxy(C="a")
    proxy.ask("C")
    assert proxy.have(C="a:2") == []
    assert proxy.have(C="a:3 b") == []
    assert proxy.ack("C1") == ["C2 +a:3 +b:1"]


def test_a_stale_nonce_acknowledges_nothing_but_its_subscription_counts() -> None:
    proxy = Proxy(E="a b")
    proxy.ask("E", ["a"])
    assert proxy.ask("E", ["b"], nonce="ffffffff") == []
    assert proxy.outcome is Outcome.STALE
    assert proxy.ack("E1") == ["E2 +b:1"]
    assert proxy.stream.status()[0].versions == {"a": "1"}


def test_a_rejection_with_a_stale_nonce_is_ignored() -> None:
    proxy = Proxy(C="a")
    proxy.ask("C")
    proxy.ack("C1")
    proxy.have(C="a:2")
    assert proxy.nack("C1") == []
    assert proxy.outcome is Outcome.STALE
    assert proxy.stream.status()[0].rejection is None


def test_a_rejected_resource_is_not_sent_again_until_it_changes_and_the_old_version_stays_held() -> None:
    proxy = Proxy(C="a")
    proxy.ack(proxy.ask("C")[0])
    assert proxy.have(C="a:2") == ["C2 +a:2"]
    assert proxy.nack("C2") == []
    assert proxy.outcome is Outcome.NACK
    assert proxy.have(C="a:2", L="") == []
    (status,) = proxy.stream.status()
    assert status.versions == {"a": "1"}
    assert status.rejection is not None
    assert (status.rejection.nonce, status.rejection.names) == (nonce("C2"), ("a",))
    assert status.rejection.error == Nack(13, "no")
    assert proxy.have(C="a:3") == ["C3 +a:3"]
    proxy.ack("C3")
    (status,) = proxy.stream.status()
    assert (status.versions, status.rejection) == ({"a": "3"}, None)


def test_after_a_rejection_all_affected_names_are_sent_when_one_of_them_changes() -> None:
    proxy = Proxy(C="good bad")
    proxy.ask("C")
    assert proxy.nack("C1") == []
    assert proxy.have(C="good bad:2") == ["C2 +good:1 +bad:2"]
    assert proxy.ack("C2") == []


def test_after_a_rejection_other_names_go_their_own_way() -> None:
    proxy = Proxy(C="bad")
    proxy.ask("C")
    proxy.nack("C1")
    assert proxy.have(C="bad other") == ["C2 +other:1"]
    assert proxy.ack("C2") == []
    assert proxy.stream.status()[0].rejection is not None


def test_going_back_to_the_held_version_is_a_change_too() -> None:
    proxy = Proxy(C="a")
    proxy.ack(proxy.ask("C")[0])
    proxy.have(C="a:2")
    proxy.nack("C2")
    assert proxy.have(C="a:1") == ["C3 +a:1"]


def test_a_rejected_new_resource_that_is_taken_back_is_removed() -> None:
    proxy = Proxy(C="bad")
    proxy.ask("C")
    proxy.nack("C1")
    assert proxy.have(C="") == ["C2 -bad"]
    assert proxy.ack("C2") == []
    assert proxy.stream.status()[0].rejection is None


def test_taking_back_one_rejected_resource_does_not_start_a_loop() -> None:
    proxy = Proxy(C="bad worse", L="l")
    proxy.ask("C")
    proxy.ask("L")
    proxy.nack("C1")
    proxy.ack("L2")
    assert proxy.have(C="bad", L="l:2") == ["C3 +bad:1"]
    assert proxy.nack("C3") == ["L4 +l:2"]
    assert proxy.ack("L4") == ["C5 -worse"]
    assert proxy.ack("C5") == []


def test_a_rejected_removal_is_not_repeated() -> None:
    proxy = Proxy(C="a")
    proxy.ack(proxy.ask("C")[0])
    assert proxy.have(C="") == ["C2 -a"]
    assert proxy.nack("C2") == []
    assert proxy.have(C="", L="") == []
    assert proxy.have(C="a") == ["C3 +a:1"]


def test_a_client_may_ask_again_for_what_it_rejected() -> None:
    proxy = Proxy(E="a")
    proxy.ask("E", ["a"])
    assert proxy.nack("E1") == []
    assert proxy.ask("E", ["a"]) == ["E2 +a:1"]


def test_an_answer_and_a_subscription_may_come_in_one_request() -> None:
    proxy = Proxy(E="a b")
    proxy.ask("E", ["a"])
    assert proxy.ask("E", ["b"], nonce=nonce("E1")) == ["E2 +b:1"]


def test_nonces_are_unique_on_a_stream() -> None:
    proxy = Proxy(C="a", L="l", E="a", S="s")
    seen = [proxy.ask("C"), proxy.ask("E", ["a"]), proxy.ask("S", ["s"])]
    assert seen == [["C1 +a:1"], ["E2 +a:1"], ["S3 +s:1"]]
    response = DeltaStream()
    response.on_snapshot(Snapshot.build("index 7", {CLUSTER: []}))
    response.on_request(DeltaRequest(type_url=CLUSTER))
    (first,) = response.responses()
    assert (first.nonce, first.system_version_info) == ("00000001", "index 7")


# --- reconnecting ----------------------------------------------------------------------------------------------------


def test_a_client_that_holds_everything_gets_nothing() -> None:
    proxy = Proxy(C="a", E="a", L="l", R="r")
    assert proxy.ask("C", held={"a": "1"}) == []
    assert proxy.ask("E", ["a"], held={"a": "1"}) == []
    assert proxy.ask("L", held={"l": "1"}) == []
    assert proxy.ask("R", ["r"], held={"r": "1"}) == []


def test_a_client_gets_what_it_lacks_and_drops_what_is_gone() -> None:
    proxy = Proxy(C="a b:2 new", E="a b")
    assert proxy.ask("C", held={"a": "1", "b": "1", "old": "1"}) == ["C1 +b:2 +new:1"]
    assert proxy.ack("C1") == ["C2 -old"]
    assert proxy.ack("C2") == []


def test_foreign_versions_are_replaced() -> None:
    proxy = Proxy(E="a")
    assert proxy.ask("E", ["a"], held={"a": "of another control plane"}) == ["E1 +a:1"]


def test_what_a_client_holds_but_does_not_subscribe_to_does_not_count() -> None:
    proxy = Proxy(E="a b")
    assert proxy.ask("E", ["a"], held={"a": "1", "b": "1"}) == []
    assert proxy.ask("E", ["b"]) == ["E1 +b:1"]


def test_only_the_first_request_of_a_type_may_tell_versions() -> None:
    proxy = Proxy(E="a b")
    proxy.ack(proxy.ask("E", ["a"])[0])
    assert proxy.ask("E", ["b"], held={"b": "1"}) == ["E2 +b:1"]


def test_children_of_a_parent_that_is_sent_are_sent_although_the_client_holds_them() -> None:
    proxy = Proxy(C="a:2 b", E="a b")
    assert proxy.ask("C", held={"a": "1", "b": "1"}) == ["C1 +a:2"]
    assert proxy.ask("E", ["a", "b"], held={"a": "1", "b": "1"}) == ["E2 +a:1"]


def test_clusters_are_not_removed_before_a_reconnecting_client_has_told_its_listeners_and_routes() -> None:
    proxy = Proxy(C="b", E="b", L="l:2>R/r", R="r:2>C/b")
    assert proxy.ask("C", held={"a": "1", "b": "1"}) == []
    assert proxy.ask("E", ["a", "b"], held={"a": "1", "b": "1"}) == []
    assert proxy.ask("L", held={"l": "1"}) == ["L1 +l:2"]
    assert proxy.ask("R", ["r"], held={"r": "1"}) == ["R2 +r:2"]
    assert proxy.ack("L1") == []
    assert proxy.ack("R2") == ["C3 -a"]


def test_what_a_client_brought_along_may_need_any_cluster_until_it_is_replaced() -> None:
    proxy = Proxy(C="b", E="b", L="l>R/r", R="r:2>C/b")
    proxy.ask("C", held={"a": "1", "b": "1"})
    proxy.ask("L", held={"l": "1"})
    assert proxy.ask("R", ["r"], held={"r": "1"}) == ["R1 +r:2"]
    assert proxy.nack("R1") == []
    assert proxy.have(C="b", E="b", L="l>R/r", R="r:3>C/b") == ["R2 +r:3"]
    assert proxy.ack("R2") == ["C3 -a"]


# --- order -----------------------------------------------------------------------------------------------------------


def started(**collections: str) -> Proxy:
    """A proxy that holds everything and waits for nothing."""
    proxy = Proxy(**collections)
    held = {
        short: {resource.name: resource.version for resource in resources(names)}
        for short, names in collections.items()
    }
    for short in "SCELR":
        names = held.get(short, {})
        subscribe = () if short in "CL" else names
        for response in proxy.ask(short, subscribe, held=names):
            proxy.ack(response)
    assert proxy.take() == []
    return proxy


FULL = {"C": "a", "E": "a", "L": "l>R/r", "R": "r>C/a"}


def test_endpoints_follow_their_cluster_at_once_without_waiting_for_its_ack() -> None:
    proxy = started(**FULL)
    assert proxy.have(**FULL | {"C": "a:2"}) == ["C1 +a:2", "E2 +a:1"]


def test_listeners_and_routes_wait_for_clusters_and_endpoints() -> None:
    proxy = started(**FULL)
    new = {"C": "a b", "E": "a b", "L": "l:2>R/r", "R": "r:2>C/b"}
    assert proxy.have(**new) == ["C1 +b:1"]
    assert proxy.ask("E", ["b"]) == ["E2 +b:1"]
    assert proxy.ack("C1") == []
    assert proxy.ack("E2") == ["L3 +l:2", "R4 +r:2"]


def test_routes_follow_their_listener_at_once() -> None:
    proxy = started(**FULL)
    assert proxy.have(**FULL | {"L": "l:2>R/r"}) == ["L1 +l:2", "R2 +r:1"]


def test_clusters_are_removed_only_after_listeners_and_routes_are_acknowledged() -> None:
    proxy = started(**FULL)
    new = {"C": "b", "E": "b", "L": "l:2>R/r", "R": "r:2>C/b"}
    assert proxy.have(**new) == ["C1 +b:1"]
    proxy.ask("E", ["b"])
    proxy.ack("C1")
    assert proxy.ack("E2") == ["L3 +l:2", "R4 +r:2"]
    assert proxy.ack("L3") == []
    assert proxy.ack("R4") == ["C5 -a"]
    assert proxy.ask("E", unsubscribe=["a"]) == []
    assert proxy.ack("C5") == []


def test_endpoints_that_the_client_keeps_are_removed_after_their_cluster() -> None:
    proxy = started(**FULL)
    assert proxy.have(C="", E="", L="", R="") == ["L1 -l"]
    assert proxy.ack("L1") == ["R2 -r"]
    assert proxy.ack("R2") == ["C3 -a"]
    assert proxy.ack("C3") == ["E4 -a"]


def test_a_cluster_stays_while_a_rejected_change_keeps_its_old_route_in_use() -> None:
    proxy = started(**FULL)
    assert proxy.have(C="b", E="b", L="l>R/r", R="r:2>C/b") == ["C1 +b:1"]
    assert proxy.ask("E", ["b"]) == ["E2 +b:1"]
    proxy.ack("E2")
    assert proxy.ack("C1") == ["R3 +r:2"]
    assert proxy.nack("R3") == []  # the client goes on with r:1, which needs a
    assert proxy.have(C="b", E="b", L="l>R/r", R="r:3>C/b") == ["R4 +r:3"]
    assert proxy.ack("R4") == ["C5 -a"]


def test_secrets_go_first_and_are_removed_last() -> None:
    old = {"S": "s", "C": "a", "E": "a", "L": "l"}
    proxy = started(**old)
    assert proxy.have(S="s:2", C="a:2", E="a", L="l") == ["S1 +s:2", "C2 +a:2", "E3 +a:1"]
    for response in ("S1", "E3", "C2"):
        proxy.ack(response)
    assert proxy.have(S="", C="", E="", L="") == ["L4 -l"]
    assert proxy.ack("L4") == ["C5 -a"]
    assert proxy.ack("C5") == ["E6 -a", "S7 -s"]


def test_a_late_acknowledgement_does_not_count_for_children_that_must_be_sent_again() -> None:
    proxy = started(**FULL)
    assert proxy.have(**FULL | {"E": "a:2"}) == ["E1 +a:2"]
    assert proxy.have(**FULL | {"E": "a:2", "C": "a:2"}) == ["C2 +a:2"]
    assert proxy.ack("E1") == ["E3 +a:2"]
    assert proxy.ack("C2") == []
    assert proxy.ack("E3") == []


def test_two_cluster_changes_and_their_endpoints_end_with_the_newest() -> None:
    proxy = started(**FULL)
    assert proxy.have(**FULL | {"C": "a:2"}) == ["C1 +a:2", "E2 +a:1"]
    assert proxy.have(**FULL | {"C": "a:3"}) == []
    assert proxy.ack("E2") == []
    assert proxy.ack("C1") == ["C3 +a:3", "E4 +a:1"]


def test_a_new_cluster_that_is_taken_back_while_it_waits_for_endpoints_does_not_block_the_stream() -> None:
    proxy = started(**FULL)
    assert proxy.have(**FULL | {"C": "a b", "E": "a b"}) == ["C1 +b:1"]
    assert proxy.have(**FULL) == []
    assert proxy.ask("E", ["b"]) == ["E2 -b"]
    assert proxy.ack("E2") == []
    assert proxy.ack("C1") == ["C3 -b"]


def test_a_changed_cluster_that_is_taken_back_keeps_its_last_endpoints_until_it_goes() -> None:
    proxy = started(**FULL)
    assert proxy.have(C="a b", E="a:2 b", L="l>R/r", R="r>C/a") == ["C1 +b:1", "E2 +a:2"]
    proxy.ask("E", ["b"])
    assert proxy.ack("E2") == ["E3 +b:1"]
    assert proxy.ack("C1") == []
    assert proxy.have(C="a:2 b", E="a:2 b", L="l>R/r", R="r>C/a") == ["C4 +a:2"]
    assert proxy.have(C="b", E="b", L="l>R/r", R="r:2>C/b") == []
    assert proxy.ack("E3") == ["E5 +a:2"]  # without it the client would not acknowledge a:2
    proxy.ack("E5")
    assert proxy.ack("C4") == ["R6 +r:2"]
    assert proxy.ack("R6") == ["C7 -a"]


def test_a_rejected_cluster_does_not_hold_back_listeners_for_ever() -> None:
    proxy = started(**FULL)
    assert proxy.have(**FULL | {"C": "a:2", "L": "l:2>R/r"}) == ["C1 +a:2", "E2 +a:1"]
    assert proxy.ack("E2") == []
    assert proxy.nack("C1") == ["L3 +l:2", "R4 +r:1"]


def test_a_stream_without_clusters_waits_for_none() -> None:
    proxy = Proxy(C="a", L="l>R/r", R="r>C/a")
    assert proxy.ask("L") == ["L1 +l:1"]
    assert proxy.ask("R", ["r"]) == ["R2 +r:1"]


def test_a_change_of_endpoints_alone_is_one_response_with_one_resource() -> None:
    proxy = started(C="a b", E="a b", L="l", R="r")
    assert proxy.have(C="a b", E="a b:2", L="l", R="r") == ["E1 +b:2"]


def test_the_first_configuration_comes_as_envoy_asks_for_it() -> None:
    proxy = Proxy(**FULL)
    assert proxy.ask("C") == ["C1 +a:1"]
    assert proxy.ask("E", ["a"]) == ["E2 +a:1"]
    assert proxy.ack("E2") == []
    assert proxy.ack("C1") == []
    assert proxy.ask("L") == ["L3 +l:1"]
    assert proxy.ask("R", ["r"]) == ["R4 +r:1"]
    assert proxy.ack("L3") == []
    assert proxy.ack("R4") == []


# --- bounds and bad requests -----------------------------------------------------------------------------------------


def test_a_request_without_a_type_is_refused() -> None:
    with pytest.raises(RequestError, match="type_url"):
        DeltaStream().on_request(DeltaRequest(type_url=""))


def test_types_and_initial_versions_are_bounded() -> None:
    stream = DeltaStream()
    for number in range(TYPES_MAX):
        stream.on_request(DeltaRequest(type_url=f"type {number}"))
    with pytest.raises(SubscriptionLimit, match="types"):
        stream.on_request(DeltaRequest(type_url="one more"))
    versions = {str(number): "1" for number in range(NAMES_MAX + 1)}
    with pytest.raises(SubscriptionLimit, match="initial versions"):
        DeltaStream().on_request(DeltaRequest(type_url=CLUSTER, initial_versions=versions))


def test_a_type_that_is_not_served_stays_silent() -> None:
    stream = DeltaStream()
    stream.on_snapshot(Snapshot.build("1", {CLUSTER: resources("a")}))
    stream.on_request(DeltaRequest(type_url="type.googleapis.com/envoy.service.runtime.v3.Runtime", subscribe=("x",)))
    assert stream.responses() == []


def test_status_tells_what_each_type_waits_for() -> None:
    proxy = Proxy(C="a", E="a")
    proxy.ask("C")
    proxy.ask("E", ["z", "a"])
    proxy.ack("C1")
    cluster, endpoint = proxy.stream.status()
    assert (cluster.wildcard, cluster.versions, cluster.in_flight) == (True, {"a": "1"}, "")
    assert (endpoint.names, endpoint.versions, endpoint.in_flight) == (("a", "z"), {}, "00000002")
