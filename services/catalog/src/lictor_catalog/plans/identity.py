"""For whom the reads of this process speak, and what a plan is made of."""

from collections.abc import Callable

import msgspec

from lictor_catalog.blocking_query import Plan
from lictor_catalog.request import Params


class Identity(msgspec.Struct, frozen=True):
    """For whom this process speaks."""

    node: str
    datacenter: str
    version: str
    allow_by_default: bool = True
    domain: str = "consul"


PlanOf = Callable[[str, Params, Identity], Plan]
"""Takes what follows the route in the path, the parameters, and for whom we speak."""
