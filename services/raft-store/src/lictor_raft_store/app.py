"""Runs one raft-store member as a process: its slot first, then one life after the other in it (see `life`)."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable

import structlog

from lictor_kit.service import Context
from lictor_raft_store.disk import RealDisk
from lictor_raft_store.life import Lives
from lictor_raft_store.settings import RaftStoreSettings
from lictor_raft_store.slots import SLOTS_MAX, NoFreeSlot, Slot, claim_slot

SLOT_RETRY_S = 0.5

log = structlog.get_logger()


async def build(context: Context, settings: RaftStoreSettings) -> None:
    """Take a slot and live in it."""
    disk = RealDisk()
    slot = await _claim(context, disk, settings)
    context.on_stop(_release(slot))
    lives = Lives(context, disk, slot, settings)
    context.on_stop(lives.stop)
    lives.start()


async def _claim(context: Context, disk: RealDisk, settings: RaftStoreSettings) -> Slot:
    slots = settings.raft_store_slots or SLOTS_MAX
    while True:
        try:
            slot = claim_slot(disk, str(settings.data_dir), secrets.randbits, slots=slots)
        except NoFreeSlot as error:
            context.readiness.set("slot", ok=False, reason=str(error))
            await asyncio.sleep(SLOT_RETRY_S)
        else:
            context.readiness.set("slot", ok=True)
            log.info("slot claimed", slot=slot.number, member=f"{slot.member_id:x}")
            return slot


def _release(slot: Slot) -> Callable[[], Awaitable[None]]:
    async def release() -> None:
        slot.release()

    return release
