"""Every read of the table in `fast_reads` as a blocking query under random commands: no change missed, no wake for nothing.

What a read depends on is named by its plan, as tokens; here it is found out by computing every answer anew after every
command. Which index a read must report is `libs/state`'s subject (`test_reported_indexes`, `test_against_naive_model`).
"""

import asyncio
import random
from typing import Any

import pytest
from api_fixture import CLUSTER, LEVEL, FakeView, story

from lictor_catalog import routes
from lictor_catalog.blocking_query import BlockingQueries, Sleeper
from lictor_catalog.consistency import ReadOptions
from lictor_catalog.fast_reads import READS
from lictor_catalog.page import Page
from lictor_catalog.plans.identity import Identity
from lictor_catalog.request import Params
from lictor_state import Store, apply, apply_noop
from lictor_state import commands as c
from lictor_state.prepared_query_rows import QueryDefinition, QueryService
from lictor_state.rows import CARootRow, ProxyDefinition

TARGETS = [
    "agent/checks", "agent/members", "agent/members?wan=1", "agent/service/s1", "agent/service/none", "agent/services", "agent/services?filter=Port==1",
    "agent/connect/ca/roots", "connect/ca/roots", "connect/ca/roots?pem=1",
    "catalog/nodes", "catalog/nodes?node-meta=rack:1", "catalog/nodes?filter=Address==`1.1.1.1`", "catalog/nodes?near=n3", "catalog/node/n1", "catalog/node/n9", "catalog/node/n1?filter=Port==1", "catalog/node-services/n1", "catalog/node-services/n9",
    "catalog/services", "catalog/services?node-meta=rack:1", "catalog/services?filter=NodeMeta.rack==1", "catalog/service/web", "catalog/service/web?tag=v1", "catalog/service/web?node-meta=rack:1", "catalog/service/web?near=_agent", "catalog/service/web?filter=ServicePort==1", "catalog/service/none", "catalog/connect/web", "catalog/connect/none",
    "catalog/gateway-services/gw", "catalog/gateway-services/none", "health/ingress/web", "health/ingress/web?passing", "health/ingress/none",
    "health/service/web", "health/service/WEB?passing", "health/service/web?tag=v1&passing", "health/service/web?node-meta=rack:1", "health/service/web?filter=Checks.Status==critical", "health/service/web?near=n3", "health/service/none", "health/connect/web", "health/connect/web?passing", "health/connect/none",
    "health/service/web?merge-central-config", "health/connect/web?merge-central-config", "catalog/service/px?merge-central-config", "catalog/node/n1?merge-central-config", "catalog/node-services/n1?merge-central-config", "health/checks/web", "health/checks/web?node-meta=rack:1", "health/checks/none", "health/node/n1", "health/node/n9", "health/node/n1?filter=Status==critical", "health/state/any", "health/state/critical", "health/state/passing?node-meta=rack:1", "health/state/any?near=n3",
    "config/", "config/service-defaults", "config/service-defaults/web", "config/service-defaults/none", "config/proxy-defaults", "config/service-defaults?filter=Protocol==http",
    "connect/intentions", "connect/intentions?filter=Action==deny", "connect/intentions/exact?source=web&destination=db", "connect/intentions/match?by=destination&name=db", "connect/intentions/match?by=source&name=web", "connect/intentions/check?source=web&destination=db", "connect/intentions/00000000-0000-4000-8000-00000000abcd",
    "coordinate/datacenters", "coordinate/node/n1", "coordinate/node/n9", "coordinate/nodes", "coordinate/nodes?segment=s", "event/list", "event/list?name=deploy",
    "kv/a", "kv/a?raw", "kv/none", "kv/a/?recurse", "kv/a/?keys", "kv/a?keys&separator=/", "kv/?recurse", "kv/?keys", "kv/zz?recurse", "kv/zz?keys",
    "health/connect/web?merge-central-config", "health/service/px?merge-central-config", "health/ingress/web?merge-central-config", "catalog/service/px?merge-central-config", "catalog/connect/db?merge-central-config", "catalog/node/n1?merge-central-config", "catalog/node-services/n1?merge-central-config",
    "internal/dns/explain?name=web.service.consul", "internal/dns/explain?name=v1.web.service.consul&type=SRV", "internal/dns/explain?name=none.service.consul", "internal/dns/explain?name=web.connect.consul", "internal/dns/explain?name=web.ingress.consul", "internal/dns/explain?name=web.virtual.consul", "internal/dns/explain?name=n1.node.consul", "internal/dns/explain?name=n9.node.consul", "internal/dns/explain?name=name.query.consul", "internal/dns/explain?name=consul&type=ANY", "internal/dns/explain?name=1.1.1.1.in-addr.arpa&type=PTR", "operator/usage", "query", "session/info/s-1", "session/info/none", "session/list", "session/node/n1", "session/node/n9",
]  # fmt: skip
BY_RESULT = ("config/", "connect/intentions/")
MERGED = "merge-central-config"
"""Reads that sleep on while their result is the same, whatever their index does."""

WHO = Identity("n1", "dc1", "1.21.4")
STEPS = 100


def test_every_read_of_the_table_is_among_them() -> None:
    assert {routes.find(f"/v1/{target.partition('?')[0]}").route for target in TARGETS} == set(READS)  # type: ignore[union-attr]  # it is found


class Dice:
    """Random commands over a world small enough for them to meet."""

    def __init__(self, seed: int) -> None:
        self._dice = random.Random(seed)

    def one(self, *choices: Any) -> Any:
        return self._dice.choice(choices)

    def node(self) -> str:
        return str(self.one("n1", "n1", "N1", "n2", "n3"))

    def service(self) -> c.ServiceSpec:
        name = self.one("web", "web", "db")
        kinds = [
            c.ServiceSpec("s1", name, tags=self.one((), ("v1",)), port=self.one(0, 1), native=self.one(True, False)),
            c.ServiceSpec("s2", name, tags=self.one((), ("V1", "x"))),
            c.ServiceSpec("px", "px", "connect-proxy", proxy=ProxyDefinition(name)),
            c.ServiceSpec("gw", "gw", "ingress-gateway", port=self.one(0, 1)),
        ]
        return self._dice.choice(kinds)

    def check(self, service_id: str) -> c.CheckSpec:
        status = self.one("passing", "passing", "warning", "critical")
        return c.CheckSpec(self.one("c1", "c2", "serfHealth"), "check", status, service_id=service_id)

    def registration(self) -> c.Command:
        spec = self.one(None, self.service(), self.service())
        of = self.one("", spec.service_id) if spec else ""
        meta = {"rack": self.one("1", "2")}
        checks = self.one((), (self.check(of),))
        return c.CatalogRegister(
            self.node(), self.one("1.1.1.1", "2.2.2.2"), "dc1", node_meta=meta, service=spec, checks=checks
        )

    def event(self) -> c.Command:
        filters = {"node_filter": self.one("", "", "^n1$", "^n2$"), "service_filter": self.one("", "", "web")}
        return c.EventFire(
            f"00000000-0000-4000-8000-{self._dice.randrange(99):012d}", self.one("deploy", "e"), None, **filters
        )

    def coordinates(self) -> c.Command:
        vec = (self.one(0.0, 1.0, 2.0), *(0.0,) * 7)
        return c.CoordinatesUpdate((c.CoordinateSpec(self.node(), self.one("", "s"), vec, 1.5, 0.0, 0.0),))

    def command(self) -> c.Command:
        key = self.one("a", "a/b", "a/c", "a/c/d", "b")
        made: list[c.Command] = [
            self.registration(), self.registration(), self.registration(), self.registration(),
            c.CatalogDeregister(self.node(), self.one("", "s1", "s2", "px", "gw")),
            c.CatalogDeregister(self.node(), check_id=self.one("c1", "c2", "serfHealth")),
            c.AgentServiceRegister(self.node(), "1.1.1.1", "dc1", self.service(), self.one((), (self.check(""),))),
            c.AgentServiceDeregister(self.node(), self.one("s1", "s2")),
            c.AgentCheckRegister(self.node(), "1.1.1.1", "dc1", self.check("")),
            c.AgentJoin(self.one("n1", "n2"), self.one("id-1", "id-2"), "r", "1.1.1.1", 8301, "dc1", role=self.one("node", "consul")),
            c.AgentDecision(self.node(), "r", self._dice.randrange(STEPS), self.one("failed", "alive", "left", "reap")),
            c.KVSet(key, self.one(b"1", b"2")), c.KVSet(key, b"1", self.one(0, 7)), c.KVDelete(key), c.KVDeleteTree(self.one("", "a", "a/c", "b")), c.KVSet(key, b"1", acquire="s-1"),
            c.SessionCreate(self.one("s-1", "s-2"), self.node(), behavior=self.one("release", "delete"), lock_delay_ns=0), c.SessionDestroy(self.one("s-1", "s-2")),
            c.IntentionUpsert(self.one("web", "*"), self.one("db", "*"), self.one("allow", "deny")), c.IntentionDelete(self.one("web", "*"), self.one("db", "*")),
            c.IntentionUpsert("api", "old", self.one("allow", "deny"), legacy_id="00000000-0000-4000-8000-00000000abcd", legacy_create=self.one(True, False), now="2027-01-15T08:00:00Z"),
            c.ConfigEntrySet("service-defaults", self.one("web", "db"), {"Protocol": self.one("http", "tcp")}), c.ConfigEntryDelete("service-defaults", self.one("web", "db")), c.ConfigEntrySet("proxy-defaults", "global", {"Config": {"a": self.one(1, 2)}}),
            self.coordinates(), self.coordinates(), self.event(), self.event(), self.event(),
            c.GatewayServicesSet("gw", "ingress-gateway", self.one((), (c.GatewayServiceSpec("web"),), (c.GatewayServiceSpec("db"),))),
            c.PreparedQuerySet(self.one("q-1", "q-2"), QueryDefinition(self.one("", "name"), QueryService(self.one("web", "db"))), create=self.one(True, False)), c.PreparedQueryDelete("q-1"),
            c.CARootSet(CARootRow(self.one("r1", "r2"), *("n", 1, "k", "d", "a", "b", "PEM")), "KEY", self._dice.randrange(STEPS)),
        ]  # fmt: skip
        return self._dice.choice(made)


class Watched:
    """One read: its plan, and the blocking query that waits for it now."""

    def __init__(self, target: str) -> None:
        path, _, query = target.partition("?")
        found = routes.find(f"/v1/{path}")
        assert found is not None
        self.target = target
        self.read = READS[found.route]
        self.plan = self.read.plan(found.rest, Params(query.encode()), WHO)
        self.first = Page(b"")
        self.asleep: Sleeper | None = None
        self.woken: list[Page | None] = []

    @property
    def blocks(self) -> bool:
        """An agent's read without index or hash cannot."""
        return bool(self.first.content_hash) or not self.read.local or self.read.own_index

    def ask(self, queries: BlockingQueries) -> None:
        self.first, self.woken = queries.page(self.plan), []
        if not self.blocks or (self.first.index == 0 and not self.first.content_hash):
            return
        hashed = self.first.content_hash
        options = ReadOptions(min_index=0 if hashed else self.first.index, wait_s=600.0, content_hash=hashed)
        begun = queries.begin(self.plan, options, self.woken.append)
        assert isinstance(begun, Sleeper), f"{self.target} does not sleep at its own index"
        self.asleep = begun

    def judge(self, queries: BlockingQueries, store: Store, command: c.Command) -> None:
        fresh, kept = self.plan.run(store).page, queries.page(self.plan)
        told = f"{self.target} after {command}"
        assert (kept.status, kept.body, kept.index) == (fresh.status, fresh.body, fresh.index), f"kept: {told}"
        if self.asleep is None:
            return
        changed = (fresh.status, fresh.body) != (self.first.status, self.first.body)
        if "near=" in self.target:  # another order alone is no news
            changed = sorted(fresh.body) != sorted(self.first.body)
        if self.read.own_index:  # one before the last is for this node from now on: the last is still the last
            changed = fresh.index != self.first.index
        if changed:
            assert self.woken, f"missed: {told}"
        if self.woken:
            assert len(self.woken) == 1
            assert self.woken[0] is not None
            assert self.woken[0].body == fresh.body, told
            may_be_same = not self.target.startswith(BY_RESULT) and MERGED not in self.target
            assert changed or (may_be_same and fresh.index != self.first.index), f"for nothing: {told}"
            assert not (fresh.absent and self.first.absent), f"for nothing: {told}"
            self.asleep = None

    def leave(self, queries: BlockingQueries) -> None:
        if self.asleep is not None:
            queries.forget(self.asleep)
            self.asleep = None


@pytest.mark.parametrize("seed", range(12))
def test_a_waiter_wakes_when_its_answer_changes_and_never_for_nothing(seed: int) -> None:
    @story
    async def told() -> None:
        dice, view = Dice(seed), FakeView()
        view.store = Store(CLUSTER)
        view.store.raise_level(LEVEL)
        queries = BlockingQueries(view, dice=lambda: 0.0)
        apply_noop(view.store, 1)
        reads = [Watched(target) for target in TARGETS]
        for number in range(2, STEPS + 2):
            for read in reads:
                read.ask(queries)
            command = dice.command()
            apply(view.store, number, c.Envelope(0, 0, 0, command))
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            for read in reads:
                read.judge(queries, view.store, command)
                read.leave(queries)
        assert queries.waiting == 0

    told()
