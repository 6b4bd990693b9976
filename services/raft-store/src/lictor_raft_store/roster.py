"""Who the members of the cluster are: the core's configuration, what each has told of itself, and the leader's contact.

Every member of the configuration is in the roster, also one that this leader has never heard: its name then comes from
the catalog's row of it. A member that is no longer present keeps what it last told: whether it has failed is a matter
of contact, so that a restart, which says goodbye, is no failure. A process that is present, has our cluster and is in
no configuration stands behind the members: it wants to join.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from lictor_bus import Presence, PresenceRecord
from lictor_bus.frames import Member
from lictor_bus.server_ids import node_id
from lictor_raft import ConfState, RawNode, Status
from lictor_raft_store.leader_duties.servers import Server
from lictor_state import Store
from lictor_state.levels import FOUNDING_LEVEL
from lictor_state.rows import AgentRow


class Roster:
    """The members as beacons name them and as the leader's duties judge them."""

    def __init__(
        self,
        node: RawNode,
        presence: Presence,
        cluster: str,
        store: Callable[[], Store],
        clock: Callable[[], float],
    ) -> None:
        self._node, self._presence, self._cluster = node, presence, cluster
        self._store, self._clock = store, clock
        self._told: dict[int, PresenceRecord] = {}

    def conf_ids(self) -> tuple[int, ...]:
        """Everyone in the active configuration: voters of both halves while it is joint, and learners."""
        return conf_ids(self._node.status().conf_state)

    def members(self) -> tuple[Member, ...]:
        """The members of the configuration as beacons name them."""
        conf = set(self.conf_ids())
        return tuple(
            Member(one.member_id, one.name, f"{one.address}:{one.port}", one.voter, self._direct(one.member_id))
            for one in self.servers()
            if one.member_id in conf
        )

    def _direct(self, member: int) -> str:
        """Where a member's direct lane listens, empty for nowhere."""
        told = self._told.get(member)
        return "" if told is None else _text(told.record, "direct")

    def joining(self) -> list[Server]:
        """The processes that have our cluster, are present, and stand in no configuration."""
        conf = set(self.conf_ids())
        return [one for one in self.servers() if one.member_id not in conf]

    def servers(self) -> list[Server]:
        """The members with the leader's contact to them, by id; then processes that want to join."""
        status = self._node.status()
        conf = conf_ids(status.conf_state)
        present = {_number(one.record, "member"): one for one in self._presence.present("raft-store")}
        self._told.update(present)
        self._told = {member: one for member, one in self._told.items() if member in conf or member in present}
        taken = {_text(one.record, "name").lower() for member, one in present.items() if member}
        found = [self._member(member, status, present, taken) for member in conf]
        found += [
            replace(
                _server(member, one.record, one.instance, voter=False, contact_age_s=None),
                member=False,
                present=True,
                never_member=one.record.get("applied") == 0,
            )
            for member, one in sorted(present.items())
            if member and member not in conf and one.record.get("cluster") == self._cluster
        ]
        return found

    def _member(self, member: int, status: Status, present: dict[int, PresenceRecord], taken: set[str]) -> Server:
        """One member of the configuration; a name that another process bears now is no longer an absent one's."""
        peer = status.peers.get(member)
        contact = None if peer is None or peer.last_contact is None else self._clock() - peer.last_contact
        if member == status.id:
            contact = 0.0
        voter = member in status.conf_state.voters or member in status.conf_state.voters_outgoing
        told = self._told.get(member)
        if told is not None:
            record, run_id = told.record, told.instance
        else:
            record, run_id = self._registered(member)
        if member not in present and _text(record, "name").lower() in taken:
            record = {**record, "name": ""}
        server = _server(member, record, run_id, voter=voter, contact_age_s=contact)
        return replace(server, present=member in present, match=peer.match if peer is not None else 0)

    def _registered(self, member: int) -> tuple[dict[str, Any], str]:
        """What the catalog knows of a member that this process has never heard."""
        name = self._store().by.agent_of_id.get(node_id(member), "")
        row: AgentRow | None = self._store().agent(name) if name else None
        if row is None:
            return {}, ""
        return {"name": row.node, "address": row.address, "port": row.port}, row.run_id


def conf_ids(conf: ConfState) -> tuple[int, ...]:
    """Everyone in a configuration, by id."""
    return tuple(sorted({*conf.voters, *conf.voters_outgoing, *conf.learners}))


def _server(member: int, record: dict[str, Any], run_id: str, *, voter: bool, contact_age_s: float | None) -> Server:
    return Server(
        member,
        _text(record, "name"),
        run_id,
        _text(record, "address"),
        _number(record, "port"),
        voter,
        contact_age_s,
        level=_number(record, "level") or FOUNDING_LEVEL,
    )


def _text(record: dict[str, Any], name: str) -> str:
    return str(record.get(name, ""))


def _number(record: dict[str, Any], name: str) -> int:
    value = record.get(name, 0)
    return value if isinstance(value, int) else 0
