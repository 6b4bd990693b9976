"""Which cluster a member comes to belong to: founded by the expected number, joined by whoever comes later."""

import asyncio
import random

from lictor_bus import FakeBus, Hub
from lictor_raft_store.disk import RealDisk
from lictor_raft_store.membership import find_membership
from lictor_raft_store.slots import claim_slot
from lictor_raft_store.surroundings import boottime


class Volume:
    """Slots of one volume, and what their members came to."""

    def __init__(self, folder):
        self.folder, self.hub = str(folder), Hub()

    def slot(self):
        return claim_slot(RealDisk(), self.folder, random.getrandbits)

    async def find(self, slot, expect=3):
        async with asyncio.timeout(20):
            return await find_membership(FakeBus(self.hub), slot, expect, boottime, lambda _waiting: None)


def test_five_fresh_members_with_three_expected_found_one_cluster_and_two_join_it(tmp_path):
    async def story():
        volume = Volume(tmp_path)
        slots = [volume.slot() for _ in range(5)]
        found = await asyncio.gather(*(volume.find(slot) for slot in slots))
        assert len({one.cluster for one in found}) == 1
        founders = {one.founders.voters for one in found if one.founders.voters}
        assert [len(one) for one in founders] == [3]
        assert sum(not one.founders.voters for one in found) == 2

    asyncio.run(story())


def test_a_member_that_knows_its_cluster_vetoes_before_its_log_is_read(tmp_path):
    async def story():
        volume = Volume(tmp_path)
        old = volume.slot()
        old.write_cluster(b"the-first")
        assert (await volume.find(old)).cluster == "the-first"
        late = await asyncio.gather(*(volume.find(volume.slot()) for _ in range(3)))
        assert {one.cluster for one in late} == {"the-first"}

    asyncio.run(story())


def test_a_promise_that_came_to_nothing_is_set_aside_with_its_member_id(tmp_path):
    async def story():
        volume = Volume(tmp_path)
        slots = [volume.slot() for _ in range(3)]
        promised = await asyncio.gather(*(volume.find(slot) for slot in slots))
        before = slots[0].member_id
        assert promised[0].founders.voters
        other = Volume(tmp_path / "other")
        keeper = other.slot()
        keeper.write_cluster(b"elsewhere")
        await other.find(keeper)
        membership = await other.find(slots[0])  # its slot names no cluster yet, only the promise
        assert (membership.cluster, membership.founders.voters) == ("elsewhere", ())
        assert slots[0].member_id != before

    asyncio.run(story())
