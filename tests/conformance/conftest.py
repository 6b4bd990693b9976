"""Both sides whole and real, for the session: a Consul agent, and our suite as `lictor dev` starts it."""

import sys
from pathlib import Path

# As in tests/chaos: imported now, since its plugin would do it when the run is over.
import hypothesis  # noqa: F401
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from tests.conformance import families
from tests.conformance.both_sides import Pair, Side
from tests.conformance.real_consul import BINARY, MISSING, RealConsul
from tests.running_suite import Suite


def pytest_terminal_summary(terminalreporter):
    """How much is compared, under the results."""
    terminalreporter.write_line(families.counted())


@pytest.fixture(scope="session")
def running(tmp_path_factory):
    """The two base addresses: Consul's, and ours."""
    if not BINARY:
        pytest.skip(MISSING)
    consul = RealConsul()
    suite = Suite(tmp_path_factory.mktemp("lictor"), "--servers", "1", demo=False)
    try:
        suite.start()
        yield consul.wait().http, suite.http
    finally:
        consul.stop()
        suite.stop()


@pytest.fixture
def pair(running):
    """Both sides without what an earlier table left."""
    with Side("consul", running[0]) as theirs, Side("lictor", running[1]) as ours:
        both = Pair(theirs, ours)
        both.clean()
        yield both
