"""The variants, with what each needs of its world to go wrong soon."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from lictor_sim.broken import cores, drivers
from lictor_sim.faults import Plan
from lictor_sim.raft_cluster import Parts


@dataclass(frozen=True, slots=True)
class Variant:
    """One defect.

    Args:
        parts: what the group is built from.
        needs: fields of the plan that differ from what the seed would choose.
    """

    parts: Parts
    needs: Mapping[str, Any] = field(default_factory=dict)

    def plan(self, seed: int) -> Plan:
        """The world of a seed, so that the defect can show."""
        return replace(Plan.of(seed), **self.needs)


def _core(node: type, **needs: Any) -> Variant:
    return Variant(Parts(node=node), needs)


_PAUSED_LEADERS: dict[str, Any] = {"lease": True, "size": 3, "actions": ("pause", "cut_off"), "orders": ()}

_RESTARTS_BESIDE_A_LEASE: dict[str, Any] = {
    "lease": True,
    "size": 3,
    "actions": ("rolling_restart",),
    "orders": (),
    "clients": 0,
    "fill_s_max": 3.0,
    "core_only": False,
}

VARIANTS: dict[str, Variant] = {
    "acknowledge before sync": Variant(Parts(process=drivers.AcknowledgeBeforeSync), {"asynchronous": False}),
    "disk that lies about syncing": Variant(Parts(disk=drivers.LyingDisk)),
    "vote forgotten on restart": Variant(Parts(process=drivers.ForgetVote), {"asynchronous": False}),
    "term not persisted": Variant(Parts(disk=drivers.TermNotPersisted)),
    "id table trimmed by age": Variant(Parts(machine=drivers.TrimByAge)),
    "lease against a clock that stops": Variant(
        Parts(process=drivers.StoppedClock, async_process=drivers.StoppedClockAsync), _PAUSED_LEADERS
    ),
    "stale reads": Variant(Parts(modes=("stale",))),
    "lease from the receipt of answers": _core(cores.LeaseFromReceipt, **_PAUSED_LEADERS),
    # Only an idle group: whoever lost sight of the leader for a moment must not lag behind.
    "vote right after start": _core(cores.VoteAfterStart, **_RESTARTS_BESIDE_A_LEASE),
    "reads keyed by the caller": _core(cores.CallerKeyedReads, **_PAUSED_LEADERS | {"lease": False}),
    "read before the first commit of the term": _core(cores.ReadBeforeOwnCommit),
    "commit of older terms by counting": _core(cores.CommitOlderTerms),
    "commit without the own disk": _core(cores.CommitWithoutOwnDisk),
    "heartbeat commits beyond match": _core(cores.HeartbeatCommitsBeyondMatch),
    "truncation without conflict": _core(cores.TruncateWithoutConflict),
    "vote for a shorter log": _core(cores.VoteForShorterLog),
    "one majority of a joint configuration": _core(cores.OneMajority),
    "configuration active at append": _core(cores.ChangeAtAppend),
    "snapshot without its configuration": _core(cores.SnapshotWithoutConf),
}
