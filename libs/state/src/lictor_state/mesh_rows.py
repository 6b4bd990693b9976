"""Rows that the mesh and its gateways need beside the catalog: virtual addresses, and what gateways serve."""

import msgspec


class VirtualIPRow(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """The virtual address of a service of the mesh. Key: the service's name in lower case.

    `offset` counts from 240.0.0.0: what is kept is the number, what is shown is `virtual_ips.address_of`.
    """

    service: str
    offset: int
    create_index: int = 0
    modify_index: int = 0


class GatewayServiceRow(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """A service that a gateway serves. Key: (gateway in lower case, service in lower case, port).

    `kind` is the gateway's. `port`, `protocol` and `hosts` are an ingress listener's; the files and `sni` say how a
    terminating gateway connects. `from_wildcard`: the gateway's entry named all services, and this is one of them.
    """

    gateway: str
    service: str
    kind: str
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
    create_index: int = 0
    modify_index: int = 0
