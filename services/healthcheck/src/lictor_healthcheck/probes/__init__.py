"""Probes: one run of an active check, from a definition to a verdict."""

from lictor_healthcheck.probes.http import probe_http
from lictor_healthcheck.probes.tcp import probe_tcp

__all__ = ["probe_http", "probe_tcp"]
