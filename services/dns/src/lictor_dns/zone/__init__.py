"""The zone: what each owner name has, compiled from the view and kept until a row that it depends on changes. Pure."""

from lictor_dns.zone.compilation import Asked
from lictor_dns.zone.record_set import NOTHING, Dependency, RecordSet
from lictor_dns.zone.settings import ServiceTtls, SoaTimes, ZoneSettings
from lictor_dns.zone.zone import Zone

__all__ = ["NOTHING", "Asked", "Dependency", "RecordSet", "ServiceTtls", "SoaTimes", "Zone", "ZoneSettings"]
