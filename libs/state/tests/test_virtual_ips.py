"""Virtual addresses: who gets one, which one, and when it is free again."""

from typing import Any

import pytest

from lictor_state import Store, apply, virtual_ips
from lictor_state import commands as c
from lictor_state.levels import SECOND, VIRTUAL_IPS_LEVEL
from lictor_state.mesh_rows import VirtualIPRow
from lictor_state.queries import health
from lictor_state.rows import ProxyDefinition, Table, TaggedAddress
from lictor_state.virtual_ips import CONSUL_VIRTUAL, address_of


def proxy(service: str, node: str = "n1", service_id: str = "", **more: Any) -> c.CatalogRegister:
    spec = c.ServiceSpec(
        service_id or f"{service}-proxy",
        f"{service}-proxy",
        kind="connect-proxy",
        proxy=ProxyDefinition(service),
        **more,
    )
    return c.CatalogRegister(node, "10.0.0.1", "dc1", service=spec)


def native(service: str, node: str = "n1", *, native: bool = True) -> c.CatalogRegister:
    return c.CatalogRegister(node, "10.0.0.1", "dc1", service=c.ServiceSpec(service, service, native=native))


def shown(state: Any, service_id: str, node: str = "n1") -> str:
    tagged = state.store.service(node, service_id).tagged_addresses.get(CONSUL_VIRTUAL)
    return tagged.address if tagged is not None else ""


def given(state: Any) -> dict[str, int]:
    return {key[0]: row.offset for key, row in state.store.rows(Table.VIRTUAL_IPS)}


def test_services_of_the_mesh_get_addresses_in_the_order_in_which_they_come(state: Any) -> None:
    state.do(proxy("web"))
    state.do(native("Db"))
    state.register(service="plain")
    state.do(proxy("web", "n2"))
    assert (shown(state, "web-proxy"), shown(state, "Db"), shown(state, "plain")) == ("240.0.0.1", "240.0.0.2", "")
    assert shown(state, "web-proxy", "n2") == "240.0.0.1", "one address for each service"
    assert given(state) == {"web": 1, "db": 2}
    assert state.store.virtual_ip("WEB").service == "web"


def test_other_tagged_addresses_stay_and_a_given_virtual_one_does_not(state: Any) -> None:
    lan, own = TaggedAddress("10.0.0.1", 1), TaggedAddress("1.2.3.4", 1)
    state.do(proxy("web", port=21000, tagged_addresses={"lan": lan, CONSUL_VIRTUAL: own}))
    assert state.store.service("n1", "web-proxy").tagged_addresses == {
        "lan": lan,
        CONSUL_VIRTUAL: TaggedAddress("240.0.0.1", 21000),
    }


def test_the_same_registration_is_no_change(state: Any) -> None:
    for command in (proxy("web"), native("db")):
        state.do(command)
        state.do(command)
        assert state.last.changes == ()


def test_the_last_instance_of_the_mesh_gives_the_address_back_and_the_lowest_is_taken_next(state: Any) -> None:
    for name in ("a", "b", "c"):
        state.do(proxy(name))
    state.do(proxy("b", "n2"))
    state.do(c.CatalogDeregister("n1", "b-proxy"))
    assert given(state) == {"a": 1, "b": 2, "c": 3}, "another instance holds it"
    state.do(c.CatalogDeregister("n2"))
    assert given(state) == {"a": 1, "c": 3}
    state.do(proxy("d"))
    state.do(proxy("e"))
    assert given(state) == {"a": 1, "c": 3, "d": 2, "e": 4}
    state.do(c.CatalogDeregister("n1"))
    assert given(state) == {}


def test_an_instance_that_changes_sides_frees_what_it_held(state: Any) -> None:
    state.do(proxy("web", service_id="p"))
    state.do(proxy("db", service_id="p"))
    assert given(state) == {"db": 2}, "the new one is taken before the old one is free"
    state.do(native("n"))
    state.do(native("n", native=False))
    assert given(state) == {"db": 2}
    assert shown(state, "n") == ""


def test_an_automatic_sidecar_shows_the_address_with_the_port_that_it_was_given(state: Any) -> None:
    sidecar = c.ServiceSpec(
        "web-sidecar-proxy", "web-sidecar-proxy", kind="connect-proxy", proxy=ProxyDefinition("web"), sidecar_of="web"
    )
    state.do(c.AgentServiceRegister("n1", "10.0.0.1", "dc1", c.ServiceSpec("web", "web"), sidecar=sidecar))
    tagged = state.store.service("n1", "web-sidecar-proxy").tagged_addresses
    assert tagged == {CONSUL_VIRTUAL: TaggedAddress("240.0.0.1", 21000)}


def test_what_returns_with_its_node_shows_the_address_of_now(state: Any) -> None:
    state.do(c.AgentJoin("n1", "id-1", "r", "10.0.0.1", 8301, "dc1"))
    spec = proxy("web").service
    assert spec is not None
    state.do(c.AgentServiceRegister("n1", "10.0.0.1", "dc1", spec))
    row = state.store.agent("n1")
    state.do(c.AgentDecision("n1", "r", row.status_index, "left"))
    assert given(state) == {}
    state.do(proxy("db", "n2"))
    state.do(c.AgentJoin("n1", "id-1", "r2", "10.0.0.1", 8301, "dc1"))
    assert given(state) == {"db": 1, "web": 2}
    assert shown(state, "web-proxy") == "240.0.0.2"


def test_when_every_address_is_taken_a_registration_is_refused_whole(
    state: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(virtual_ips, "OFFSET_MAX", 2)
    state.do(proxy("a"))
    state.do(proxy("b"))
    assert "virtual IPs" in state.do(proxy("c", "n9")).error
    assert state.last.changes == ()
    assert state.store.node("n9") is None
    assert address_of(state.store.virtual_ip("b")) == "240.0.0.2"


def test_below_its_level_nothing_is_given_and_raising_it_gives_every_service_its_address_in_the_order_of_names() -> (
    None
):
    store = Store("cluster", SECOND)
    old: list[c.Command] = [proxy("web"), native("Db"), proxy("api", "n2"), proxy("web", "n2"), proxy("gone")]
    old += [c.CatalogDeregister("n1", "gone-proxy"), c.CatalogRegister("n1", "10.0.0.1", "dc1", service=c.ServiceSpec("plain", "plain"))]  # fmt: skip
    for number, command in enumerate(old, 1):
        apply(store, number, c.Envelope(0, 0, 0, command))
    assert not list(store.rows(Table.VIRTUAL_IPS))
    before = store.service("n1", "plain")
    raised = apply(store, 20, c.Envelope(0, 0, 0, c.RaiseLevel(VIRTUAL_IPS_LEVEL)))
    assert raised.result.value is True
    assert {key[0]: address_of(row) for key, row in store.rows(Table.VIRTUAL_IPS) if isinstance(row, VirtualIPRow)} == {
        "api": "240.0.0.1",
        "db": "240.0.0.2",
        "web": "240.0.0.3",
    }
    for node, service_id, address in (
        ("n1", "web-proxy", 3),
        ("n2", "web-proxy", 3),
        ("n2", "api-proxy", 1),
        ("n1", "Db", 2),
    ):
        row = store.service(node, service_id)
        assert row is not None
        assert row.tagged_addresses[CONSUL_VIRTUAL].address == f"240.0.0.{address}"
        assert row.modify_index == 20
    assert store.service("n1", "plain") is before
    again = apply(store, 21, c.Envelope(0, 0, 0, proxy("web")))
    assert again.changes == (), "as if it had been registered at this level"
    assert apply(store, 22, c.Envelope(0, 0, 0, c.RaiseLevel(VIRTUAL_IPS_LEVEL))).changes == ()


def test_readers_of_instances_are_told_of_the_addresses_that_a_level_brings() -> None:
    store = Store("cluster", SECOND)
    apply(store, 1, c.Envelope(0, 0, 0, proxy("web")))
    woken = []
    answer = health.connect(store, "web")
    store.watches.add(answer.tokens, lambda: woken.append(store.index))
    apply(store, 2, c.Envelope(0, 0, 0, c.RaiseLevel(VIRTUAL_IPS_LEVEL)))
    assert woken == [2]
    assert health.connect(store, "web").index == 2
