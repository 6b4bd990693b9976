"""How bad the world is, in general and for one seed.

A seed switches on some kinds of faults and leaves others out (swarm testing: Groce and others, 2012): a world in which
everything happens at once hides what needs two faults and some quiet. `Plan.of` is the only place where a seed decides.
"""

from dataclasses import dataclass
from random import Random

LEASE_RATES = (0.9, 1.1)
"""Clock rates where leases are read: the fastest runs 1.22 times the slowest; the lease allows for a quarter more."""
WILD_RATES = (0.5, 2.0)
"""Clock rates where every read asks a quorum: time may then be anything."""

ACTIONS = (
    "crash",
    "bounce",
    "rolling_restart",
    "fuse",
    "power_loss",
    "pause",
    "jump",
    "drift",
    "cut_off",
    "one_way",
    "one_link",
    "bridge",
    "neighbours",
    "majorities",
    "unreachable",
)
"""What the nemesis can do; see `nemesis`."""
ORDERS = ("transfer", "compact", "change_conf")
"""What an operator may ask for meanwhile."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Faults:
    """How bad the world is; times in virtual seconds."""

    loss: float = 0.02
    repetition: float = 0.02
    delay_s_max: float = 0.02
    long_delay: float = 0.01
    long_delay_s_max: float = 1.0
    sync_s_max: float = 0.01
    slow_sync: float = 0.01
    slow_sync_s_max: float = 0.5
    apply_s_max: float = 0.002
    strike_gap_s: float = 0.1
    quiet_s: float = 0.2
    orders_every_s: float = 0.3


CALM = Faults(loss=0, repetition=0, long_delay=0, slow_sync=0, quiet_s=1e9, orders_every_s=1e9)
"""A world in which nothing goes wrong."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What kind of world one seed makes."""

    size: int = 3
    """Founding voters."""
    spares: int = 2
    """Members that may be added."""
    lease: bool = True
    """Whether leaders may answer reads by a lease; then voters keep silent after a start, and clocks are bounded."""
    clock_rates: tuple[float, float] = LEASE_RATES
    asynchronous: bool = False
    """Whether the core's writes and applies are messages, several in flight."""
    faults: Faults = Faults()
    actions: tuple[str, ...] = ACTIONS
    orders: tuple[str, ...] = ORDERS
    clients: int = 10
    fill_s_max: float = 0.06
    """The longest time between two batches of commands without effect; where little is written nobody lags behind."""
    core_only: bool = False
    """Whether at the end only a quorum is healed, instead of everything."""

    @classmethod
    def of(cls, seed: int) -> "Plan":
        """The plan of a seed: sizes in turn, the rest by dice."""
        rng = Random(f"plan {seed}")
        lease = rng.random() < 0.6
        return cls(
            size=(3, 5, 3, 5, 7)[seed % 5],
            lease=lease,
            clock_rates=LEASE_RATES if lease else WILD_RATES,
            asynchronous=rng.random() < 0.5,
            faults=Faults(
                loss=rng.choice((0.0, 0.02, 0.1)),
                repetition=rng.choice((0.0, 0.02, 0.2)),
                delay_s_max=rng.choice((0.02, 0.02, 0.08)),
                long_delay=rng.choice((0.0, 0.01, 0.05)),
                slow_sync=rng.choice((0.0, 0.01, 0.05)),
                strike_gap_s=rng.choice((0.02, 0.1, 0.2)),
                quiet_s=rng.choice((0.1, 0.2, 0.4)),
            ),
            actions=tuple(action for action in ACTIONS if rng.random() < 0.6),
            orders=tuple(order for order in ORDERS if rng.random() < 0.6),
            clients=rng.choice((2, 10, 10)),
            fill_s_max=rng.choice((0.06, 0.06, 1.0)),
            core_only=rng.random() < 0.4,
        )
