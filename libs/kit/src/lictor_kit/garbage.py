"""Taking a process's long-lived objects out of the garbage collector's rounds.

A view or a store is millions of small objects. Rows are structs that the collector does not follow, and what a request
leaves behind is freed without it, so its rounds find next to nothing; a full one would walk every table while requests
and heartbeats wait. What is frozen is still freed when nobody refers to it any more; only cycles among it are kept.
"""

import gc

GARBAGE_THRESHOLD = 20_000
"""Objects made and not yet freed that start a collection: requests in flight hold fewer; Python's own is 700."""

OLDER_ROUNDS = 20
"""Collections of one generation before the next older one is looked at; Python's own is 10."""


def spare_the_collector() -> None:
    """Collect once, leave everything that lives now alone from here on, and look for new garbage less often."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(GARBAGE_THRESHOLD, OLDER_ROUNDS, OLDER_ROUNDS)


def give_back() -> None:
    """What was left alone is being replaced: let the collector see it again."""
    gc.unfreeze()
