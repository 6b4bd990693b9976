"""`python -m benchmarks.gossip`: the gossip's own rows. They count CPU, so that a busy machine changes them little."""

import argparse
from collections.abc import Sequence
from typing import NamedTuple

from benchmarks.gossip import datagrams, member, sockets
from benchmarks.gossip.datagrams import FRAMINGS, Exchange, Rate
from benchmarks.gossip.member import Cost
from benchmarks.gossip.sockets import Answered


class Found(NamedTuple):
    """Everything that was measured."""

    rates: list[Rate]
    exchanges: list[Exchange]
    costs: list[Cost]
    answered: Answered | None


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gossip", description=__doc__)
    parser.add_argument("--packets", type=int, default=20_000, help="packets for each rate (default 20000)")
    parser.add_argument("--sizes", type=int, nargs="+", default=[1000, 5000], help="members (default 1000 5000)")
    parser.add_argument("--seconds", type=float, default=600.0, help="virtual seconds of a member (default 600)")
    parser.add_argument("--socket-seconds", type=float, default=3.0, help="seconds over real sockets; 0: none")
    given = parser.parse_args(arguments)
    sizes = tuple(given.sizes)
    found = Found(
        datagrams.rates(given.packets),
        datagrams.exchanges(sizes, 5),
        [
            member.cost(size, changes_s, given.seconds, framing)
            for size in sizes
            for changes_s in (0.0, 1.0)
            for framing in [FRAMINGS["encrypted"]]
        ],
        sockets.run(given.socket_seconds) if given.socket_seconds else None,
    )
    print("\n".join(table(found)))


def table(found: Found) -> list[str]:
    """The lines to print."""
    lines = ["| datagram | framing | handled in a second of CPU |", "|---|---|---:|"]
    lines += [f"| {one.what} | {one.framing} | {one.per_second:,.0f} |" for one in found.rates]
    lines += [
        "",
        "| exchange of state, members | framing | KiB | the loop stands still for, ms |",
        "|---:|---|---:|---:|",
    ]
    lines += [f"| {one.members:,} | {one.framing} | {one.kib:,} | {one.milliseconds:.1f} |" for one in found.exchanges]
    lines += [
        "",
        "| members, encrypted | changes/s in the pool | CPU of one, % of a processor | packets/s sent | bytes/s sent |",
        "|---:|---:|---:|---:|---:|",
    ]
    lines += [
        f"| {one.members:,} | {one.changes_s:.0f} | {one.cpu_percent:.2f} | {one.packets_s:.1f} | {one.bytes_s:,.0f} |"
        for one in found.costs
    ]
    if found.answered is not None:
        answered = found.answered
        rate = f"{answered.per_second:,.0f} probes answered in a second, {answered.cpu_us:.0f} µs of CPU each"
        lines += ["", f"over real sockets: {rate}, {answered.lost} lost"]
    return lines


if __name__ == "__main__":
    main()
