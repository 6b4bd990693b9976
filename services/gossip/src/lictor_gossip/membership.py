"""This node as a member of the pool: the Serf node with its keys, and its memory of the last run.

It joins the pure core to the files beside it: events go into the snapshot, changed keys into the keyring file, refusals
into log and counts. Who else wants to hear of events registers a listener.
"""

import random
from collections.abc import Callable

import structlog
from msgspec.structs import replace

from lictor_gossip.admission import Admission
from lictor_gossip.identity import CONSUL_VERSIONS, tags
from lictor_gossip.keyring_file import KeyringError, KeyringFile
from lictor_gossip.node_slot import NodeSlot
from lictor_gossip.refusals import Refusals
from lictor_gossip.settings import GossipSettings
from lictor_gossip.snapshot_file import SnapshotFile
from lictor_gossip.swim_driver import SwimDriver
from lictor_gossip.tag_expressions import matches
from lictor_swim import (
    CONSUL_LAN,
    PROFILES,
    SERF_FAST,
    Endpoint,
    Framing,
    InputRefused,
    JoinFailed,
    KeyringChanged,
    MemberEvent,
    NameConflict,
    NameLost,
    PacketsBlocked,
    SerfEvent,
    SerfNode,
    Status,
    UserEvent,
    UserEventReceived,
    address_bytes,
)

KEYRING_NAME = "keyring.json"
SNAPSHOT_NAME = "pool.snapshot"

FAST = replace(
    SERF_FAST,
    reconnect_timeout_s=CONSUL_LAN.reconnect_timeout_s,
    tombstone_timeout_s=CONSUL_LAN.tombstone_timeout_s,
    name_conflict_resolution=False,
)
"""Serf's timing for the fast profile, with Consul's choices in what is no timing: the store guards names."""

log = structlog.get_logger()


class Membership:
    """The member of one node.

    Args:
        address: where others reach it.
        note: told what is wrong with its files, by name; empty when nothing is.

    Raises:
        KeyringError: the keyring file cannot be used.
    """

    def __init__(
        self, slot: NodeSlot, settings: GossipSettings, address: str, note: Callable[[str, str], None]
    ) -> None:
        self.refusals = Refusals()
        self.on_members: list[Callable[[], None]] = []
        self.on_user_event: list[Callable[[UserEvent], None]] = []
        self._note = note
        self._own = Endpoint(address, settings.gossip_port)
        self._keyring_file = KeyringFile(slot.folder / KEYRING_NAME)
        keyring, has_given = self._keyring_file.founded(settings.given_key())
        if not has_given:
            log.warning("the key of the settings is not in the keyring file, which has the say", file=KEYRING_NAME)
        self.snapshot_file = SnapshotFile(slot.folder / SNAPSHOT_NAME, lambda reason: note("snapshot", reason))
        self.remembered = self.snapshot_file.load()
        self.snapshot = self.snapshot_file.snapshot(slot.node, self.remembered)
        self._admission = Admission(slot.node, slot.node_id, settings.datacenter)
        profile = PROFILES[settings.gossip_profile]
        node = SerfNode(
            name=slot.node,
            address=address_bytes(address),
            port=settings.gossip_port,
            tags=tags(slot, settings),
            swim=profile,
            serf=FAST if settings.gossip_profile == "fast" else CONSUL_LAN,
            framing=Framing(
                keyring=keyring,
                verify_incoming=settings.gossip_verify_incoming,
                verify_outgoing=settings.gossip_verify_outgoing,
            ),
            dice=random.SystemRandom(),
            versions=CONSUL_VERSIONS,
            clocks=self.remembered.clocks,
            matches=matches,
            accepts=self._admission,
        )
        self.driver = SwimDriver(
            node,
            Endpoint(settings.bind, settings.gossip_port),
            stream_timeout_s=profile.stream_timeout_s,
            on_event=self._on_event,
        )

    def others(self) -> list[Endpoint]:
        """Where the other living members are."""
        living = (one.endpoint for one in self.driver.members() if one.status is Status.ALIVE)
        return [endpoint for endpoint in living if endpoint != self._own]

    def _on_event(self, event: SerfEvent) -> None:
        self.snapshot.observe(event)
        match event:
            case MemberEvent():
                self._admission.observe(event)
                log.info("member", name=event.member.name, status=event.member.status.name.lower())
                for listener in self.on_members:
                    listener()
            case UserEventReceived(user_event):
                for hears in self.on_user_event:
                    hears(user_event)
            case KeyringChanged():
                self._keep_keys()
            case InputRefused():
                self.refusals.refused(event)
            case JoinFailed():
                self.refusals.join_failed(event)
            case NameConflict():
                self.refusals.conflict(event)
            case NameLost(claimed):
                self.refusals.lost_name(event)
                self._note("name", f"most of the pool knows {claimed.host}:{claimed.port} by this node's name")
            case PacketsBlocked():
                self.refusals.blocked(event)
            case _:
                pass

    def _keep_keys(self) -> None:
        keyring = self.driver.keyring
        assert keyring is not None, "only an encrypted pool changes its keys"
        try:
            self._keyring_file.save(keyring)
        except KeyringError as error:
            log.error("keys are in use and not on disk", reason=str(error))  # noqa: TRY400  the reason says it all
            self._note("keyring", f"keys are in use and not on disk: {error}")
        else:
            log.info("keys kept", count=len(keyring.keys))
            self._note("keyring", "")

    def close(self) -> None:
        """Write down what the next run should know."""
        self.snapshot_file.close(self.snapshot, self.driver.clocks)
