"""Intentions, CA roots, leaves and members as Consul's JSON, by the same rules as `consul_json`."""

from collections.abc import Iterable
from typing import Any

import msgspec

from lictor_catalog.consul_shapes import Shown
from lictor_state.queries import Intention
from lictor_state.rows import AgentRow, CARootRow

ZERO_TIME = "0001-01-01T00:00:00Z"
_MEMBER_STATUS = {"alive": 1, "leaving": 2, "left": 3, "failed": 4}


class ShownIntention(Shown, frozen=True, gc=False, kw_only=True):
    """One source and destination."""

    intention_id: str = msgspec.field(name="ID", default="")
    description: str = ""
    source_ns: str = msgspec.field(name="SourceNS")
    source_name: str
    source_peer: str = ""
    destination_ns: str = msgspec.field(name="DestinationNS")
    destination_name: str
    source_type: str
    action: str = ""
    permissions: tuple[dict[str, Any], ...] = ()
    meta: dict[str, str] = msgspec.field(default_factory=dict)
    precedence: int
    created_at: str
    updated_at: str
    create_index: int
    modify_index: int


class ShownRoot(Shown, frozen=True, gc=False, kw_only=True):
    """One root certificate."""

    root_id: str = msgspec.field(name="ID")
    name: str
    serial_number: int
    signing_key_id: str = msgspec.field(name="SigningKeyID")
    external_trust_domain: str
    not_before: str
    not_after: str
    root_cert: str
    intermediate_certs: tuple[str, ...] | None
    active: bool
    private_key_type: str
    private_key_bits: int
    create_index: int
    modify_index: int


class ShownRoots(Shown, frozen=True, gc=False, kw_only=True):
    """`connect/ca/roots`."""

    active_root_id: str = msgspec.field(name="ActiveRootID")
    trust_domain: str
    roots: list[ShownRoot]


class ShownLeaf(Shown, frozen=True, gc=False, kw_only=True):
    """`agent/connect/ca/leaf/:service`; the private key is in it."""

    serial_number: str
    cert_pem: str = msgspec.field(name="CertPEM")
    private_key_pem: str = msgspec.field(name="PrivateKeyPEM")
    service: str
    service_uri: str = msgspec.field(name="ServiceURI")
    valid_after: str
    valid_before: str
    create_index: int
    modify_index: int


class Member(Shown, frozen=True, gc=False, kw_only=True):
    """One member of the pool."""

    name: str
    addr: str
    port: int
    tags: dict[str, str]
    status: int
    protocol_min: int
    protocol_max: int
    protocol_cur: int
    delegate_min: int
    delegate_max: int
    delegate_cur: int


def intention(one: Intention) -> ShownIntention:
    """An intention; its times mean something for legacy ones only."""
    return ShownIntention(
        intention_id=one.legacy_id,
        description=one.description,
        source_ns="default",
        source_name=one.source,
        source_peer=one.source_peer,
        destination_ns="default",
        destination_name=one.destination,
        source_type=one.source_type,
        action="" if one.permissions else one.action,
        permissions=one.permissions,
        meta=one.meta,
        precedence=one.precedence,
        created_at=one.created_at or ZERO_TIME,
        updated_at=one.updated_at or ZERO_TIME,
        create_index=one.create_index,
        modify_index=one.modify_index,
    )


def roots(rows: Iterable[CARootRow], trust_domain: str) -> ShownRoots:
    """The root list."""
    shown = [
        ShownRoot(
            root_id=row.root_id,
            name=row.name,
            serial_number=row.serial_number,
            signing_key_id=row.signing_key_id,
            external_trust_domain=row.external_trust_domain,
            not_before=row.not_before,
            not_after=row.not_after,
            root_cert=row.root_cert,
            intermediate_certs=row.intermediate_certs or None,
            active=row.active,
            private_key_type=row.private_key_type,
            private_key_bits=row.private_key_bits,
            create_index=row.create_index,
            modify_index=row.modify_index,
        )
        for row in rows
    ]
    active = next((one.root_id for one in shown if one.active), "")
    return ShownRoots(active_root_id=active, trust_domain=trust_domain, roots=shown)


def member(row: AgentRow, datacenter: str, version: str, *, wan: bool = False) -> Member:
    """A member with the tags that Consul's agents carry; what gossip or the server announced itself wins."""
    tags = {
        "role": row.role,
        "dc": datacenter,
        "segment": "",
        "id": row.node_id,
        "vsn": "2",
        "vsn_min": "2",
        "vsn_max": "3",
        "build": f"{version}:",
    }
    return Member(
        name=f"{row.node}.{datacenter}" if wan else row.node,
        addr=row.address,
        port=row.port,
        tags=tags | row.tags,
        status=_MEMBER_STATUS.get(row.status, 0),
        protocol_min=1,
        protocol_max=5,
        protocol_cur=2,
        delegate_min=2,
        delegate_max=5,
        delegate_cur=4,
    )
