"""What a raft-store shows to Prometheus."""

from lictor_kit.metrics import Metrics


class StoreMetrics:
    """The metrics of one member."""

    def __init__(self, metrics: Metrics) -> None:
        self.applied = metrics.count("entries_applied_total", "Log entries applied to the state.")
        self.leader = metrics.gauge("leader_count", "1 while this member leads.")
        self.term = metrics.gauge("term_index", "The current Raft term.")
        self.commit = metrics.gauge("commit_index", "The Raft commit index.")
        self.store_index = metrics.gauge("store_index", "The store index applied.")
        self.sync_seconds = metrics.spans("sync_seconds", "Duration of one durable write of the log.")
        self.session_timers = metrics.gauge("session_timers_count", "Sessions whose TTL this leader counts.")
        self.sessions_expired = metrics.counter("sessions_expired_total", "Sessions that this leader let expire.")
        self.decisions_held = metrics.gauge("decisions_held_count", "1 while this leader's brake holds failures.")
        self.disputed = metrics.gauge("disputed_nodes_count", "Nodes that reporters find failed and that answer.")
        self.own_commands = metrics.counter(
            "leader_commands_total", "What this member proposed as leader, by command.", ("command",)
        )
        self.failure_tolerance = metrics.gauge(
            "failure_tolerance_count", "Healthy voters that may fail while writes go on, as this leader sees it."
        )
        self.unhealthy_members = metrics.gauge("unhealthy_members_count", "Members that this leader finds unhealthy.")
        self.autopilot_changes = metrics.counter(
            "autopilot_changes_total", "Changes of the configuration by autopilot.", ("outcome",)
        )
        self.level = metrics.gauge("level_count", "The feature level of the state.")
        self.room = metrics.gauge("log_short_of_room_count", "1 while the disk has no room for the log to grow.")
        self.snapshots = metrics.counter("snapshots_total", "Snapshots taken by this member.")
        self.installs = metrics.counter("snapshot_installs_total", "Snapshots received and installed.")
