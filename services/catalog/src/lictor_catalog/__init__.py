"""Consul's HTTP API over a view of the replicated state; `app` runs it as a process, `api` builds it from ports."""

from lictor_catalog.api import Api, Chance
from lictor_catalog.settings import CatalogSettings

__all__ = ["Api", "CatalogSettings", "Chance"]
