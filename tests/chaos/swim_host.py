"""Several members of ours in one process, for tests that need many: `python swim_host.py '{"names": …}'`.

Each has an address of its own. What they see of whom is written to a file five times a second, and every change to
standard output as one JSON line, until the process is killed.
"""

import asyncio
import json
import random
import sys
from contextlib import AsyncExitStack
from pathlib import Path

import uvloop

from lictor_gossip.identity import CONSUL_VERSIONS
from lictor_gossip.swim_driver import SwimDriver
from lictor_swim import CONSUL_LAN, PROFILES, Endpoint, Framing, MemberEvent, SerfNode, address_bytes

TELL_EVERY_S = 0.2


def make(name, host, port, profile):
    """A driver that tells of every change."""

    def on_event(event):
        if isinstance(event, MemberEvent):
            seen = {"who": name, "name": event.member.name, "status": event.member.status.name.lower()}
            print(json.dumps(seen), flush=True)

    node = SerfNode(
        name=name,
        address=address_bytes(host),
        port=port,
        tags={"role": "node", "lictor": "1"},
        swim=PROFILES[profile],
        serf=CONSUL_LAN,
        framing=Framing(),
        dice=random.SystemRandom(),
        versions=CONSUL_VERSIONS,
    )
    return SwimDriver(
        node, Endpoint(host, port), stream_timeout_s=PROFILES[profile].stream_timeout_s, on_event=on_event
    )


async def main(told):
    """Run the members, and tell."""
    seeds = [Endpoint(host, told["port"]) for host in told["seeds"]]
    path = Path(told["state"])
    async with AsyncExitStack() as stack:
        drivers = {
            name: await stack.enter_async_context(make(name, host, told["port"], told["profile"]))
            for name, host in told["names"].items()
        }
        while not all(await asyncio.gather(*(one.join(seeds) for one in drivers.values()))):  # noqa: ASYNC110  others are started meanwhile
            await asyncio.sleep(TELL_EVERY_S)
        while True:
            state = {
                name: {one.name: one.status.name.lower() for one in driver.members()}
                for name, driver in drivers.items()
            }
            beside = path.with_suffix(".new")
            beside.write_text(json.dumps(state))
            beside.rename(path)
            await asyncio.sleep(TELL_EVERY_S)


if __name__ == "__main__":
    uvloop.run(main(json.loads(sys.argv[1])))
