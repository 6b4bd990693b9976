"""The rows of the HTTP API: reads and writes, in the same consistency mode on both systems.

The reads ask for data that `data.load` wrote. Each write differs from every other, because a write that changes nothing
is cheap on some systems. After a round of writes one of them is read back.
"""

from dataclasses import dataclass

from benchmarks import data
from benchmarks.http_call import call, get
from benchmarks.load import Outcome, wrk
from benchmarks.systems.system import Target, UnavailableError

WRITTEN_PREFIX = "bench/write/"
WRITTEN_KEYS = 1000
"""Writes go round these keys, so that the state does not grow with the speed of a system."""

READ_BACK = 10
"""Which write of a round is read back: among the first that go out. Not the very first, which wrk makes and throws away
when it looks at the script."""

SERVICE_NAMES = 50
"""How many names the registered instances are spread over."""


@dataclass(frozen=True, slots=True)
class HealthService:
    """The request that load balancers make, in one of the modes of consistency, by many clients or by one."""

    name: str = "health"
    title: str = "GET health/service?passing, 10 instances, requests/s"
    mode: str = ""
    connections: int = wrk.CONNECTIONS

    def measure(self, target: Target, mark: str, seconds: float) -> Outcome:
        """See `Row`."""
        del mark
        path = f"/v1/health/service/{data.SERVICE}?passing{self.mode}"
        found = len(get(target.http + path))
        if found != data.INSTANCES:
            raise UnavailableError(f"{target.name} answers with {found} instances instead of {data.INSTANCES}")
        return wrk.load(target.http, "get.lua", seconds, [path], connections=self.connections)


@dataclass(frozen=True, slots=True)
class KvGet:
    """Reads of single keys, by many clients or by one."""

    name: str = "kv-get"
    title: str = "GET kv, requests/s"
    connections: int = wrk.CONNECTIONS

    def measure(self, target: Target, mark: str, seconds: float) -> Outcome:
        """See `Row`."""
        del mark
        if call("GET", f"{target.http}/v1/kv/{data.KEY_PREFIX}1?raw") != data.value(1):
            raise UnavailableError(f"{target.name} answers with another value than was written")
        arguments = [data.KEY_PREFIX, str(data.KEYS)]
        return wrk.load(target.http, "kv_get.lua", seconds, arguments, connections=self.connections)


def health_stale() -> HealthService:
    """What a server may answer without its leader."""
    return HealthService("health-stale", "GET health/service?passing&stale, requests/s", "&stale")


def health_alone() -> HealthService:
    """One client: what counts is how long an answer takes."""
    return HealthService("health-alone", "GET health/service?passing, one client, requests/s", connections=1)


def kv_get_alone() -> KvGet:
    """One client."""
    return KvGet("kv-get-alone", "GET kv, one client, requests/s", connections=1)


@dataclass(frozen=True, slots=True)
class KvPut:
    """Writes of single keys, by many clients or by one, whose latency is that of a write."""

    name: str = "kv-put"
    title: str = "PUT kv, requests/s"
    connections: int = wrk.CONNECTIONS

    def measure(self, target: Target, mark: str, seconds: float) -> Outcome:
        """See `Row`."""
        arguments = [WRITTEN_PREFIX, str(WRITTEN_KEYS), mark]
        outcome = wrk.load(target.http, "kv_put.lua", seconds, arguments, connections=self.connections)
        if not call("GET", f"{target.http}/v1/kv/{WRITTEN_PREFIX}{READ_BACK}?raw").startswith(mark.encode()):
            raise UnavailableError(f"{target.name} acknowledged a write that cannot be read")
        return outcome


def kv_put_alone() -> KvPut:
    """One client: nothing shares its batches, so what it waits is the latency of a write."""
    return KvPut("kv-put-alone", "PUT kv, one client, requests/s", connections=1)


@dataclass(frozen=True, slots=True)
class Registrations:
    """Registrations through the catalog: one call is one committed write on both systems."""

    name: str = "register"
    title: str = "PUT catalog/register, new node and instance each, requests/s"

    def measure(self, target: Target, mark: str, seconds: float) -> Outcome:
        """See `Row`."""
        outcome = wrk.load(target.http, "register.lua", seconds, [mark, str(SERVICE_NAMES)])
        if not get(f"{target.http}/v1/catalog/node/{mark}-{READ_BACK}"):
            raise UnavailableError(f"{target.name} acknowledged a registration that cannot be read")
        return outcome
