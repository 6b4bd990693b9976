"""The row of blocking queries: thousands that wait for one service, and one change that wakes them all."""

from dataclasses import dataclass

from benchmarks import data
from benchmarks.http_call import put
from benchmarks.load import Outcome, waiters
from benchmarks.systems.system import Target, UnavailableError

WAITERS = 5_000


@dataclass(frozen=True, slots=True)
class WakeUp:
    """One change of one instance of `web`, and everybody who watches `web`."""

    name: str = "wake"
    title: str = f"{WAITERS:,} blocking queries woken by one change, answers/s until 99 % have theirs"

    def measure(self, target: Target, mark: str, seconds: float) -> Outcome:
        """See `Row`; one change a round, however long."""
        del seconds
        path = f"/v1/health/service/{data.SERVICE}?passing"
        index = data.index(target, path)
        changed = data.registration(1)
        changed["Service"]["Tags"] = ["v1", mark]
        outcome = waiters.load(
            target.host,
            target.http_port,
            f"{path}&index={index}&wait=60s",
            WAITERS,
            lambda: put(f"{target.http}/v1/catalog/register", changed),
        )
        if data.index(target, path) <= index:
            raise UnavailableError(f"{target.name} acknowledged a change that cannot be read")
        return outcome
