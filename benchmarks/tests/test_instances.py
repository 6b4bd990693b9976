"""What an instance takes: the bound that the state is held to, on a smaller state."""

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import instances

BYTES_MAX = 1_250
"""1.2 KB at 100,000 instances; a fifth of them pays a little more each for tables that are made with room to grow."""


@pytest.mark.parametrize("shape", instances.SHAPES)
def test_an_instance_with_a_check_stays_within_its_memory(shape: str) -> None:
    command = [sys.executable, "-m", "benchmarks.instances", "--shape", shape, "--instances", "20000"]
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=root)
    assert 0 < int(done.stdout) <= BYTES_MAX
