"""What a name below the domain asks for; the rules are `lictor_state.queries.dns_name`, shared with `dns explain`."""

from lictor_state.queries.dns_name import (
    RESERVED,
    RFC_PROTOCOL,
    AddressLookup,
    DomainLookup,
    Foreign,
    Lookup,
    NodeLookup,
    ServiceLookup,
    Unknown,
    read_name,
)

__all__ = [
    "RESERVED",
    "RFC_PROTOCOL",
    "AddressLookup",
    "DomainLookup",
    "Foreign",
    "Lookup",
    "NodeLookup",
    "ServiceLookup",
    "Unknown",
    "read_name",
]
