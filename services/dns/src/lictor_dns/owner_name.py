"""What a name below the domain asks for; the rules are `lictor_state.queries.dns_name`, shared with `dns explain`."""

from lictor_state.queries.dns_name import (
    AddressLookup,
    DomainLookup,
    Foreign,
    Lookup,
    NodeLookup,
    QueryLookup,
    ReverseLookup,
    ServiceLookup,
    Unknown,
    VirtualLookup,
    read_name,
    read_reverse_name,
)

__all__ = [
    "AddressLookup",
    "DomainLookup",
    "Foreign",
    "Lookup",
    "NodeLookup",
    "QueryLookup",
    "ReverseLookup",
    "ServiceLookup",
    "Unknown",
    "VirtualLookup",
    "read_name",
    "read_reverse_name",
]
