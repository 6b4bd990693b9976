"""Apply: one log entry to the state, deterministically (design rules 3.3 and 3.5).

No clock, dice, settings or I/O, and no result depends on the order of a set. A command that is refused changes
nothing: what it wrote before the rule that it broke is rolled back. The commands themselves are in `apply_*`.
"""

from collections.abc import Callable
from typing import Any

import msgspec

from lictor_state import (
    apply_agent,
    apply_autopilot,
    apply_ca,
    apply_catalog,
    apply_config,
    apply_coordinates,
    apply_definition_files,
    apply_events,
    apply_gateways,
    apply_intentions,
    apply_kv,
    apply_levels,
    apply_membership,
    apply_prepared_queries,
    apply_restore,
    apply_sessions,
    apply_txn,
    commands,
)
from lictor_state.commands import Command, Envelope, RegisterProposer, Result
from lictor_state.errors import Refused
from lictor_state.exactly_once import FORGOTTEN
from lictor_state.levels import too_early
from lictor_state.rows import Change
from lictor_state.store import Store


class Applied(msgspec.Struct, frozen=True, gc=False):
    """What one entry came to: the store index that answers it, its result, and the rows that it changed.

    `index` is the entry's own, except for a repeated command: then it is the index of the entry that took effect.
    `restored`: the whole state was replaced, a new epoch has begun, and whoever holds a copy must fetch it anew; such
    an entry lists no changes.
    """

    index: int
    result: Result
    changes: tuple[Change, ...] = ()
    restored: bool = False


def _register_proposer(store: Store, index: int, command: RegisterProposer) -> Result:
    store.proposers.open(index, command.name)
    return Result(value=index)


_COMMANDS: dict[type, Callable[[Store, int, Any], Result]] = {
    commands.RegisterProposer: _register_proposer,
    commands.CatalogRegister: apply_catalog.register,
    commands.CatalogDeregister: apply_catalog.deregister,
    commands.AgentServiceRegister: apply_agent.register_service,
    commands.AgentServiceDeregister: apply_agent.deregister_service,
    commands.AgentCheckRegister: apply_agent.register_check,
    commands.AgentCheckDeregister: apply_agent.deregister_check,
    commands.CheckTransition: apply_agent.transition,
    commands.KVSet: apply_kv.set_key,
    commands.KVDelete: apply_kv.delete_key,
    commands.KVDeleteTree: apply_kv.delete_tree,
    commands.ConfigEntrySet: apply_config.set_entry,
    commands.ConfigEntryDelete: apply_config.delete_entry,
    commands.IntentionUpsert: apply_intentions.upsert,
    commands.IntentionDelete: apply_intentions.delete,
    commands.CARootSet: apply_ca.set_root,
    commands.AgentJoin: apply_membership.join,
    commands.AgentDecision: apply_membership.decide,
    commands.RaiseLevel: apply_levels.raise_level,
    commands.SessionCreate: apply_sessions.create,
    commands.SessionDestroy: apply_sessions.destroy,
    commands.LockDelayEnd: apply_sessions.end_lock_delay,
    commands.TombstonesReap: apply_kv.reap_tombstones,
    commands.CriticalServiceDeregister: apply_agent.deregister_critical,
    commands.RestoreBegin: apply_restore.begin,
    commands.RestoreChunk: apply_restore.take_chunk,
    commands.RestoreCommit: apply_restore.commit,
    commands.RestoreAbort: apply_restore.abort,
    commands.AutopilotSet: apply_autopilot.set_autopilot,
    commands.Txn: apply_txn.run,
    commands.PreparedQuerySet: apply_prepared_queries.set_query,
    commands.PreparedQueryDelete: apply_prepared_queries.delete_query,
    commands.CoordinatesUpdate: apply_coordinates.update,
    commands.EventFire: apply_events.fire,
    commands.GatewayServicesSet: apply_gateways.set_services,
    commands.DefinitionFilesMark: apply_definition_files.mark,
}


def apply(store: Store, raft_index: int, envelope: Envelope) -> Applied:
    """Apply the entry at `raft_index`, which must be above everything applied before."""
    index = raft_index + store.offset
    epoch = store.epoch
    if not envelope.proposer:
        result = _run(store, index, envelope.command)
        index = raft_index + store.offset  # a restore has raised it
        return Applied(index, result, store.commit(index), store.epoch != epoch)
    line = store.proposers.use(envelope.proposer)
    if line is None:
        store.commit(index)
        return Applied(index, FORGOTTEN)
    line.raise_floor(envelope.answered_below)
    if envelope.number < line.floor:
        store.commit(index)
        return Applied(index, FORGOTTEN)
    recorded = line.results.get(envelope.number)
    if recorded is not None:
        store.commit(index)
        return Applied(recorded.index, recorded.result)
    result = _run(store, index, envelope.command)
    index = raft_index + store.offset  # as above
    line.record(envelope.number, index, result)
    return Applied(index, result, store.commit(index), store.epoch != epoch)


def _run(store: Store, index: int, command: Command) -> Result:
    early = too_early(command, store.level)
    if early:
        return Result(error=early)
    try:
        return _COMMANDS[type(command)](store, index, command)
    except Refused as refused:
        store.rollback()
        return Result(error=refused.message, status=refused.status, more=refused.more)


def apply_noop(store: Store, raft_index: int) -> None:
    """An entry without a command (a new leader's first, a configuration change): only the index moves."""
    store.commit(raft_index + store.offset)
