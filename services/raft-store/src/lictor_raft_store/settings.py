"""The settings of a raft-store member."""

from pydantic import Field

from lictor_kit.settings import Port, Settings
from lictor_state.levels import LEVEL_MAX


class RaftStoreSettings(Settings):
    """What a raft-store is told beside what every process is told."""

    raft_store_port: Port = Field(
        default=8300,
        description="TCP port; the server port shown to Consul's clients; nothing listens there",
    )
    raft_store_direct_port: Port = Field(
        default=0,
        description="TCP port; the direct lane, with LICTOR_DIRECT=on; 0 takes a free one, since NATS announces it",
    )
    raft_store_name: str = Field(
        default="",
        pattern=r"^[A-Za-z0-9.-]{0,63}$",
        description="name; this server's node in the catalog; empty takes server-<slot>, which is unique on one volume",
    )
    raft_store_advertise: str = Field(
        default="",
        description="address; shown for this server in the catalog; empty takes the bind address, or the host's own",
    )
    raft_store_slots: int = Field(
        default=0,
        ge=0,
        le=99,
        description="slots; how many members may share one volume, others wait as spares; 0 takes up to 99",
    )
    raft_store_heartbeat_ms: int = Field(
        default=100,
        ge=10,
        le=5_000,
        description="milliseconds; between two heartbeats; a tenth of the election timeout",
    )
    raft_store_election_ms: int = Field(
        default=1_000,
        ge=100,
        le=60_000,
        description="milliseconds; silence after which a follower campaigns; a new leader is there in about twice that",
    )
    raft_store_tick_ms: int = Field(
        default=20, ge=5, le=1_000, description="milliseconds; the core's clock; fine ticks make split votes rare"
    )
    raft_store_segment_mib: int = Field(
        default=64, ge=1, le=1_024, description="MiB; size of one log segment, allocated ahead so that syncs are short"
    )
    raft_store_snapshot_entries: int = Field(
        default=65_536,
        ge=16,
        description="entries; at most applied between two snapshots, by chance an eighth less: members take turns so; "
        "a restart applies them in two seconds",
    )
    raft_store_trailing_entries: int = Field(
        default=10_240, ge=0, description="entries; kept behind a snapshot so that slow followers need none"
    )
    raft_store_snapshot_log_mib: int = Field(
        default=128, ge=1, le=16_384, description="MiB; log since the last snapshot before a new one is taken anyway"
    )
    raft_store_trailing_mib: int = Field(
        default=64, ge=0, le=16_384, description="MiB; the same bound in bytes: entries behind a snapshot are in memory"
    )
    raft_store_feed_mib: int = Field(
        default=64, ge=1, le=4_096, description="MiB; recent changes kept for views that resume; beyond: a snapshot"
    )
    raft_store_reap_hours: float = Field(
        default=72.0,
        gt=0,
        le=8760,
        description="hours; failed and left nodes are forgotten after this; long enough for a weekend and a day",
    )
    raft_store_dead_after_s: float = Field(
        default=60.0,
        ge=2,
        le=86_400,
        description="seconds; silence after which autopilot replaces or removes a member; longer than a reboot takes",
    )
    raft_store_level_max: int = Field(
        default=LEVEL_MAX,
        ge=1,
        le=LEVEL_MAX,
        description="feature level; the highest to announce; less keeps the way back to an older build open",
    )
    raft_store_check_invariants: bool = Field(
        default=False,
        description="true or false; check the core's invariants after every step and stop at a violation; costs CPU",
    )
