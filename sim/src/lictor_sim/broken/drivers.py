"""Broken drivers, disks and state machines: the core is right, and what surrounds it is not."""

from collections.abc import Sequence

import msgspec

from lictor_raft import NO_MEMBER, Entry, HardState, Ready, Snapshot
from lictor_sim.async_process import AsyncProcess
from lictor_sim.process import SimProcess
from lictor_sim.sim_disk import SimDisk, Write
from lictor_sim.state_machine import Command, Session, StateMachine


class AcknowledgeBeforeSync(SimProcess):
    """Vouches for what it has written and not synced."""

    def _write(self, ready: Ready) -> None:
        super()._write(ready)
        if self.up:
            self.vouch(ready.messages_after_append)


class ForgetVote(SimProcess):
    """Starts with the right term and no vote."""

    def start(self) -> None:
        """See `SimProcess`."""
        hard_state, _ = self.disk.view.initial_state()
        self.disk.view.set_hard_state(msgspec.structs.replace(hard_state, vote=NO_MEMBER))
        super().start()


class StoppedClock(SimProcess):
    """Reads a clock that stands still while the machine sleeps: CLOCK_MONOTONIC instead of CLOCK_BOOTTIME."""

    def pause(self, seconds: float, *, clock_stops: bool = False) -> None:
        """See `SimProcess`."""
        del clock_stops
        super().pause(seconds, clock_stops=True)


class StoppedClockAsync(StoppedClock, AsyncProcess):
    """The same with asynchronous storage."""


class LyingDisk(SimDisk):
    """Says that it has synced, and has not."""

    def write(self, write: Write) -> None:
        """See `SimDisk`."""
        write(self.view)


class TermNotPersisted(SimDisk):
    """Keeps the log and the commit index, and neither term nor vote."""

    def write_log(self, snapshot: Snapshot | None, entries: Sequence[Entry], hard_state: HardState | None) -> None:
        """See `SimDisk`."""
        if hard_state is not None:
            before, _ = self.view.initial_state()
            hard_state = HardState(before.term, before.vote, hard_state.commit)
        super().write_log(snapshot, entries, hard_state)


class TrimByAge(StateMachine):
    """Keeps the results of the newest commands instead of those that have no answer yet."""

    def _trim(self, session: Session, index: int, command: Command) -> None:
        del index
        for number in [number for number in session.results if number < command.number - 1]:
            del session.results[number]
