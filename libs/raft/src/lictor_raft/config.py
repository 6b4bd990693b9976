"""The settings of one member, validated once.

Units are part of the names; the reason for each default stands beside it. What the lease rests on is explained in
`rounds`. Addresses, directories and everything else that belongs to the driver is not here.
"""

from dataclasses import dataclass
from enum import Enum

from lictor_raft.errors import ConfigError
from lictor_raft.messages import MEMBER_ID_MAX

LEASE_FRACTION = 0.8
"""The part of the election timeout for which a leader trusts a round that a quorum answered; the rest is for clock
drift."""

LEASE_ELECTION_TICKS_MIN = 6
"""A timer of T ticks may fire one tick early, so the lease needs (T - 1) / T > 0.8, that is T of at least 6."""


class ReadMode(Enum):
    """How reads may be confirmed."""

    QUORUM = "quorum"
    """Every read waits for a round that a quorum answered."""
    LEASE = "lease"
    """A leader may also answer by its lease; needs `check_quorum` and clock rates within a fifth of each other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """The settings of one member.

    Raises:
        ConfigError: a field breaks its rule; the message names both.
    """

    id: int
    """This member, 1 to 2**63 - 1; never used again after its removal."""
    election_ticks: int = 50
    """Ticks without a leader before a campaign, at least; the timeout is drawn from [T, 2T - 1]. Few ticks mean split
    votes."""
    heartbeat_ticks: int = 5
    """Ticks between heartbeats; a tenth of the election timeout survives several losses in a row."""
    election_timeout_s: float = 1.0
    """The length of `election_ticks` in seconds; lease and vote silence are measured with it."""
    entries_bytes_per_message_max: int = 256 * 1024
    """Payload of one append; a single larger entry still travels, alone. Keeps a frame well below the bus's 1 MiB."""
    inflight_messages_max: int = 256
    """Unacknowledged appends with entries, per peer."""
    inflight_bytes_max: int = 1024 * 1024
    """Unacknowledged payload per peer; more only grows queues in front of the heartbeats."""
    uncommitted_bytes_max: int = 64 * 1024 * 1024
    """Payload a leader accepts without having applied it; over it proposals are dropped. Empty payloads never are."""
    committed_bytes_per_ready_max: int = 4 * 1024 * 1024
    """Payload of `committed_entries` in one `Ready`, at least one entry; keeps the driver's apply step short."""
    pre_vote: bool = True
    """Ask whether a campaign could succeed before raising the term (thesis 9.6)."""
    check_quorum: bool = True
    """A leader without contact to a quorum steps down; voters that hear a leader ignore campaigns."""
    read_mode: ReadMode = ReadMode.LEASE
    """Whether `lease_read` may answer."""
    vote_silence_after_start: bool = True
    """Grant no vote for one election timeout after start, unless this is the only voter: before the restart this member
    may have answered the round on which a leader's lease rests."""
    step_down_on_removal: bool = True
    """A leader that is no longer a voter becomes a follower when it applies that change."""
    async_storage_writes: bool = False
    """Address writes and applies to the local log writer and state machine as messages, several in flight, instead of
    waiting for `advance` (see `storage_writes`)."""
    disable_conf_change_validation: bool = False
    """Let configuration changes into the log that do not fit what this leader has applied; one that does not fit when
    it is applied then changes nothing. For a driver that judges changes itself; the same at every member."""
    applied: int = 0
    """The last index that the driver's state machine holds already at start; 0 means what the snapshot covers."""

    def __post_init__(self) -> None:
        """Check every rule between the fields."""
        rules = (
            (1 <= self.id <= MEMBER_ID_MAX, "id must lie within 1 and 2**63 - 1"),
            (self.heartbeat_ticks >= 1, "heartbeat_ticks must be at least 1"),
            (self.election_ticks > self.heartbeat_ticks, "election_ticks must be greater than heartbeat_ticks"),
            (self.election_timeout_s > 0, "election_timeout_s must be positive"),
            (self.entries_bytes_per_message_max >= 0, "entries_bytes_per_message_max must not be negative"),
            (self.inflight_messages_max >= 1, "inflight_messages_max must be at least 1"),
            (
                self.inflight_bytes_max >= max(1, self.entries_bytes_per_message_max),
                "inflight_bytes_max must be at least entries_bytes_per_message_max",
            ),
            (self.uncommitted_bytes_max >= 1, "uncommitted_bytes_max must be at least 1"),
            (self.committed_bytes_per_ready_max >= 1, "committed_bytes_per_ready_max must be at least 1"),
            (
                self.read_mode is not ReadMode.LEASE or self.check_quorum,
                "read_mode LEASE needs check_quorum: without it voters do not wait for the lease to end",
            ),
            (
                self.read_mode is not ReadMode.LEASE or self.vote_silence_after_start,
                "read_mode LEASE needs vote_silence_after_start: a restarted voter has forgotten whom it answered",
            ),
            (
                self.read_mode is not ReadMode.LEASE or self.election_ticks >= LEASE_ELECTION_TICKS_MIN,
                f"read_mode LEASE needs election_ticks of at least {LEASE_ELECTION_TICKS_MIN}",
            ),
            (self.applied >= 0, "applied must not be negative"),
        )
        for holds, rule in rules:
            if not holds:
                raise ConfigError(rule)
