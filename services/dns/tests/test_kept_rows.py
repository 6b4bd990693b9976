"""What a dns keeps of rows: less, and never less than an answer needs."""

import asyncio
import random

import pytest

from lictor_bus import FakeBus, Hub, LeaderTracker, View
from lictor_bus.fake_store import FakeStore
from lictor_dns.kept_rows import TABLES, narrow
from lictor_state import Change, Store, Table
from lictor_state.codec import decode_group, encode_group
from lictor_state.commands import CatalogDeregister, Command
from lictor_state.rows import CheckDefinition, CheckRow, IndexRow, NodeRow, ProxyDefinition, ServiceRow, TaggedAddress


def row_of(change):
    kept = narrow(change)
    assert kept is not None
    return kept.row


@pytest.mark.parametrize("status", ["passing", "warning", "critical", "odd"])
def test_of_a_check_its_place_and_a_status_that_matters_are_kept(status):
    row = CheckRow(
        "n",
        "c",
        "name",
        status,
        "notes",
        "output" * 99,
        "web-1",
        definition=CheckDefinition(http="http://x"),
        agent=True,
    )
    kept = row_of(Change(Table.CHECKS, ("n", "c"), row))
    assert kept == (None if status == "passing" else CheckRow("n", "c", "", status, service_id="web-1"))


def test_of_an_instance_what_names_and_queries_ask_for_is_kept():
    row = ServiceRow(
        "n",
        "web-1",
        "web",
        "connect-proxy",
        ("v1",),
        "10.0.0.1",
        80,
        tagged_addresses={"lan": TaggedAddress("10.0.0.1", 80)},
        meta={"a": "b"},
        proxy=ProxyDefinition("db", "db-1", config={"x": "y" * 100}),
        modify_index=7,
    )
    kept = row_of(Change(Table.SERVICES, ("n", "web-1"), row))
    assert kept == ServiceRow(
        "n", "web-1", "web", "connect-proxy", ("v1",), "10.0.0.1", 80, meta={"a": "b"}, proxy=ProxyDefinition("db")
    )
    node = NodeRow("n", "id", "10.1.0.1", "dc1", {"lan": "10.1.0.1"}, {"rack": "7"}, 1, 2)
    assert row_of(Change(Table.NODES, ("n",), node)) == NodeRow("n", "", "10.1.0.1", "dc1", meta={"rack": "7"})


def test_deletions_and_other_rows_pass():
    for change in (Change(Table.CHECKS, ("n", "c"), None), Change(Table.PREPARED_QUERIES, ("q",), None)):
        assert narrow(change) is change


@pytest.mark.parametrize("name", ["service.web", "connect.web", "service-extinction"])
def test_index_rows_that_move_with_instances_are_kept(name):
    change = Change(Table.INDEXES, (name,), IndexRow(name, 7))
    assert narrow(change) is change


@pytest.mark.parametrize("name", ["nodes", "services", "checks", "node.web", "node-extinction", "kv"])
def test_index_rows_of_whole_tables_and_of_nodes_are_not(name):
    assert narrow(Change(Table.INDEXES, (name,), IndexRow(name, 7))) is None


def test_answers_from_what_is_kept_are_those_from_everything(make_world):
    dice = random.Random(31)
    whole, part = make_world(only_passing=False), make_world(only_passing=False)
    less = Store("cluster", keeps_digest=False)
    part.store = less
    load = whole.zone.load

    def both(changes):
        load(changes)
        index, decoded = decode_group(encode_group(whole.store.index, changes))
        kept = [small for one in decoded if one.table in TABLES and (small := narrow(one)) is not None]
        less.load(index, kept)
        part.zone.load(kept)

    whole.zone.load = both
    names = [f"{name}.service.consul." for name in ("web", "db", "v1.web")] + ["n1.node.consul.", "n2.node.consul."]
    for _ in range(60):
        number, name = dice.randint(1, 4), dice.choice(["web", "db"])
        if dice.random() < 0.25:
            whole.apply(CatalogDeregister(f"n{number}", service_id=dice.choice(["", f"{name}-{number}"])))
        else:
            status = dice.choice(["passing", "warning", "critical"])
            address = dice.choice(["", f"10.0.0.{number}"])
            whole.instance(number, name=name, status=status, address=address, tags=dice.choice([(), ("v1",)]))
        for asked in names:
            for rtype in ("A", "SRV", "TXT"):
                one, other = whole.ask(asked, rtype), part.ask(asked, rtype)
                assert one.rcode() == other.rcode()
                for ours, theirs in ((one.answer, other.answer), (one.additional, other.additional)):
                    assert {str(data) for rrset in ours for data in rrset} == {
                        str(data) for rrset in theirs for data in rrset
                    }


def test_a_view_keeps_what_it_is_told_to_of_changes_and_of_snapshots(world):
    async def story():
        hub = Hub()
        store, bus = FakeStore(FakeBus(hub)), FakeBus(hub)
        tracker = LeaderTracker(bus)
        await tracker.start()
        await store.open()
        views = []

        async def follow():
            view = View(bus, tracker, "discovery", tables=TABLES, narrow=narrow)
            views.append(asyncio.ensure_future(view.run()))
            await view.ready.wait()
            return view

        early = await follow()
        for number, status in ((1, "passing"), (2, "critical")):
            commands: list[Command] = []
            world.apply = commands.append
            world.instance(number, status=status)
            done = await store.apply(*commands)
        store.keep_changes = False
        late = await follow()
        for view in (early, late):
            assert await view.wait_for(done.index, 2.0)
            assert view.store.count(Table.SERVICES) == 2
            assert [row.status for _, row in view.store.rows(Table.CHECKS)] == ["critical"]
        for one in views:
            one.cancel()
        await asyncio.gather(*views, return_exceptions=True)
        await bus.close()
        await store.bus.close()

    asyncio.run(asyncio.wait_for(story(), 10))
