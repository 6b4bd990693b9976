"""Feature levels: which commands the members of a cluster can all read (design rule 3.10).

A member that meets a command which it does not know cannot apply it, and must not skip it: it stops. So a command may
only enter the log once every member knows it. The state carries a level; an entry raises it after every member has
announced that its build knows a higher one; the leader takes a command only at the level that introduced it, and apply
refuses it below, in case an earlier leader was less careful.

| level | brings |
|---|---|
| 1 | everything before levels were used; a cluster begins here |
| 2 | sessions, locks and lock delays; restores; reaping of tombstones; deregistration of services critical for long; |
|   | the time of decisions about nodes; autopilot's settings; configuration changes of several members at once |
| 3 | transactions; prepared queries; coordinates; user events; virtual addresses, which instances of the mesh are |
|   | given with it; what gateways serve; what definition files have registered; checks that do not replace others; |
|   | a floor under the index of lists when tombstones are forgotten because there are too many |
| 4 | a node whose services changed together with its own row has no index row beside it |

A new command gets the next level here, and so does a change of what an existing command does.
"""

from lictor_state import commands
from lictor_state.commands import AgentCheckRegister, Command, KVSet

FOUNDING_LEVEL = 1
LEVEL_MAX = 4
"""The highest level that this build knows."""

SECOND = 2
THIRD = 3
FOURTH = 4

VIRTUAL_IPS_LEVEL = THIRD
"""Below it a registration gives no virtual address: some member would not."""

KEPT_CHECKS_LEVEL = THIRD
"""Below it a check that is registered replaces one that is there."""

TOMBSTONE_FLOOR_LEVEL = THIRD
"""Below it tombstones beyond the most that are kept go without raising the floor: some member would not raise it."""

NODE_SPEAKS_LEVEL = FOURTH
"""Below it a node has an index row whenever it or its services change: some member would write it."""

JOINT_CHANGES_LEVEL = SECOND
"""Below it a log entry that changes several members at once could not be read by some member."""

_INTRODUCED: dict[type, int] = {
    commands.SessionCreate: SECOND,
    commands.SessionDestroy: SECOND,
    commands.LockDelayEnd: SECOND,
    commands.TombstonesReap: SECOND,
    commands.CriticalServiceDeregister: SECOND,
    commands.RestoreBegin: SECOND,
    commands.RestoreChunk: SECOND,
    commands.RestoreCommit: SECOND,
    commands.RestoreAbort: SECOND,
    commands.AutopilotSet: SECOND,
    commands.Txn: THIRD,
    commands.PreparedQuerySet: THIRD,
    commands.PreparedQueryDelete: THIRD,
    commands.CoordinatesUpdate: THIRD,
    commands.EventFire: THIRD,
    commands.GatewayServicesSet: THIRD,
    commands.DefinitionFilesMark: THIRD,
}


def level_of(command: Command) -> int:
    """The level at which a command, with the fields that it uses, was introduced."""
    if isinstance(command, KVSet):
        return SECOND if command.acquire or command.release else FOUNDING_LEVEL
    if isinstance(command, AgentCheckRegister):
        return KEPT_CHECKS_LEVEL if command.keep else FOUNDING_LEVEL
    return _INTRODUCED.get(type(command), FOUNDING_LEVEL)


def too_early(command: Command, level: int) -> str:
    """Why a command may not be used at this level of the cluster; empty if it may."""
    if level >= LEVEL_MAX:
        return ""
    needed = level_of(command)
    if needed <= level:
        return ""
    return (
        f"{type(command).__name__} needs feature level {needed}, this cluster is at {level}: "
        "upgrade every raft-store, then it rises by itself"
    )
