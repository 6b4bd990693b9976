"""A member's end of the direct lane: where it listens, whom it announces it to, whose addresses it learns."""

from collections.abc import Callable

from lictor_bus import Bus, DirectLane, NatsLane, Presence
from lictor_bus.presence import ANNOUNCE_EVERY_S

ECHO_FRESH_S = 2 * ANNOUNCE_EVERY_S
"""A member that has not heard its own announcement for two rounds says that its NATS does not work."""


async def open_direct(
    bus: Bus,
    presence: Presence,
    cluster: str,
    member_id: int,
    *,
    bind: str,
    port: int,
    advertise: str,
    clock: Callable[[], float],
) -> DirectLane:
    """Listen, announce the address with this member's presence, and learn the others'; the caller spawns `run()`.

    Raises:
        OSError: the address cannot be bound.
    """
    lane = DirectLane(
        NatsLane(bus, lambda: cluster, member_id),
        lambda: cluster,
        presence.instance,
        clock,
        member_id=member_id,
        bus_works=lambda: bus.connected and presence.echo_age_s() < ECHO_FRESH_S,
    )
    bound = await lane.listen(bind, port)

    def learn() -> None:
        """Who is not present any more keeps its address: NATS may be what is gone."""
        present = presence.present("raft-store")
        lane.learn({int(one.record.get("member", 0)): str(one.record.get("direct", "")) for one in present})

    presence.listen(learn)
    learn()
    presence.update({**presence.record, "direct": f"{advertise}:{bound}"})
    return lane
