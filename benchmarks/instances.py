"""`python -m benchmarks.instances`: what one service instance with one check takes of a view's memory.

A store is filled the way the change feed fills a view, in a process of its own for each shape; the resident memory that
it grew by is divided by the instances. Nodes (one for a hundred instances) are included. Nothing here serves a request.
"""

import argparse
import gc
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from lictor_state import Store
from lictor_state.codec import decode_group, encode_group
from lictor_state.rows import Change, CheckDefinition, CheckRow, NodeRow, ServiceRow, Table, TaggedAddress

INSTANCES = 100_000
SERVICES = 1_000
PER_NODE = 100
SHAPES = {
    "plain": "definitions repeat",
    "tagged": "four tagged addresses, as an agent makes them",
    "url": "a check URL of its own",
}


def changes(shape: str, number: int, index: int) -> list[Change]:
    """What the registration of one instance writes."""
    node, name = f"node-{number // PER_NODE}", f"service-{number % SERVICES}"
    service_id, port = f"{name}-{number}", 20_000 + number % 10_000
    address = f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"
    own = TaggedAddress(address, port)
    service = ServiceRow(
        node,
        service_id,
        name,
        tags=("v1", "primary"),
        address=address,
        port=port,
        tagged_addresses=dict.fromkeys(("lan", "lan_ipv4", "wan", "wan_ipv4"), own) if shape == "tagged" else {},
        agent=True,
        create_index=index,
        modify_index=index,
    )
    url = f"http://{address}:{port}/health" if shape == "url" else "http://127.0.0.1/health"
    check = CheckRow(
        node,
        f"service:{service_id}",
        f"Service '{name}' check",
        "passing",
        service_id=service_id,
        service_name=name,
        service_tags=("v1", "primary"),
        type="http",
        interval="10s",
        timeout="1s",
        definition=CheckDefinition(http=url, interval_ns=10**10, timeout_ns=10**9),
        agent=True,
        definition_index=index,
        create_index=index,
        modify_index=index,
    )
    made = [Change(Table.SERVICES, (node, service_id), service), Change(Table.CHECKS, (node, check.check_id), check)]
    if number % PER_NODE == 0:
        row = NodeRow(node, "", address, "dc1", create_index=index, modify_index=index)
        made.insert(0, Change(Table.NODES, (node,), row))
    return made


def resident_bytes() -> int:
    """Resident memory of this process (proc(5), statm)."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def measure(shape: str, instances: int) -> float:
    """Bytes for each instance of a view that has just been filled."""
    store = Store("", keeps_digest=False)
    gc.collect()
    before = resident_bytes()
    for number in range(instances):
        store.load(*decode_group(encode_group(number + 1, changes(shape, number, number + 1))))
    gc.collect()
    return (resident_bytes() - before) / instances


def main(arguments: Sequence[str]) -> int:
    """Measure every shape and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.instances", description=__doc__)
    parser.add_argument("--instances", type=int, default=INSTANCES)
    parser.add_argument("--shape", choices=SHAPES, help="print one shape's number alone, measured in this process")
    given = parser.parse_args(arguments)
    if given.shape:
        print(round(measure(given.shape, given.instances)))
        return 0
    print(f"| {given.instances:,} instances with one check each | bytes each |\n|---|---:|")
    for shape, meaning in SHAPES.items():
        command = [sys.executable, "-m", "benchmarks.instances", "--shape", shape, "--instances", str(given.instances)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        print(f"| {meaning} | {int(done.stdout):,} |")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
