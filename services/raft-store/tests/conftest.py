"""Puts this directory on the path: importlib mode leaves a test's neighbours to the test. Members end with their test."""

import gc
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(autouse=True)
def _freeze_ends_with_the_member() -> Iterator[None]:
    """Members freeze what they load for as long as their process lives; this one outlives hundreds of them."""
    yield
    gc.unfreeze()
