"""The harness is not installed; its tests find it beside them, as `tests.chaos.real_cluster`."""

import sys
from pathlib import Path

# Its pytest plugin imports it anyway, when the run is over. By then threads and finalizers of stopped clusters run between
# the lines, and Python before 3.11.8 can fail to parse a module ("AST constructor recursion depth mismatch").
import hypothesis  # noqa: F401

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
