"""What compiled records depend on beside the rows: names, times, and which instances count."""

from dataclasses import dataclass, field
from typing import Final

_ANY: Final = "*"


class ServiceTtls:
    """TTLs by service, in seconds: a name, or its beginning with a star; the longest that fits counts, a name first."""

    def __init__(self, ttls: dict[str, int] | None = None, default_s: int = 0) -> None:
        """`default_s` is for services that nothing fits."""
        given = ttls or {}
        self._default_s = default_s
        self._exact = {name: ttl for name, ttl in given.items() if not name.endswith(_ANY)}
        begun = ((name.removesuffix(_ANY), ttl) for name, ttl in given.items() if name.endswith(_ANY))
        self._begun = sorted(begun, key=lambda one: len(one[0]), reverse=True)

    @classmethod
    def from_text(cls, text: str, default_s: int = 0) -> "ServiceTtls":
        """From `web=5,db-*=10`.

        Raises:
            ValueError: a part is not a name, an equals sign and seconds.
        """
        ttls: dict[str, int] = {}
        for part in filter(None, text.split(",")):
            name, equals, seconds = part.strip().partition("=")
            if not name or not equals or not seconds.isdecimal():
                raise ValueError(f"{part!r}: a service, an equals sign and seconds are due, as in web=5 or db-*=10")
            ttls[name.lower()] = int(seconds)
        return cls(ttls, default_s)

    def of(self, service: str) -> int:
        """The TTL of a service's records."""
        name = service.lower()
        exact = self._exact.get(name)
        if exact is not None:
            return exact
        return next((ttl for beginning, ttl in self._begun if name.startswith(beginning)), self._default_s)


@dataclass(frozen=True, slots=True)
class SoaTimes:
    """The times in the SOA record, in seconds; `minimum_s` is how long an absence may be kept (RFC 2308)."""

    refresh_s: int = 3600
    retry_s: int = 600
    expire_s: int = 86_400
    minimum_s: int = 0


@dataclass(frozen=True, slots=True)
class ZoneSettings:
    """What the compiled records depend on beside the rows.

    Attributes:
        domain: that names lie below.
        alt_domain: another one, with the same names; empty for none.
        datacenter: ours.
        node: ours; what is near it is asked for as `_agent`.
        node_ttl_s: of nodes', name servers' and virtual addresses' records.
        service_ttls: of services' records.
        only_passing: leave out instances with a warning.
        node_meta_txt: add a node's meta to the answers about it.
        soa: the SOA record's times.
    """

    domain: str = "consul"
    alt_domain: str = ""
    datacenter: str = "dc1"
    node: str = ""
    node_ttl_s: int = 0
    service_ttls: ServiceTtls = field(default_factory=ServiceTtls)
    only_passing: bool = True
    node_meta_txt: bool = True
    soa: SoaTimes = SoaTimes()
