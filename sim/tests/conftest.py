"""Puts this directory on the path: importlib mode leaves a test's neighbours to the test."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
