"""What a process tells about its contact."""

from lictor_bus.contact import tell_contact
from lictor_bus.frames import Beacon, encode


def test_a_lost_leader_a_lost_bus_and_a_second_cluster_are_told_and_taken_back(in_world, until):
    async def story(world):
        notes: dict[str, str] = {}
        view = await world.view()

        def told():
            tell_contact(notes.__setitem__, world.bus, view, "nothing can be proposed")
            return {name for name, text in notes.items() if text}

        assert told() == set()
        world.tracker.heard_at -= 10
        assert told() == {"leader"}
        assert notes["leader"] == "not heard for 10 s, nothing can be proposed"
        await world.store.beacon()
        await until(lambda: told() == set())
        world.bus.connected = False
        assert told() == {"bus"}
        world.bus.connected = True
        await world.bus.publish("store.other.beacon", encode(Beacon("other", 1, 9, 5, 1, {}, ())))
        await until(lambda: told() == {"clusters"})

    in_world(story)
