"""Saving and restoring the whole state under load, as the operator's endpoint does it: through the log, in chunks.

The archive is what a client's view holds at some moment; some archives claim a far higher index, as one of an older and
busier cluster would. Between saving and committing anything may happen, and a step whose outcome is unknown ends the
attempt. A restore takes back what was acknowledged after the archive was saved, which is its meaning, so the histories
of such runs are judged by index alone.
"""

import asyncio

import msgspec

from lictor_bus import ProposeError
from lictor_sim.members_client import ClientProcess
from lictor_state.commands import Command, RestoreAbort, RestoreBegin, RestoreChunk, RestoreCommit
from lictor_state.snapshot import dump_stream, read_header
from lictor_state.staging import CHUNK_BYTES_MAX, RestoreDigest

STEP_TIMEOUT_S = 3.0
LATER_S_MAX = 2.0
HIGHER = 5_000
"""How far above the present the index of an archive of another cluster is."""

_encoder = msgspec.msgpack.Encoder()


async def save_and_restore(client: ClientProcess, restore_id: str) -> bool:
    """Take an archive, and put it in place some time later; whether that was acknowledged."""
    parts = list(dump_stream(client.view.store, "all"))
    header, data = parts[0], b"".join(parts[1:])
    if client.dice.random() < 0.5:
        read = read_header(header)
        header = _encoder.encode(msgspec.structs.replace(read, index=read.index + HIGHER))
    digest = RestoreDigest(header)
    digest.add(data)
    await asyncio.sleep(client.dice.random() * LATER_S_MAX)
    chunk_bytes = client.dice.randint(CHUNK_BYTES_MAX // 8, CHUNK_BYTES_MAX)
    chunks = [data[at : at + chunk_bytes] for at in range(0, len(data), chunk_bytes)]
    steps: list[Command] = [RestoreBegin(restore_id, header)]
    steps += [RestoreChunk(restore_id, number, chunk) for number, chunk in enumerate(chunks)]
    steps.append(RestoreCommit(restore_id, digest.hex()))
    if client.dice.random() < 0.1:
        steps[-1] = RestoreAbort(restore_id)
    try:
        for step in steps:
            done = await client.proposer.propose(step, STEP_TIMEOUT_S)
            if done.result.error:
                return False
    except ProposeError:
        return False
    return isinstance(steps[-1], RestoreCommit)
