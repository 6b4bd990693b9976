"""The suite as fixtures: shared by a module, or a test's own."""

import contextlib
import subprocess
import sys
from pathlib import Path

# As in tests/chaos: imported now, since its plugin would do it when the run is over.
import hypothesis  # noqa: F401
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from tests.running_suite import Suite, wait_until


@pytest.fixture(scope="module")
def suite(tmp_path_factory):
    """The whole suite with the demo mesh, shared by one module's tests."""
    running = Suite(tmp_path_factory.mktemp("lictor"))
    try:
        yield running.start()
    finally:
        running.stop()


@pytest.fixture(scope="session")
def suite_class():
    return Suite


@pytest.fixture
def own_suite(tmp_path):
    """Make suites that this test alone may break."""
    made = []

    def make(*options, demo=False):
        one = Suite(tmp_path / "data", *options, demo=demo)
        made.append(one)
        return one

    yield make
    for one in made:
        with contextlib.suppress(subprocess.TimeoutExpired):
            one.stop()


@pytest.fixture(name="wait_until")
def wait_until_fixture():
    return wait_until
