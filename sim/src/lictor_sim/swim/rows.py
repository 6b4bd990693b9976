"""What goes wrong in the field, row by row: in none of them may a healthy member be declared dead.

Blocked packets, one member with a bad link, a crash, members short of CPU. Each row says what it saw.
"""

from collections import Counter
from statistics import median

from msgspec import Struct
from msgspec.structs import replace

from lictor_sim.swim.pool import SwimPool
from lictor_swim import FAST, LAN, SwimConfig

SETTLE_S = 5.0
FAULT_S = 120.0
AFTER_S = 60.0
ONE_WAY_LOSS = 0.4
BUSY_CYCLE_S = 0.5
WATCH_S = 30.0
"""How long a crash is watched: beyond the longest suspicion in a pool of 20."""


class Row(Struct, frozen=True):
    """One row's outcome: `passed`, and what was seen."""

    name: str
    fault: str
    passed: bool
    seen: str


def _evicted(pool: SwimPool) -> set[int]:
    """Who was declared dead by someone although it lives."""
    return {seen.subject for seen in pool.deaths} - pool.dead


def packets_blocked(seed: int, *, config: SwimConfig = LAN) -> Row:
    """All packets are blocked and streams work: nobody is evicted, and the members say so."""
    pool = SwimPool(23, seed, config=config)
    pool.run_until(SETTLE_S)
    pool.no_packets = set(range(23))
    pool.run_until(SETTLE_S + FAULT_S)
    told = len(pool.blocked)
    evicted = _evicted(pool)
    seen = f"{len(evicted)} evicted, {len(pool.suspicions)} suspicions, {told} of 23 named as reached by stream only"
    return Row("N6", "packets blocked, streams fine, 23 members", not evicted and told == 23, seen)


def bad_link(seed: int, *, streams: bool, config: SwimConfig = LAN) -> Row:
    """One of 30 loses 40 % of what comes in: nobody is evicted, and the stories name the accuser."""
    pool = SwimPool(30, seed, config=replace(config, stream_ping=streams))
    pool.run_until(SETTLE_S)
    bad = seed % 30
    pool.lost_in = {bad: ONE_WAY_LOSS}
    worst = 0
    while pool.now < SETTLE_S + FAULT_S:
        pool.run_until(pool.now + 1.0)
        worst = max(worst, pool.members[bad].health_score)
    pool.lost_in = {}
    pool.run_until(pool.now + AFTER_S)
    accusers = Counter([seen.accuser for seen in pool.suspicions if seen.subject != bad])
    named = not accusers or accusers.most_common(1)[0][0] == f"m{bad}"
    evicted = _evicted(pool)
    accusations = len({(seen.subject, seen.accuser) for seen in pool.suspicions})
    who = "" if not accusers else ", most of them its own" if named else ", most of them by another"
    seen = f"{len(evicted)} evicted, {accusations} accusations{who}; its own health score rose to {worst}"
    how = "" if streams else ", no streams either"
    return Row("N9", f"one of 30 loses 40 % of what comes in{how}", not evicted and named, seen)


def crashed(seed: int, runs: int, *, config: SwimConfig, size: int, profile: str, median_s: float) -> Row:
    """One member is killed: at the median everybody knows in time, in the end all do, and nobody else flips.

    The worst case belongs to the protocol: a suspicion that only one other member confirms lasts two to three times as
    long as one that two confirm.
    """
    times = []
    flipped: set[int] = set()
    for run in range(runs):
        pool = SwimPool(size, seed + run, config=config)
        pool.run_until(SETTLE_S + run * 0.37)
        at, victim = pool.now, (seed + run) % size
        pool.kill(victim)
        pool.run_until(at + WATCH_S)
        knew = [seen.at - at for seen in pool.deaths if seen.subject == victim]
        times.append(max(knew) if len(knew) == size - 1 else float("inf"))
        flipped |= _evicted(pool)
    seen = (
        f"known to all after {median(times):.1f} s at the median, {min(times):.1f} to {max(times):.1f} s "
        f"in {runs} runs; {len(flipped)} others flipped"
    )
    passed = not flipped and median(times) <= median_s and max(times) < WATCH_S
    return Row("P5", f"one of {size} killed, profile {profile}", passed, seen)


def starved(seed: int, *, size: int, count: int, config: SwimConfig = LAN) -> Row:
    """Some members get a tenth of a CPU: their own health score rises, and nobody else is evicted."""
    pool = SwimPool(size, seed, config=config)
    pool.run_until(SETTLE_S)
    slow = set(range(count))
    pool.starved = slow
    worst = [0] * count
    while pool.now < SETTLE_S + FAULT_S:
        pool.run_until(pool.now + 1.0)
        worst = [max(before, pool.members[index].health_score) for index, before in enumerate(worst)]
    pool.starved = set()
    pool.run_until(pool.now + AFTER_S)
    others = _evicted(pool) - slow
    themselves = _evicted(pool) & slow
    accusers = Counter([seen.accuser for seen in pool.suspicions if seen.subject not in slow])
    named = sum(count for name, count in accusers.items() if int(name[1:]) in slow)
    seen = (
        f"{len(others)} others evicted, {len(themselves)} of the starved; their health scores rose to {min(worst)} to "
        f"{max(worst)}; of {accusers.total()} suspicions of healthy members {named} began with them"
    )
    return Row("P7", f"{count} of {size} run for 0.2 s in every 2 s", not others and min(worst) > 0, seen)


def busy(seed: int, *, size: int, config: SwimConfig, profile: str) -> Row:
    """All members share busy processors and stand still half of the time: nobody is evicted at all."""
    pool = SwimPool(size, seed, config=config)
    pool.stall_cycle_s, pool.run_share = BUSY_CYCLE_S, 0.5
    pool.run_until(SETTLE_S)
    pool.starved = set(range(size))
    pool.run_until(SETTLE_S + FAULT_S)
    evicted = _evicted(pool)
    worst = max(member.health_score for member in pool.members)
    seen = f"{len(evicted)} evicted; health scores at the end up to {worst}"
    stall_ms = BUSY_CYCLE_S * 500
    return Row(
        "P7", f"{size} of {size} stand still half of the time, {stall_ms:.0f} ms at once, {profile}", not evicted, seen
    )


def all_rows(seed: int) -> list[Row]:
    """Every row."""
    return [
        packets_blocked(seed),
        bad_link(seed, streams=True),
        bad_link(seed, streams=False),
        crashed(seed, 20, config=LAN, size=20, profile="LAN", median_s=8.0),
        crashed(seed, 20, config=FAST, size=8, profile="FAST", median_s=2.0),
        starved(seed, size=50, count=5),
        busy(seed, size=8, config=FAST, profile="profile FAST"),
    ]
