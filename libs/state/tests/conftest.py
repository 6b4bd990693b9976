"""A store with the next index at hand, and a view that follows it through bytes.

Puts this directory on the path too: importlib mode leaves a test's neighbours to the test.
"""

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from lictor_state import Applied, Change, Store, apply
from lictor_state.codec import decode_envelope, decode_group, encode_envelope, encode_group
from lictor_state.commands import CatalogRegister, CheckSpec, Command, Envelope, Result, ServiceSpec

sys.path.insert(0, str(Path(__file__).parent))


class History:
    """Applies commands to a store one after the other, each through its bytes."""

    def __init__(self) -> None:
        self.store = Store("cluster")
        self.applied: list[Applied] = []
        self.log: list[bytes] = []

    def do(self, command: Command, proposer: int = 0, number: int = 0, answered_below: int = 0) -> Result:
        entry = encode_envelope(Envelope(proposer, number, answered_below, command))
        self.log.append(entry)
        self.applied.append(apply(self.store, len(self.log), decode_envelope(entry)))
        return self.applied[-1].result

    @property
    def last(self) -> Applied:
        return self.applied[-1]

    def index(self, name: str) -> int:
        return self.store.index_of(name)

    def register(
        self, node: str = "n1", service: str = "", service_id: str = "", checks: Iterable[CheckSpec] = (), **more: Any
    ) -> Result:
        spec = ServiceSpec(service_id or service, service, **more) if service else None
        return self.do(CatalogRegister(node, "10.0.0.1", "dc1", service=spec, checks=tuple(checks)))


class Follower:
    """A view fed with the encoded groups of one store."""

    def __init__(self) -> None:
        self.store = Store("cluster")

    def follow(self, applied: Applied, changes: tuple[Change, ...] | None = None) -> None:
        if applied.changes:
            self.store.load(*decode_group(encode_group(applied.index, applied.changes if changes is None else changes)))


@pytest.fixture
def state() -> History:
    return History()


@pytest.fixture
def new_history() -> type[History]:
    return History


@pytest.fixture
def follower() -> Follower:
    return Follower()
