"""Settings of the catalog service."""

from pydantic import Field

from lictor_catalog.access import Headers, Networks, Prefixes
from lictor_kit import Port, Settings


class CatalogSettings(Settings):
    """What a catalog process is told beside what every process is told."""

    operations_port: Port = Field(
        default=8571, description="TCP port; /livez, /readyz and /metrics; the house's port for this role"
    )
    catalog_http_port: Port = Field(
        default=8500, description="TCP port; the HTTP API; Consul's port, so that clients find it without settings"
    )
    catalog_grpc_port: Port = Field(
        default=8502, description="TCP port; where xds listens, as agent/self tells sidecars; Consul's port"
    )
    catalog_dns_port: Port = Field(
        default=8600, description="TCP port; where dns listens, as agent/self tells clients; Consul's port"
    )
    catalog_advertise: str = Field(
        default="",
        description="address; of the node, for a registration that comes before the node's gossip; empty takes bind, "
        "or the host's own address when that is every address",
    )
    catalog_sidecar_port_min: Port = Field(
        default=21000, description="TCP port; the first that an automatic sidecar may take; Consul's range"
    )
    catalog_sidecar_port_max: Port = Field(
        default=21255, description="TCP port; the last that an automatic sidecar may take; 256 sidecars a node"
    )
    catalog_connections_per_client: int = Field(
        default=200,
        ge=0,
        description="connections; open at once from one address, each worker counting its own; 0 is no limit; more are "
        "answered 429; Consul's default",
    )
    catalog_requests_per_client: float = Field(
        default=0.0,
        ge=0,
        description="requests per second; from one address, each worker counting its own; a second's worth may come at "
        "once; more are answered 429; 0, since a proxy's clients share an address",
    )
    catalog_connections_max: int = Field(
        default=20_000,
        ge=64,
        description="connections; open at once; each blocking query holds one; more are answered 503",
    )
    catalog_response_headers: Headers = Field(
        default=(),
        description="JSON object; headers of every answer, as Consul's response_headers; none, as few need any",
    )
    catalog_block_endpoints: Prefixes = Field(
        default=(),
        description="paths, separated by commas; beginnings of endpoints that are answered 403, as Consul's "
        "block_endpoints; none",
    )
    catalog_allow_write_from: Networks = Field(
        default=(),
        description="networks, separated by commas; who may do more than GET, as Consul's allow_write_http_from; "
        "everybody; behind a proxy the address is the proxy's",
    )
