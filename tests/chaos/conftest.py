"""The harness is not installed; its tests find it beside them, as `tests.chaos.real_cluster`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
