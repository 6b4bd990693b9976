"""Stores as processes of their own on small file systems that run full, while clients work through catalogs."""

import http.client
import time
from urllib.parse import urlsplit

import pytest

from tests.chaos import small_volumes
from tests.chaos.histories import ANSWER_S, Clients, at_work
from tests.chaos.real_cluster import RealCluster, get, wait_until
from tests.chaos.small_volumes import fill, make_room, mounted

pytestmark = [
    pytest.mark.chaos,
    pytest.mark.skipif(bool(small_volumes.missing()), reason=small_volumes.missing()),
]

STORES = ("raft-store-1", "raft-store-2", "raft-store-3")
VOLUME_MIB = 24
SMALL = {"LICTOR_RAFT_STORE_SEGMENT_MIB": "1", "LICTOR_RAFT_STORE_SNAPSHOT_ENTRIES": "200"}
SMALL |= {"LICTOR_RAFT_STORE_TRAILING_ENTRIES": "50"}
REFUSED = "No space left"
BIG = bytes(60_000)
BIGS = 200
"""Big values that are written at most: twelve segments, of which a full disk can take two."""
BIGS_S = 60.0
"""They take two seconds; a cluster in which each waits for its timeout would hide for half an hour what is wrong."""


@pytest.fixture(params=small_volumes.KINDS)
def cluster(request, tmp_path):
    folders = [tmp_path / name for name in STORES]
    with mounted(request.param, folders, tmp_path, VOLUME_MIB) as reason:
        if reason:
            pytest.skip(reason)
        with RealCluster(tmp_path, stores=3, catalogs=2, settings=SMALL) as running:
            running.start()
            running.leader()
            yield running


def put_big(cluster, number):
    """Write a big value; status and text of the answer. Few keys, so that the state stays small."""
    connection = http.client.HTTPConnection(urlsplit(cluster.http()).netloc, timeout=ANSWER_S)
    try:
        connection.request("PUT", f"/v1/kv/big/{number % 10}", BIG)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def put_bigs(cluster):
    """Write until a write is refused for lack of space; the answer's text, empty if none was."""
    limit = time.monotonic() + BIGS_S
    for number in range(BIGS):
        status, text = put_big(cluster, number)
        assert time.monotonic() < limit, f"{number} of {BIGS} writes in {BIGS_S} s, the last answered {status} {text!r}"
        if status == 500 and REFUSED in text:
            return text
    return ""


def all_run(cluster):
    for program in cluster.programs.values():
        assert program.pid, f"{program.name} ended by itself\n{program.tail()}"


def test_full_disks_of_one_member_of_the_leader_and_of_all_end_nothing_and_heal_by_themselves(cluster):
    with Clients([cluster.http(1), cluster.http(2)], seed=41) as clients:
        at_work(1.0)
        leader = cluster.leader()
        follower = next(name for name in STORES if name != leader)
        fill(cluster.folder / follower)
        assert put_bigs(cluster) == "", "a follower's full disk is nobody else's matter"
        clients.go_on()
        make_room(cluster.folder / follower)

        leader = cluster.leader()
        fill(cluster.folder / leader)
        put_bigs(cluster)
        wait_until(lambda: cluster.find_leader() not in ("", leader), 15.0, "leadership moves to a member with room")
        clients.go_on()
        assert put_big(cluster, 0)[0] == 200
        make_room(cluster.folder / leader)
        at_work(3.0)

        for name in STORES:
            fill(cluster.folder / name)
        text = put_bigs(cluster)
        assert text, "full disks everywhere, and writes are taken"
        assert get(f"{cluster.http(1)}/v1/kv/big/0?consistent") is not None, "reads go on"
        at_work(2.0)
        all_run(cluster)
        for name in STORES:
            make_room(cluster.folder / name)
        wait_until(lambda: put_big(cluster, 0)[0] == 200, 15.0, "writes resume by themselves")
        clients.go_on()
    clients.judge()
    all_run(cluster)
    print(f"full: longest gap {clients.longest_gap_s():.2f} s, {clients.writes()} writes, refused {text!r}")
