"""All resources meant for one client at one moment: immutable, built aside and swapped in whole.

Collections that did not change should be passed on as the same mapping object from one snapshot to the next: a stream
then skips them without looking at their members.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final

import msgspec

from lictor_xdsproto.errors import SnapshotError
from lictor_xdsproto.resource import Reference, Resource

_NOTHING: Final[Mapping[str, Resource]] = MappingProxyType({})


class Snapshot(msgspec.Struct, frozen=True):
    """The resources by type URL and name.

    Attributes:
        version: of the whole, for people who read responses (`system_version_info`); nothing is decided by it.
        collections: type URL to name to resource.
    """

    version: str
    collections: Mapping[str, Mapping[str, Resource]]

    @classmethod
    def build(
        cls, version: str, resources: Mapping[str, Iterable[Resource]], *, previous: Snapshot | None = None
    ) -> Snapshot:
        """A snapshot from resources by type URL.

        Args:
            version: see the class.
            resources: type URL to resources.
            previous: collections equal to this snapshot's are taken over from it, as the same objects.

        Raises:
            SnapshotError: two resources of one type have the same name (a client must reject such a response).
        """
        collections: dict[str, Mapping[str, Resource]] = {}
        for type_url, members in resources.items():
            collection: dict[str, Resource] = {}
            for resource in members:
                if collection.setdefault(resource.name, resource) is not resource:
                    raise SnapshotError(f"{type_url}: two resources have the name {resource.name!r}")
            before = None if previous is None else previous.collections.get(type_url)
            collections[type_url] = MappingProxyType(collection) if before is None or before != collection else before
        return cls(version, MappingProxyType(collections))

    def collection(self, type_url: str) -> Mapping[str, Resource]:
        """The resources of one type by name; empty if there are none."""
        return self.collections.get(type_url, _NOTHING)

    def missing_references(self) -> tuple[tuple[str, Reference], ...]:
        """Each reference that leads to no resource of this snapshot, with the name of the resource that makes it.

        A consistent snapshot has none. This library sends an inconsistent one all the same: whether half a
        configuration is better than none is the host's decision.
        """
        return tuple(
            (resource.name, reference)
            for collection in self.collections.values()
            for resource in collection.values()
            for reference in resource.refers
            if reference.name not in self.collection(reference.type_url)
        )
