"""A zone over a store that real commands fill, and dnspython as the client."""

import random

import dns.flags
import dns.message
import dns.rdatatype
import pytest

from lictor_dns.replies import ReplySettings
from lictor_dns.responder import Responder
from lictor_dns.zone import Zone, ZoneSettings
from lictor_state import Envelope, Store, apply
from lictor_state.commands import AgentJoin, CatalogRegister, CheckSpec, PreparedQuerySet, ServiceSpec
from lictor_state.mesh_commands import GatewayServiceSpec, GatewayServicesSet
from lictor_state.prepared_query_rows import QueryDefinition, QueryService, QueryTemplate
from lictor_state.queries.usable import AnswerLimits
from lictor_state.rows import ProxyDefinition

CLIENT = bytes((127, 0, 0, 1))


class World:
    """A store, the zone over it, and the responder."""

    def __init__(self, *, udp_answer_limit=3, a_record_limit=0, **settings):
        told = {
            name: settings.pop(name)
            for name in ("recursion", "recursion_for", "enable_truncate", "compress")
            if name in settings
        }
        self.store = Store("cluster")
        self.raft_index = 1
        self.zone = Zone(ZoneSettings(**settings), lambda: self.store, random.Random(1))
        replies = ReplySettings(AnswerLimits(udp_answer_limit, a_record_limit), **told)
        self.responder = Responder(replies, self.zone, settings.get("datacenter", "dc1"), random.Random(2))
        self.responder.complete = True

    def apply(self, *commands):
        for command in commands:
            self.raft_index += 1
            done = apply(self.store, self.raft_index, Envelope(0, 0, 0, command))
            assert not done.result.error, done.result.error
            self.zone.load(done.changes)

    def instance(self, number, name="web", status="passing", address=None, node_address=None, **more):
        service = ServiceSpec(
            f"{name}-{number}",
            name,
            address=f"10.0.0.{number}" if address is None else address,
            port=8000 + number,
            **more,
        )
        check = CheckSpec(f"service:{name}-{number}", "check", status=status, service_id=service.service_id)
        node = f"n{number}"
        self.apply(CatalogRegister(node, node_address or f"10.1.0.{number}", "dc1", service=service, checks=(check,)))

    def proxy(self, number, destination="web", name="web-sidecar-proxy"):
        service = ServiceSpec(
            f"{name}-{number}",
            name,
            kind="connect-proxy",
            address=f"10.2.0.{number}",
            port=21000 + number,
            proxy=ProxyDefinition(destination),
        )
        self.apply(CatalogRegister(f"n{number}", f"10.1.0.{number}", "dc1", service=service))

    def gateway(self, number, *served, name="edge"):
        service = ServiceSpec(f"{name}-{number}", name, kind="ingress-gateway", address=f"10.3.0.{number}", port=8443)
        self.apply(
            CatalogRegister(f"n{number}", f"10.1.0.{number}", "dc1", service=service),
            GatewayServicesSet(name, "ingress-gateway", tuple(GatewayServiceSpec(one, 8080) for one in served)),
        )

    def query(self, name, service="web", *, query_id=None, dns_ttl="", template=False, **more):
        kind = QueryTemplate("name_prefix_match") if template else QueryTemplate()
        definition = QueryDefinition(name, QueryService(service, **more), template=kind, dns_ttl=dns_ttl)
        key = query_id or f"id-of-{name}"
        known = self.store.prepared_query(key) is not None
        self.apply(PreparedQuerySet(key, definition, create=not known))

    def servers(self, count=3):
        for number in range(1, count + 1):
            self.apply(
                AgentJoin(
                    f"server-{number}",
                    f"id-{number}",
                    "run",
                    f"10.9.0.{number}",
                    8300,
                    "dc1",
                    role="consul",
                    service_port=8300,
                )
            )

    def outcome(self, name, rtype="A", *, tcp=False, edns=None, client=CLIENT, options=None):
        query = dns.message.make_query(name, rtype, use_edns=edns is not None, payload=edns or 0, options=options)
        answer = self.responder.answer_tcp if tcp else self.responder.answer_udp
        return answer(query.to_wire(), client)

    def ask(self, name, rtype="A", *, tcp=False, edns=None, message_id=None, options=None, client=CLIENT):
        query = dns.message.make_query(name, rtype, use_edns=edns is not None, payload=edns or 0, options=options)
        if message_id is not None:
            query.id = message_id
        answer = self.responder.answer_tcp if tcp else self.responder.answer_udp
        wire = answer(query.to_wire(), client)
        assert isinstance(wire, bytes)
        reply = dns.message.from_wire(wire)
        assert reply.id == query.id
        assert reply.flags & dns.flags.QR
        return reply


@pytest.fixture
def make_world():
    return World


@pytest.fixture
def world():
    return World()


@pytest.fixture
def texts():
    """The records of a section as sorted text, `name type data`."""

    def of(section):
        return sorted(
            f"{rrset.name} {dns.rdatatype.to_text(rrset.rdtype)} {rdata}" for rrset in section for rdata in rrset
        )

    return of
