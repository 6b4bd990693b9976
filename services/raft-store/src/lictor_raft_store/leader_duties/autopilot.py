"""Looking after the store's own members (design §6, Autopilot; Consul's autopilot), as a pure core.

| seen | decided |
|---|---|
| a process that announces our cluster, has never been a member, and reads the cluster's level | add as learner |
| a learner, healthy and caught up for the stabilisation time | promote |
| a voter without contact for `dead_s`, and such a learner at hand | replace, in one joint change (two below level 2) |
| a voter without contact for `dead_s`, no learner, all that are not dead healthy, enough of them | remove |
| a learner without contact for `dead_s` | remove |

One change at a time, and none while the configuration is joint. Nothing is decided without a healthy majority, and the
leader never removes itself. A leadership observes anew: nobody is stable, or without contact, for longer than it lasts.

It does not change anything: the driver proposes, and hands in the configuration that came of it. `now` is seconds of
any steady clock.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from lictor_raft import ConfChange, ConfChangeKind, ConfChanges, ConfState
from lictor_raft_store.leader_duties.servers import Server
from lictor_state.levels import JOINT_CHANGES_LEVEL
from lictor_state.rows import AutopilotRow

DEAD_S = 60.0
"""Unless the setting says otherwise: longer than a machine needs to start anew, so that a reboot costs no seat."""

JOIN_SEEN_S = 1.0
"""A process that wants to join must be there for so long: one that crashes at its start is not added."""

VOTERS_MAX = 5
"""Every write waits for a majority: more voters make it slower and gain little. Further learners stay in reserve."""

LEARNERS_MAX = 16
"""The leader sends each the whole log; beyond it, processes that want to join wait."""

STRIKES = 2
"""Bad observations in a row, half a second apart, that end stability: one may be this process's own hiccup."""

HEARTBEATS = 3
"""Contact may be as old as this many heartbeats, should the threshold ask for less than heartbeats can give."""


@dataclass(frozen=True, slots=True)
class Change:
    """A change of the configuration, and why."""

    change: ConfChange | ConfChanges
    reason: str


@dataclass(frozen=True, slots=True)
class Health:
    """One member as autopilot judges it, for operators; `stable_since` as `now` is, None while it is not stable."""

    member_id: int
    name: str
    voter: bool
    leader: bool
    healthy: bool
    contact_age_s: float | None
    match: int
    trailing: int
    stable_since: float | None


@dataclass(slots=True)
class _Observed:
    first_seen: float
    healthy: bool = False
    stable_since: float | None = None
    strikes: int = 0


@dataclass(slots=True)
class Autopilot:
    """The leader's observations, made anew with each leadership at `since`; `expect` members founded the cluster.

    A member without contact for `dead_s` is taken for dead.
    """

    since: float
    expect: int
    heartbeat_s: float
    dead_s: float = DEAD_S
    healths: tuple[Health, ...] = ()
    _observed: dict[int, _Observed] = field(default_factory=dict)
    _leader: int = 0

    @property
    def failure_tolerance(self) -> int:
        """How many healthy voters may fail before nothing can be written; negative when it is so already."""
        voters = [one for one in self.healths if one.voter]
        return sum(one.healthy for one in voters) - (len(voters) // 2 + 1)

    def observe(
        self, servers: Sequence[Server], leader: int, last_index: int, settings: AutopilotRow, now: float
    ) -> None:
        """Take in how everybody is.

        Args:
            servers: the members of the configuration, then processes that want to join.
            leader: this member's own id.
            last_index: the end of its log.
            settings: autopilot's settings.
            now: seconds.
        """
        self._leader = leader
        here = {one.member_id for one in servers}
        self._observed = {member: seen for member, seen in self._observed.items() if member in here}
        threshold = max(settings.last_contact_threshold_ns / 1e9, HEARTBEATS * self.heartbeat_s)
        healths = []
        for one in servers:
            seen = self._observed.setdefault(one.member_id, _Observed(now))
            trailing = 0 if one.member_id == leader else max(0, last_index - one.match)
            in_touch = one.contact_age_s is not None and one.contact_age_s <= threshold
            seen.healthy = one.member_id == leader or (in_touch and trailing <= settings.max_trailing_logs)
            seen.strikes = 0 if seen.healthy else seen.strikes + 1
            if seen.strikes >= STRIKES:
                seen.stable_since = None
            elif seen.healthy and seen.stable_since is None:
                seen.stable_since = now
            if one.member:
                healths.append(
                    Health(
                        one.member_id,
                        one.name,
                        one.voter,
                        one.member_id == leader,
                        seen.healthy,
                        one.contact_age_s,
                        last_index if one.member_id == leader else one.match,
                        trailing,
                        seen.stable_since,
                    )
                )
        self.healths = tuple(healths)

    def decide(
        self, servers: Sequence[Server], conf: ConfState, settings: AutopilotRow, level: int, now: float
    ) -> Change | None:
        """The next change, if any; to be asked only while none is under way.

        Args:
            servers: as given to `observe` in this round.
            conf: the configuration.
            settings: autopilot's settings.
            level: the feature level of the state, which a process must be able to read to join.
            now: seconds.
        """
        if conf.voters_outgoing or conf.learners_next or self._leader not in conf.voters:
            return None
        by_id = {one.member_id: one for one in servers if one.member}
        healthy = [one for one in conf.voters if self._is_healthy(one)]
        if 2 * len(healthy) <= len(conf.voters):
            return None
        dead = [one for one in conf.voters if one in by_id and self._is_dead(by_id[one], now)]
        spares = self._stable(conf.learners, settings, now)
        cleanup = settings.cleanup_dead_servers
        if cleanup and dead and spares:
            promote = ConfChange(ConfChangeKind.PROMOTE, spares[0])
            if level < JOINT_CHANGES_LEVEL:
                # Some member could not read a joint change: in two steps, the dead one goes in a later round.
                return Change(promote, f"{_name(by_id, spares[0])} is to replace {_name(by_id, dead[0])}, not heard")
            both = ConfChange(ConfChangeKind.REMOVE, dead[0]), promote
            return Change(ConfChanges(both), f"{_name(by_id, spares[0])} replaces {_name(by_id, dead[0])}, not heard")
        joiner = self._joiner(servers, conf, level, now)
        if joiner is not None:
            added = ConfChange(ConfChangeKind.ADD_LEARNER, joiner.member_id)
            return Change(added, f"{joiner.name or joiner.member_id} wants to join")
        if cleanup:
            gone = [one for one in conf.learners if one in by_id and self._is_dead(by_id[one], now)]
            if gone:
                return _remove(by_id, gone[0], "learner not heard")
        all_well = len(healthy) == len(conf.voters)
        if spares and len(conf.voters) < VOTERS_MAX and (all_well or not cleanup):
            promoted = ConfChange(ConfChangeKind.PROMOTE, spares[0])
            return Change(promoted, f"{_name(by_id, spares[0])} is stable and caught up")
        if cleanup and dead and not any(self._is_healthy(one) for one in conf.learners):
            # Of two that died together each would wait for the other for ever: only the living have to be well. A
            # majority of all is healthy, so it is one of those that remain too.
            rest_well = len(healthy) == len(conf.voters) - len(dead)
            least = settings.min_quorum or self.expect
            if rest_well and len(conf.voters) - 1 >= max(least, 1):
                return _remove(by_id, dead[0], "voter not heard")
        return None

    def _is_healthy(self, member: int) -> bool:
        seen = self._observed.get(member)
        return seen is not None and seen.healthy

    def _is_dead(self, server: Server, now: float) -> bool:
        if server.member_id == self._leader:
            return False
        never_heard = now - max(self.since, self._observed[server.member_id].first_seen)
        silent = never_heard if server.contact_age_s is None else server.contact_age_s
        return silent >= self.dead_s

    def _stable(self, learners: Sequence[int], settings: AutopilotRow, now: float) -> list[int]:
        """Learners that may vote, the one longest stable first."""
        found = []
        for member in learners:
            seen = self._observed.get(member)
            if seen is None or not seen.healthy or seen.stable_since is None:
                continue
            if now - seen.stable_since >= settings.server_stabilization_time_ns / 1e9:
                found.append((seen.stable_since, member))
        return [member for _, member in sorted(found)]

    def _joiner(self, servers: Sequence[Server], conf: ConfState, level: int, now: float) -> Server | None:
        if len(conf.learners) >= LEARNERS_MAX:
            return None
        for one in servers:
            wants = not one.member and one.present and one.never_member and one.level >= level
            if wants and now - self._observed[one.member_id].first_seen >= JOIN_SEEN_S:
                return one
        return None


def _name(by_id: dict[int, Server], member: int) -> str:
    one = by_id.get(member)
    return one.name if one is not None and one.name else f"{member:x}"


def _remove(by_id: dict[int, Server], member: int, why: str) -> Change:
    return Change(ConfChange(ConfChangeKind.REMOVE, member), f"{_name(by_id, member)}: {why}")
