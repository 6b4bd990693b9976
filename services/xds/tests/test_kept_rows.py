"""What an xds keeps of rows: less, and never less than a proxy's configuration needs."""

import random
from typing import Any

import pytest

from lictor_mesh.destinations import Destinations
from lictor_mesh.proxy_config import Desired, desired_config
from lictor_state import Change, Command, Envelope, Store, Table, apply
from lictor_state.codec import decode_group, encode_group
from lictor_state.commands import CARootSet, CatalogDeregister, CatalogRegister, CheckSpec, ConfigEntrySet, ServiceSpec
from lictor_state.rows import CARootRow, IndexRow, ProxyDefinition, ServiceRow, Upstream
from lictor_xds.kept_rows import narrow


@pytest.mark.parametrize("kind", ["", "typical"])
def test_an_application_is_not_kept_and_one_that_was_a_proxy_goes(kind: str) -> None:
    key = ("n", "web")
    assert narrow(Change(Table.SERVICES, key, ServiceRow("n", "web", "web", kind))) == Change(Table.SERVICES, key, None)


@pytest.mark.parametrize(
    "row",
    [
        ServiceRow("n", "p", "p", "connect-proxy"),
        ServiceRow("n", "g", "g", "mesh-gateway"),
        ServiceRow("n", "w", "w", native=True),
    ],
)
def test_proxies_gateways_and_native_applications_are_kept(row: ServiceRow) -> None:
    change = Change(Table.SERVICES, ("n", row.service_id), row)
    assert narrow(change) is change


def test_other_rows_pass_but_for_index_rows_that_no_proxy_waits_for() -> None:
    gone = Change(Table.SERVICES, ("n", "web"), None)
    assert narrow(gone) is gone
    for name, kept in (("connect.web", True), ("service-extinction", True), ("nodes", False), ("node.n", False)):
        assert (narrow(Change(Table.INDEXES, (name,), IndexRow(name, 3))) is not None) is kept


def desired(store: Store, proxy_id: str, node: str) -> Desired:
    return desired_config(
        Destinations(store), store, proxy_id=proxy_id, node=node, datacenter="dc1", default_allow=False
    )


def some_command(dice: random.Random) -> Command:
    node, name = f"n{dice.randint(1, 3)}", dice.choice(["web", "db"])
    what = dice.randint(0, 9)
    if what == 0:
        return ConfigEntrySet("service-defaults", name, {"Protocol": dice.choice(["http", "tcp"])})
    if what == 1:
        sources = [{"Name": dice.choice(["web", "*"]), "Action": dice.choice(["allow", "deny"])}]
        return ConfigEntrySet("service-intentions", name, {"Sources": sources})
    if what == 2:
        return CatalogDeregister(node, service_id=dice.choice(["", name, f"{name}-proxy"]))
    address = f"10.0.0.{dice.randint(1, 9)}"
    if what < 6:
        native = dice.random() < 0.3
        spec = ServiceSpec(name, name, dice.choice(["", "typical"]), port=80, native=native)
    else:
        upstreams = (Upstream(destination_name="db", local_bind_port=9000),)
        kind = dice.choice(["connect-proxy", "connect-proxy", ""])
        proxy = ProxyDefinition(name, local_service_port=80, upstreams=upstreams) if kind else None
        spec = ServiceSpec(f"{name}-proxy", f"{name}-proxy", kind, port=dice.randint(20_000, 20_003), proxy=proxy)
    check = CheckSpec(f"c-{spec.service_id}", "check", dice.choice(["passing", "critical"]), service_id=spec.service_id)
    return CatalogRegister(node, address, "dc1", service=spec, checks=(check,))


@pytest.mark.parametrize("seed", range(8))
def test_configurations_from_what_is_kept_are_those_from_everything_and_are_told_as_soon(seed: int) -> None:
    dice, whole, less = random.Random(seed), Store("c"), Store("c", keeps_digest=False)
    proxies = [(f"{name}-proxy", node) for name in ("web", "db") for node in ("n1", "n2", "")]
    before: dict[Any, Desired] = {}
    woken: set[Any] = set()

    def watch(proxy: Any) -> None:
        less.watches.add(before[proxy].tokens, lambda: woken.add(proxy))

    for proxy in proxies:
        before[proxy] = desired(less, *proxy)
        watch(proxy)
    commands: list[Command] = [CARootSet(CARootRow("r", "root", 1, "k", "c", "2026", "2036", "PEM"), "key", 0)]
    commands += [some_command(dice) for _ in range(150)]
    ready = 0
    for index, command in enumerate(commands, 1):
        applied = apply(whole, index, Envelope(0, 0, 0, command))
        if applied.changes:
            _, decoded = decode_group(encode_group(index, applied.changes))
            less.load(index, [kept for one in decoded if (kept := narrow(one)) is not None])
        for proxy in proxies:
            now = desired(less, *proxy)
            expected = desired(whole, *proxy)
            assert (now.status, now.config) == (expected.status, expected.config)
            named = proxy[1]  # one that names no node keeps what it has when a second one comes by its id
            assert not named or now.config == before[proxy].config or proxy in woken, "nobody was told of a change"
            ready += now.status == "ready"
            if proxy in woken:
                woken.discard(proxy)
                before[proxy] = now
                watch(proxy)
    assert ready > 100, "there is something to compare"
    assert less.count(Table.SERVICES) < whole.count(Table.SERVICES)
