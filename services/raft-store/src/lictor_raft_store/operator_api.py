"""What operators see of a member and may order it to do: the verbs `status` and `operator` of a member's subject.

A member tells about itself; the leader also how far each of the others has come, when it last answered, how autopilot
judges it, and which processes wait to join. Removing a member, moving leadership and confirming failures that the brake
holds are orders for the leader.
"""

from collections.abc import Callable

import structlog

from lictor_bus import Bus, frames, subjects
from lictor_bus.frames import FrameError, MemberHealth, OperatorAnswer, OperatorOrder, PeerProgress, StatusAnswer
from lictor_raft import ConfChange, ConfChangeKind, Role, Status
from lictor_raft_store.leader_duties.autopilot import Autopilot
from lictor_raft_store.leader_duties.leadership import Leadership
from lictor_raft_store.node_driver import NodeDriver
from lictor_raft_store.roster import Roster

TRANSFER_LIMIT_S = 5.0

log = structlog.get_logger()


class OperatorApi:
    """Answers for one member."""

    def __init__(
        self,
        bus: Bus,
        cluster: str,
        member_id: int,
        name: str,
        run_id: str,
        driver: NodeDriver,
        roster: Roster,
        leadership: Leadership,
        wall: Callable[[], float],
    ) -> None:
        self._bus, self._cluster, self._member_id = bus, cluster, member_id
        self._name, self._run_id, self._driver, self._roster = name, run_id, driver, roster
        self._leadership, self._wall = leadership, wall

    async def open(self) -> None:
        """Begin to listen."""
        for verb, callback in (("status", self._on_status), ("operator", self._on_order)):
            await self._bus.subscribe(subjects.member(self._cluster, self._member_id, verb), callback)

    async def _on_status(self, _subject: str, _data: bytes, reply: str) -> None:
        await self._bus.publish(reply, frames.encode(self.status()))

    def status(self) -> StatusAnswer:
        """This member now."""
        driver = self._driver
        status, store = driver.node.status(), driver.machine.store
        conf = status.conf_state
        heard = status.leader_contact
        autopilot = self._leadership.members.autopilot
        return StatusAnswer(
            self._member_id,
            self._name,
            status.term,
            status.role.name.lower(),
            status.leader,
            status.commit,
            driver.machine.applied,
            store.digest(),
            self._run_id,
            store_index=store.index,
            first_index=status.first_index,
            last_index=status.last_index,
            durable_index=status.durable_index,
            leader_contact_s=0.0 if status.role is Role.LEADER else None if heard is None else driver.clock() - heard,
            voters=tuple(sorted({*conf.voters, *conf.voters_outgoing})),
            learners=conf.learners,
            cluster=self._cluster,
            epoch=store.meta.epoch,
            level=store.meta.level,
            peers=self._peers(status),
            joining=tuple(one.name for one in self._roster.joining()) if status.role is Role.LEADER else (),
            healths=self._healths(autopilot) if autopilot else (),
            failure_tolerance=autopilot.failure_tolerance if autopilot else 0,
            judgements=self._leadership.judgements() if status.role is Role.LEADER else (),
        )

    def _healths(self, autopilot: Autopilot) -> tuple[MemberHealth, ...]:
        now, wall = self._driver.clock(), self._wall()
        return tuple(
            MemberHealth(
                one.member_id,
                one.name,
                one.voter,
                one.healthy,
                now - autopilot.since if one.contact_age_s is None else one.contact_age_s,
                one.match,
                None if one.stable_since is None else wall - (now - one.stable_since),
            )
            for one in autopilot.healths
        )

    def _peers(self, status: Status) -> tuple[PeerProgress, ...]:
        now = self._driver.clock()
        return tuple(
            PeerProgress(
                member,
                peer.match,
                peer.state.value,
                0.0 if member == status.id else None if peer.last_contact is None else now - peer.last_contact,
                peer.inflight_bytes,
            )
            for member, peer in sorted(status.peers.items())
        )

    async def _on_order(self, _subject: str, data: bytes, reply: str) -> None:
        try:
            order = frames.decode(data, OperatorOrder)
        except FrameError as error:
            log.warning("operator's order not understood", reason=str(error))
            return
        answer = await self._obey(order) if order.cluster == self._cluster else OperatorAnswer("not-leader")
        await self._bus.publish(reply, frames.encode(answer))

    async def _obey(self, order: OperatorOrder) -> OperatorAnswer:
        if self._driver.node.role is not Role.LEADER:
            return OperatorAnswer("not-leader")
        log.warning("operator's order", order=order.order, member=f"{order.member_id:x}")
        if order.order == "transfer":
            gone = await self._driver.hand_over(TRANSFER_LIMIT_S, order.member_id)
            return OperatorAnswer("ok") if gone else OperatorAnswer("refused", "leadership was not taken over in time")
        if order.order == "confirm-brake":
            confirmed = self._leadership.confirm_failures()
            return OperatorAnswer("ok") if confirmed else OperatorAnswer("refused", "no decisions are held")
        if order.member_id not in self._roster.conf_ids():
            return OperatorAnswer("refused", "no such member in the configuration")
        if order.member_id == self._member_id:
            return OperatorAnswer("refused", "the leader is not removed: transfer leadership first")
        done = await self._driver.change_members(ConfChange(ConfChangeKind.REMOVE, order.member_id))
        return OperatorAnswer("ok") if done else OperatorAnswer("refused", "the configuration is being changed already")
