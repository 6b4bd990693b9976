"""One suite for the session, and the programs of others that are tried against it."""

import sys
from pathlib import Path

# As in tests/chaos: imported now, since its plugin would do it when the run is over.
import hypothesis  # noqa: F401
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from tests.running_suite import Suite, wait_until


@pytest.fixture(scope="session")
def suite(tmp_path_factory):
    """The whole suite without the demo: three stores, as by default."""
    running = Suite(tmp_path_factory.mktemp("lictor"), demo=False)
    try:
        yield running.start()
    finally:
        running.stop()


@pytest.fixture(name="wait_until")
def wait_until_fixture():
    return wait_until
