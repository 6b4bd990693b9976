"""Commands about the mesh: config entries, intentions, the certificate authority, what gateways serve.

Part of the log's format, as `commands` says, which gives all of them.
"""

from typing import Any

import msgspec

from lictor_state.rows import CARootRow


class ConfigEntrySet(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=12):
    """Write a config entry whole; `body` is canonical CamelCase. With `cas`, only at that ModifyIndex. Result: bool."""

    kind: str
    name: str
    body: dict[str, Any]
    cas: int | None = None


class ConfigEntryDelete(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=13):
    """Delete a config entry. Result: bool."""

    kind: str
    name: str
    cas: int | None = None


class IntentionUpsert(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=14):
    """Write one source into the destination's `service-intentions` entry.

    `legacy_id` empty: `PUT /v1/connect/intentions/exact`. Otherwise the legacy API: with `legacy_create` a new
    intention (an error if source and destination have one already), without it the one with that id is rewritten.
    Times are RFC 3339 and used for legacy intentions only. Result: True, or the legacy id.
    """

    source: str
    destination: str
    action: str
    permissions: tuple[dict[str, Any], ...] = ()
    description: str = ""
    source_type: str = "consul"
    legacy_id: str = ""
    legacy_create: bool = False
    legacy_meta: dict[str, str] = {}
    now: str = ""


class IntentionDelete(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=15):
    """Remove one source from its destination's entry, by names or by legacy id. Result: True."""

    source: str = ""
    destination: str = ""
    legacy_id: str = ""


class CARootSet(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=16):
    """Make `root` the active root if the `ca-roots` index still is `expected_index`. Result: bool."""

    root: CARootRow
    private_key: str
    expected_index: int


class GatewayServiceSpec(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """One service that a gateway serves, see `GatewayServiceRow`."""

    service: str
    port: int = 0
    protocol: str = ""
    hosts: tuple[str, ...] = ()
    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""
    sni: str = ""
    from_wildcard: bool = False
    service_kind: str = ""
    auto_host_rewrite: bool = False


class GatewayServicesSet(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=35):
    """What a gateway serves, whole: what is not named is not served any more. `kind` is the gateway's. Result: True."""

    gateway: str
    kind: str
    services: tuple[GatewayServiceSpec, ...] = ()
