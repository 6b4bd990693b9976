"""Identities: every form there and back, and everything else refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lictor_mesh.identity import (
    AgentIdentity,
    Identity,
    IdentityError,
    MeshGatewayIdentity,
    ServerIdentity,
    ServiceIdentity,
    SigningIdentity,
    escape,
    parse,
    service_sni,
    trust_domain,
    unescape,
    upstream_id,
)

TD = "11111111-2222-3333-4444-555555555555.consul"

FORMS: list[tuple[Identity, str]] = [
    (ServiceIdentity(TD, "dc1", "web"), f"spiffe://{TD}/ns/default/dc/dc1/svc/web"),
    (ServiceIdentity(TD, "dc1", "a/b c"), f"spiffe://{TD}/ns/default/dc/dc1/svc/a%2Fb%20c"),
    (ServiceIdentity(TD, "dc1", "größe"), f"spiffe://{TD}/ns/default/dc/dc1/svc/gr%C3%B6%C3%9Fe"),
    (AgentIdentity(TD, "dc1", "node-1.example"), f"spiffe://{TD}/agent/client/dc/dc1/id/node-1.example"),
    (MeshGatewayIdentity(TD, "dc1"), f"spiffe://{TD}/gateway/mesh/dc/dc1"),
    (ServerIdentity(TD, "dc1"), f"spiffe://{TD}/agent/server/dc/dc1"),
    (SigningIdentity(TD), f"spiffe://{TD}"),
]


@pytest.mark.parametrize(("identity", "uri"), FORMS)
def test_every_kind_has_one_form_and_comes_back_from_it(identity: Identity, uri: str) -> None:
    assert identity.uri == uri
    assert parse(uri) == identity


def test_the_default_partition_may_be_named() -> None:
    assert parse(f"spiffe://{TD}/ap/default/ns/default/dc/dc1/svc/web") == ServiceIdentity(TD, "dc1", "web")


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "https://example.org/ns/default/dc/dc1/svc/web",
        f"spiffe://{TD}/",
        f"spiffe://{TD}/ns/default/dc/dc1/svc/",
        f"spiffe://{TD}/ns/default/dc/dc1/svc/web/",
        f"spiffe://{TD}/ns/default/dc/dc1/svc/web\n",
        f"spiffe://{TD}/ns/default/dc/dc1/svc/web?x=1/2",
        f"x-spiffe://{TD}/ns/default/dc/dc1/svc/web",
        f"spiffe://{TD.upper()}/ns/default/dc/dc1/svc/web".replace("consul", "CONSUL"),
        f"spiffe://{TD}/ap/other/ns/default/dc/dc1/svc/web",
        f"spiffe://{TD}/ns/default/dc/dc1/svc/%zz",
        f"spiffe://{TD}/ns/default/dc/dc1/svc/%FF",
        f"spiffe://{TD}/ns/default/dc/dc1/svc/" + "a" * 2048,
    ],
)
def test_everything_else_is_refused(uri: str) -> None:
    with pytest.raises(IdentityError):
        parse(uri)


@given(st.text(min_size=1, max_size=40))
def test_escaping_keeps_every_name_inside_one_path_segment(name: str) -> None:
    escaped = escape(name)
    assert unescape(escaped) == name
    assert "/" not in escaped
    assert escaped.isascii()
    assert parse(ServiceIdentity(TD, "dc1", name).uri) == ServiceIdentity(TD, "dc1", name)


def test_names_of_clusters_and_upstreams() -> None:
    assert trust_domain("ABCDEF") == "abcdef.consul"
    assert service_sni("db", "dc1", TD) == f"db.default.dc1.internal.{TD}"
    assert service_sni("db", "dc1", TD, subset="v2") == f"v2.db.default.dc1.internal.{TD}"
    assert upstream_id("db") == "db"
    assert upstream_id("db", "dc2") == "db?dc=dc2"
