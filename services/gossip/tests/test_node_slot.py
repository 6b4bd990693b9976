"""Slots: one process a slot, ids made once, names by slot."""

import os
import subprocess
import sys

import pytest

from lictor_gossip.node_slot import NoFreeSlotError, claim

HOLD = """
import sys, pathlib
from lictor_gossip.node_slot import claim
print(claim(pathlib.Path(sys.argv[1]), 3, "node-1").node, flush=True)
sys.stdin.read()
"""


def test_a_node_keeps_its_id_over_restarts(tmp_path):
    first = claim(tmp_path, 1, "web-7")
    os.close(first.lock)
    second = claim(tmp_path, 1, "web-7")
    assert (second.node, second.node_id) == ("web-7", first.node_id)
    os.close(second.lock)


def test_processes_on_one_volume_take_slots_of_their_own(tmp_path):
    holders = []
    try:
        for expected in ("node-1", "node-2"):
            holder = subprocess.Popen(
                [sys.executable, "-c", HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
            )
            holders.append(holder)
            assert holder.stdout is not None
            assert holder.stdout.readline().strip() == expected
        holders[0].kill()
        holders[0].wait()
        freed = claim(tmp_path, 3, "node-1")
        assert freed.number == 1
        with pytest.raises(NoFreeSlotError, match="LICTOR_GOSSIP_SLOTS"):
            claim(tmp_path, 2, "node-1")
        os.close(freed.lock)
    finally:
        for holder in holders:
            holder.kill()
            holder.communicate()
