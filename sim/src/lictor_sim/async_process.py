"""A member whose log writer and state machine work beside its node (`Config.async_storage_writes`).

Two workers, each in order: the log writer takes everything that waits for it as one batch with one sync, and the state
machine applies one message at a time. Their answers go back to the node, and to other members, when they are done.
"""

from collections import deque

from lictor_raft import LOCAL_APPEND, LOCAL_APPLY, MemoryStorage, Message
from lictor_sim.process import Failpoint, SimProcess, Surroundings


class AsyncProcess(SimProcess):
    """See the module."""

    def __init__(self, member: int, image: MemoryStorage, around: Surroundings) -> None:
        super().__init__(member, image, around)
        self._appends: deque[tuple[Message, bool]] = deque()
        self._writing: list[tuple[Message, bool]] = []
        self._applies: deque[Message] = deque()
        self._applying = False

    def start(self) -> None:
        """See `SimProcess`."""
        self._appends.clear()
        self._writing.clear()
        self._applies.clear()
        self._applying = False
        super().start()

    def work(self) -> None:
        """Hand everything to whoever has to do it."""
        while self.up and self.node.has_ready():
            ready = self.node.ready(self.local_now())
            self.around.checker.saw_ready(self.node, ready)
            self.service.confirm(ready.read_states)
            self.service.drop(ready.reads_dropped)
            if self.dies_at(Failpoint.BEFORE_SEND):
                return
            for message in ready.messages:
                if message.to == LOCAL_APPEND:
                    self._appends.append((message, ready.must_sync))
                elif message.to == LOCAL_APPLY:
                    self._applies.append(message)
                else:
                    self.around.network.send((message,))
            self._write_next()
            self._apply_next()

    # --- the log writer ---------------------------------------------------------------------------------------

    def _write_next(self) -> None:
        if not self.up or self._writing or not self._appends or self.dies_at(Failpoint.BEFORE_WRITE):
            return
        self._writing = list(self._appends)
        self._appends.clear()
        for message, _ in self._writing:
            self.disk.write_log(message.snapshot, message.entries, message.hard_state)
        if not self.dies_at(Failpoint.BEFORE_SYNC):
            delay = self.sync_delay(any(must_sync for _, must_sync in self._writing))
            self.around.world.after(delay, self.in_this_life(self._synced))

    def _synced(self) -> None:
        done, self._writing = self._writing, []
        if any(must_sync for _, must_sync in done):
            self.disk.sync()
        if self.dies_at(Failpoint.AFTER_SYNC):
            return
        for message, _ in done:
            if message.snapshot is not None:
                self.install(message.snapshot)
            if not self._deliver(message.responses):
                return
        self.look()
        self._write_next()

    def _deliver(self, responses: tuple[Message, ...]) -> bool:
        for response in responses:
            if response.to == self.id:
                self.node.step(response, self.local_now())
                self.around.checker.saw_node(self.node)
            elif self.dies_at(Failpoint.BETWEEN_SENDS) or not self.vouch((response,)):
                return False
        return True

    # --- the state machine ------------------------------------------------------------------------------------

    def _apply_next(self) -> None:
        if self.up and self._applies and not self._applying:
            self._applying = True
            world, faults = self.around.world, self.around.plan.faults
            world.after(world.rng.random() * faults.apply_s_max, self.in_this_life(self._apply_one))

    def _apply_one(self) -> None:
        self._applying = False
        message = self._applies.popleft()
        if self.apply(message.entries) and self._deliver(message.responses):
            self.look()
            self._apply_next()
