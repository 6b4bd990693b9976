"""The harness is not installed; its tests find it beside them, as `tests.chaos.real_cluster`.

A failed test that has a cluster as its fixture reports the ends of all logs: the fixture itself does not hear of it.
"""

import sys
from pathlib import Path

# Its pytest plugin imports it anyway, when the run is over. By then threads and finalizers of stopped clusters run between
# the lines, and Python before 3.11.8 can fail to parse a module ("AST constructor recursion depth mismatch").
import hypothesis  # noqa: F401
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item):
    report = yield
    if report.when == "call" and report.failed and hasattr(cluster := item.funcargs.get("cluster"), "tails"):
        report.sections.append(("ends of all logs", cluster.tails()))
    return report
