"""Commands by dice over every table of the state, in a world small enough for them to meet."""

import msgspec

from lictor_state import Store
from lictor_state import commands as c
from lictor_state.prepared_query_rows import QueryDefinition, QueryService
from lictor_state.rows import CARootRow, ProxyDefinition
from lictor_state.snapshot import dump_stream, read_header
from lictor_state.staging import RestoreDigest

CHUNK_BYTES = 700
HIGHER = 5_000
"""How far above the present the index of an archive of another cluster is."""


class Commands:
    """What is asked of a cluster."""

    def __init__(self, dice):
        self._dice = dice
        self._number = 0

    def _one(self, *choices):
        return self._dice.choice(choices)

    def _node(self):
        return self._one("n1", "n1", "N1", "n2", "n3")

    def _service(self):
        name = self._one("web", "web", "db")
        return self._one(
            c.ServiceSpec("s1", name, tags=self._one((), ("v1",)), port=self._one(0, 1), native=self._one(True, False)),
            c.ServiceSpec("px", "px", "connect-proxy", proxy=ProxyDefinition(name)),
            c.ServiceSpec("gw", "gw", "ingress-gateway"),
        )

    def _check(self):
        status = self._one("passing", "warning", "critical")
        return c.CheckSpec(self._one("c1", "c2", "serfHealth"), "check", status, output="o" * self._one(1, 40))

    def _coordinates(self):
        vec = (self._one(0.0, 1.0, 2.0), *(0.0,) * 7)
        return c.CoordinatesUpdate((c.CoordinateSpec(self._node(), self._one("", "s"), vec, 1.5, 0.0, 0.0),))

    def one(self):
        """The next command."""
        dice, one = self._dice, self._one
        self._number += 1
        key = one("a", "a/b", "a/c", "a/c/d", "b")
        name = one("web", "db")
        return one(
            c.CatalogRegister(self._node(), one("1.1.1.1", "2.2.2.2"), "dc1", service=one(None, self._service()), checks=one((), (self._check(),))),
            c.CatalogRegister(self._node(), "1.1.1.1", "dc1", service=self._service(), checks=(self._check(),)),
            c.CatalogDeregister(self._node(), one("", "s1", "px", "gw")),
            c.CatalogDeregister(self._node(), check_id=one("c1", "c2", "serfHealth")),
            c.AgentServiceRegister(self._node(), "1.1.1.1", "dc1", self._service(), (self._check(),)),
            c.AgentJoin(one("n1", "n2"), one("id-1", "id-2"), "r", "1.1.1.1", 8301, "dc1", role=one("node", "consul")),
            c.AgentDecision(self._node(), "r", dice.randrange(200), one("failed", "alive", "left", "reap"), at=9),
            c.KVSet(key, b"v" * one(1, 30, 900)), c.KVSet(key, b"1", acquire="s-1"), c.KVDelete(key), c.KVDeleteTree(one("", "a", "a/c")), c.TombstonesReap(dice.randrange(200)),
            c.SessionCreate(one("s-1", "s-2"), self._node(), behavior=one("release", "delete")), c.SessionDestroy(one("s-1", "s-2")), c.LockDelayEnd(key, dice.randrange(200)),
            c.IntentionUpsert(one("web", "*"), one("db", "*"), one("allow", "deny")), c.IntentionDelete(one("web", "*"), one("db", "*")),
            c.ConfigEntrySet("service-defaults", name, {"Protocol": one("http", "tcp")}), c.ConfigEntryDelete("service-defaults", name),
            self._coordinates(),
            c.EventFire(f"00000000-0000-4000-8000-{self._number:012d}", "deploy"),
            c.GatewayServicesSet("gw", "ingress-gateway", one((), (c.GatewayServiceSpec("web"),), (c.GatewayServiceSpec("db"),))),
            c.PreparedQuerySet(one("q-1", "q-2"), QueryDefinition(one("", "name"), QueryService(name)), create=one(True, False)), c.PreparedQueryDelete("q-1"),
            c.CARootSet(CARootRow(one("r1", "r2"), "n", 1, "k", "d", "a", "b", "PEM"), "KEY", dice.randrange(200)),
            c.DefinitionFilesMark(self._node(), "/d", one((), ("s1",))), c.AutopilotSet(one(True, False)),
            c.Txn((c.TxnKV("set", key, b"1"), c.TxnKV("delete", "b"), c.TxnKV("get", one("a", "none")))),
        )  # fmt: skip

    def restore_of(self, source: Store):
        """Everything that a restore of a store's present state takes; its index may be that of a busier cluster."""
        header, *parts = dump_stream(source, "all")
        if self._one(True, False):
            read = read_header(header)
            header = msgspec.msgpack.encode(msgspec.structs.replace(read, index=read.index + HIGHER))
        data = b"".join(parts)
        digest = RestoreDigest(header)
        digest.add(data)
        self._number += 1
        name = f"r{self._number}"
        chunks = [data[at : at + CHUNK_BYTES] for at in range(0, len(data), CHUNK_BYTES)]
        end = c.RestoreCommit(name, digest.hex()) if self._dice.random() < 0.8 else c.RestoreAbort(name)
        return [
            c.RestoreBegin(name, header),
            *[c.RestoreChunk(name, number, chunk) for number, chunk in enumerate(chunks)],
            end,
        ]
