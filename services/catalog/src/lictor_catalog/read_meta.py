"""What Consul says in a body about the read itself, where a route answers with it (transactions, prepared queries).

Elsewhere the same is told by headers only.
"""

import msgspec

from lictor_catalog import consul_json, durations
from lictor_catalog.consistency import Contact
from lictor_catalog.consul_shapes import Shown


class ReadMeta(Shown, frozen=True, gc=False, kw_only=True):
    """Go's `QueryMeta`; the index is not told here, and nothing comes from another backend."""

    index: int
    last_contact: int
    known_leader: bool
    consistency_level: str
    not_modified: bool
    backend: int
    results_filtered_by_acls: bool = msgspec.field(name="ResultsFilteredByACLs")


def encode_beside(shown: Shown, contact: Contact, level: str = "") -> bytes:
    """An object with the members of a read's meta after its own; `level` is the consistency as the route names it."""
    meta = ReadMeta(
        index=0,
        last_contact=int(contact.last_contact_s * durations.SECOND),
        known_leader=contact.known_leader,
        consistency_level=level,
        not_modified=False,
        backend=0,
        results_filtered_by_acls=False,
    )
    return consul_json.encode(shown)[:-1] + b"," + consul_json.encode(meta)[1:]
