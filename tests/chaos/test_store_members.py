"""Members come, go for good and move while clients work: autopilot keeps a store of voters that writes go on with."""

import json
import shutil

import pytest

from tests.chaos.histories import Clients, at_work
from tests.chaos.real_cluster import RealCluster, get, wait_until

pytestmark = pytest.mark.chaos

DEAD_AFTER_S = 8
"""A member that is away for a restart here is away for 3 s."""

CHANGED_S = 45.0
"""Silence, stability for 10 s, a change, on a busy machine."""

AUTOPILOT = {"LICTOR_RAFT_STORE_DEAD_AFTER_S": str(DEAD_AFTER_S)}


def clients_of(cluster, seed):
    return Clients([cluster.http(one) for one in (1, 2)], seed=seed)


def store(cluster, catalog=1):
    """The store as a catalog sees it."""
    return json.loads(get(f"{cluster.http(catalog)}/v1/internal/store") or "{}")


def configuration(cluster):
    """The members that the leader's beacons name: (id, name, voter), sorted."""
    body = get(f"{cluster.http()}/v1/operator/raft/configuration")
    return sorted((one["ID"], one["Node"], one["Voter"]) for one in json.loads(body)["Servers"]) if body else []


def voters(cluster):
    """The processes that vote, by the names they have here."""
    return {name.replace("server", "raft-store") for _, name, voter in configuration(cluster) if voter}


def all_vote(cluster, *names):
    """Wait until exactly the named processes are voters, and nobody else is a member."""
    wait_until(
        lambda: voters(cluster) == set(names) and len(configuration(cluster)) == len(names),
        CHANGED_S,
        f"{names} are the members, and vote",
    )


def lose_any_one(cluster, clients, *names):
    """Each may be killed, and comes back."""
    for name in names:
        cluster.kill(name)
        clients.go_on()
        cluster.start(name)
        cluster.leader()


def all_agree(cluster, count):
    """Wait until all members have applied the same; then their digests are the same."""

    def settled():
        members = store(cluster).get("Members", [])
        return members if len(members) == count and len({one["AppliedIndex"] for one in members}) == 1 else None

    members = wait_until(settled, 30.0, "all members have applied the same")
    assert len({one["Digest"] for one in members}) == 1, members


def only_the_killed_ended(cluster):
    for program in cluster.programs.values():
        assert program.pid or program.process.returncode == -9, f"{program.name} ended by itself\n{program.tail()}"


def test_a_member_whose_data_is_gone_comes_back_as_another_and_takes_its_own_old_seat(tmp_path):
    names = ("raft-store-1", "raft-store-2", "raft-store-3")
    with RealCluster(tmp_path, stores=3, catalogs=2, settings=AUTOPILOT) as cluster:
        cluster.start()
        lost = next(name for name in names if name != cluster.leader())
        with clients_of(cluster, 31) as clients:
            at_work(1.0)
            before = {name: member for member, name, _ in configuration(cluster)}
            cluster.kill(lost)
            shutil.rmtree(cluster.folder / lost / "data")
            cluster.programs[lost].start()
            wait_until(lambda: len(configuration(cluster)) == 4, CHANGED_S, "it is taken in as a learner")
            assert len([one for one in configuration(cluster) if one[2]]) == 3, "the dead voter's seat is not empty yet"
            wait_until(lambda: len(configuration(cluster)) == 3, CHANGED_S, "it replaces the dead voter")
            all_vote(cluster, *names)
            after = {name: member for member, name, _ in configuration(cluster)}
            name = lost.replace("raft-store", "server")
            assert after[name] != before[name], "a member without its log must not vote under its old id"
            clients.go_on()
            lose_any_one(cluster, clients, *names)
        clients.judge()
        all_agree(cluster, 3)
        only_the_killed_ended(cluster)
        print(f"wiped: longest gap {clients.longest_gap_s():.2f} s, {clients.writes()} writes")


def test_of_five_fresh_members_with_three_expected_comes_one_cluster_of_five_voters(tmp_path):
    with RealCluster(tmp_path, stores=3, catalogs=2, settings=AUTOPILOT) as cluster:
        more = [cluster.add_store(number).name for number in (4, 5)]
        cluster.start()
        with clients_of(cluster, 32) as clients:
            names = ("raft-store-1", "raft-store-2", "raft-store-3", *more)
            all_vote(cluster, *names)
            assert len({store(cluster, catalog)["Cluster"] for catalog in (1, 2)} - {""}) == 1
            cluster.kill("raft-store-1", "raft-store-2")
            clients.go_on()
            cluster.start("raft-store-1", "raft-store-2")
        clients.judge()
        all_agree(cluster, 5)
        only_the_killed_ended(cluster)


@pytest.mark.parametrize("with_leader", [False, True], ids=["followers", "the leader first"])
def test_three_members_become_five_and_two_die_for_good(tmp_path, with_leader):
    names = ["raft-store-1", "raft-store-2", "raft-store-3"]
    with RealCluster(tmp_path, stores=3, catalogs=2, settings=AUTOPILOT) as cluster:
        cluster.start()
        with clients_of(cluster, 33 + with_leader) as clients:
            at_work(1.0)
            for number in (4, 5):
                names.append(cluster.add_store(number).name)
                cluster.start(names[-1])
            all_vote(cluster, *names)
            for _ in range(2):
                leader = cluster.leader()
                dying = leader if with_leader else next(name for name in names if name != leader)
                names.remove(dying)
                cluster.kill(dying)
                clients.go_on()
            all_vote(cluster, *names)
            cluster.kill(names[0])
            clients.go_on()
            at_work(DEAD_AFTER_S + 4.0)
            assert len(voters(cluster)) == 3, "never below the expected number"
            cluster.start(names[0])
            clients.go_on()
        clients.judge()
        all_agree(cluster, 3)
        only_the_killed_ended(cluster)
        print(f"3-5-3: longest gap {clients.longest_gap_s():.2f} s, {clients.writes()} writes")


def test_everything_is_stopped_and_comes_up_with_other_addresses_and_ports(tmp_path):
    with RealCluster(tmp_path, nats=3, stores=3, catalogs=2) as cluster:
        cluster.start()
        with clients_of(cluster, 35) as clients:
            at_work(2.0)
        was, members = store(cluster), configuration(cluster)
        cluster.stop()
        move(cluster)
        cluster.start()
        cluster.leader()
        clients.move([cluster.http(1), cluster.http(2)])
        clients.judge()
        with clients_of(cluster, 36) as later:
            later.go_on()
            at_work(1.0)
        later.judge()
        assert store(cluster)["Cluster"] == was["Cluster"]
        assert configuration(cluster) == members
        expected = {f"127.0.1.{number}:{8400 + number}" for number in (1, 2, 3)}

        def shown(path, address):
            found = json.loads(get(cluster.http() + path) or "[]")
            return {address(one) for one in found} == expected

        wait_until(lambda: shown("/v1/status/peers", str), 20.0, "the peers are the new ones")
        wait_until(
            lambda: shown(
                "/v1/catalog/service/consul",
                lambda one: f"{one['ServiceAddress'] or one['Address']}:{one['ServicePort']}",
            ),
            20.0,
            "the catalog shows the new ones",
        )
        all_agree(cluster, 3)


def move(cluster):
    """Give every process of a stopped cluster other ports, and every store another address to show."""
    moved = RealCluster(cluster.folder, nats=3, stores=3, catalogs=2)
    cluster.programs = moved.programs
    for number, program in enumerate(cluster.named("raft-store"), start=1):
        program.environment["LICTOR_RAFT_STORE_ADVERTISE"] = f"127.0.1.{number}"
        program.environment["LICTOR_RAFT_STORE_PORT"] = str(8400 + number)
