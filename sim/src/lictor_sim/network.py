"""A network that loses, repeats, delays and reorders messages, and whose links break in one direction or both.

A message takes its own time, so messages overtake each other all the while. A quorum core can be made sound for good
(`protect`): that is the part of the world that a liveness claim is about.
"""

from collections.abc import Callable, Iterable
from functools import partial

from lictor_raft import Message, MessageKind
from lictor_sim.faults import Faults
from lictor_sim.partitions import Links
from lictor_sim.world import World

SNAPSHOT_REPORT_S_MAX = 0.2
"""How long the sender of a snapshot may take to notice that the transfer is over."""


class Network:
    """What carries messages between members.

    Args:
        world: time and chance.
        faults: how bad it is.
        deliver: takes a message that arrives.
        report_snapshot: tells the sender of a snapshot whether it arrived: (message, arrived).
    """

    def __init__(
        self,
        world: World,
        faults: Faults,
        deliver: Callable[[Message], None],
        report_snapshot: Callable[[Message, bool], None],
    ) -> None:
        self.cut: Links = set()
        self.calm = False
        self.carried = 0
        self._world = world
        self._faults = faults
        self._deliver = deliver
        self._report_snapshot = report_snapshot
        self._sound: frozenset[int] = frozenset()

    def protect(self, members: Iterable[int]) -> None:
        """From now on everything between these members arrives in time."""
        self._sound = frozenset(members)

    def is_sound(self, one: int, other: int) -> bool:
        """Whether the link between these two is perfect."""
        return self.calm or (one in self._sound and other in self._sound)

    def send(self, messages: Iterable[Message]) -> None:
        """Take messages from their senders."""
        faults, world = self._faults, self._world
        for message in messages:
            self.carried += 1
            copies, delay_s_max = 1, faults.delay_s_max
            if not self.is_sound(message.from_, message.to):
                copies = (not world.chance(faults.loss)) + world.chance(faults.repetition)
                if world.chance(faults.long_delay):
                    delay_s_max = faults.long_delay_s_max
            for _ in range(copies):
                world.after(world.rng.random() * delay_s_max, partial(self._arrive, message))
            if message.kind is MessageKind.SNAPSHOT:
                delay = world.rng.random() * SNAPSHOT_REPORT_S_MAX
                world.after(delay, partial(self._report_snapshot, message, copies > 0))

    def _arrive(self, message: Message) -> None:
        link = (message.from_, message.to)
        if link not in self.cut or self.is_sound(*link):
            self._deliver(message)
