"""The driver against real servers, with a store and presence in memory."""

import asyncio
import sys
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from lictor_healthcheck.ownership import Replica
from lictor_state.rows import CheckDefinition, Table

sys.path.insert(0, str(Path(__file__).parent))  # importlib mode leaves a test's neighbours to the test

from cluster import SECOND, Cluster, http, target, until


def run(story: Coroutine[Any, Any, None]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(20):
            await story

    asyncio.run(bounded())


def test_a_killed_server_becomes_critical_within_interval_and_timeout_and_recovers() -> None:
    async def story() -> None:
        cluster = Cluster()
        async with target() as server, cluster.healthcheck():
            cluster.register("web", http(server.url))
            await until(lambda: cluster.check("web").status == "passing")
            assert cluster.check("web").output == f"HTTP GET {server.url}: 200 OK Output: fine"
            killed = time.monotonic()
            await server.kill()
            await until(lambda: cluster.check("web").status == "critical")
            assert time.monotonic() - killed < 1.0 + 0.5 + 0.3
            assert "connection refused" in cluster.check("web").output
            await server.start()
            await until(lambda: cluster.check("web").status == "passing")
            assert [one.status for one in cluster.proposed] == ["passing", "critical", "passing"]

    run(story())


def test_thresholds_count_probes_and_nothing_is_written_below_them() -> None:
    async def story() -> None:
        cluster = Cluster()
        async with target() as server, cluster.healthcheck():
            server.status = "500 Broken"
            cluster.register("web", http(server.url, failures_before_critical=2), status="passing")
            await until(lambda: server.requests == 2 or cluster.proposed != [])
            assert server.requests == 2
            await until(lambda: cluster.check("web").status == "critical")
            assert (server.requests, len(cluster.proposed)) == (2, 1)

    run(story())


def test_a_tcp_check_of_the_catalog_runs_without_an_agent_of_its_node() -> None:
    async def story() -> None:
        cluster = Cluster()
        async with target() as server, cluster.healthcheck():
            definition = CheckDefinition(tcp=f"127.0.0.1:{server.port}", interval_ns=SECOND)
            cluster.register("ext", definition, node="external", agent=False)
            cluster.register("theirs", definition, node="n2")
            await until(lambda: cluster.check("ext", "external").status == "passing")
            assert [one.check_id for one in cluster.proposed] == ["ext"]

    run(story())


def test_a_ttl_check_passes_by_update_and_expires_without() -> None:
    async def story() -> None:
        cluster = Cluster()
        async with cluster.healthcheck() as driver:
            cluster.register("ttl", CheckDefinition(ttl_ns=SECOND // 4))
            await until(lambda: driver.running.get(("n1", "ttl")) is not None)
            outcome = driver.ttl_update(("n1", "ttl"), "passing", "alive")
            assert outcome is not None
            await outcome
            assert cluster.check("ttl").status == "passing"
            began = time.monotonic()
            await until(lambda: cluster.check("ttl").status == "critical")
            assert 0.2 < time.monotonic() - began < 1.0
            assert cluster.check("ttl").output == "TTL expired (last output before timeout follows): alive"

    run(story())


def test_a_new_ttl_check_that_nobody_speaks_for_says_so() -> None:
    async def story() -> None:
        cluster = Cluster()
        async with cluster.healthcheck():
            cluster.register("ttl", CheckDefinition(ttl_ns=SECOND // 10))
            await until(lambda: cluster.check("ttl").output == "TTL expired")

    run(story())


def test_an_alias_follows_the_service_it_mirrors() -> None:
    async def story() -> None:
        cluster = Cluster()
        async with cluster.healthcheck(output_interval_s=0.0) as driver:
            cluster.register("sidecar", CheckDefinition(alias_service="web"))
            await until(lambda: cluster.check("sidecar").output == "Service web could not be found on node n1")
            cluster.service("web")
            await until(lambda: cluster.check("sidecar").output == "No checks found.")
            cluster.register("ttl", CheckDefinition(ttl_ns=60 * SECOND), service_id="web")
            await until(lambda: cluster.check("sidecar").status == "critical")
            for status in ("warning", "passing", "critical"):
                outcome = driver.ttl_update(("n1", "ttl"), status, "as told")
                assert outcome is not None
                await outcome
                await until(lambda status=status: cluster.check("sidecar").status == status)  # type: ignore[misc]
            assert cluster.check("sidecar").output == 'Aliased check "ttl" failing: as told'
            cluster.put(Table.SERVICES, ("n1", "web"), None)
            await until(lambda: "could not be found" in cluster.check("sidecar").output)

    run(story())


def test_aliases_in_a_circle_come_to_rest() -> None:
    async def story() -> None:
        cluster = Cluster()
        for one, other in (("a", "b"), ("b", "a")):
            cluster.service(one)
            cluster.register(one, CheckDefinition(alias_service=other), service_id=one)
        async with cluster.healthcheck(output_interval_s=0.0, output_bytes_max=256):
            await until(lambda: len(cluster.proposed) >= 8)
            settled = 0
            while settled != len(cluster.proposed):
                settled = len(cluster.proposed)
                await asyncio.sleep(0.3)
            assert max(len(one.output) for one in cluster.proposed) < 300

    run(story())


def test_nothing_is_proposed_while_cut_off_and_every_ttl_starts_afresh_after() -> None:
    async def story() -> None:
        cluster = Cluster()
        async with cluster.healthcheck() as driver:
            cluster.register("ttl", CheckDefinition(ttl_ns=SECOND // 2), status="passing")
            await until(driver.may_speak)
            cluster.echo_age_s = 5.0
            await until(lambda: driver._guard.cut)
            await asyncio.sleep(0.7)  # longer than the TTL: what must not happen needs time to happen
            assert cluster.proposed == []
            cluster.echo_age_s = 0.0
            back = time.monotonic()
            await until(lambda: cluster.check("ttl").status == "critical")
            assert time.monotonic() - back > 0.45

    run(story())


def test_what_a_probe_found_while_cut_off_is_proposed_on_return() -> None:
    async def story() -> None:
        cluster = Cluster()
        async with target() as server, cluster.healthcheck() as driver:
            cluster.register("web", http(server.url))
            await until(lambda: cluster.check("web").status == "passing")
            cluster.echo_age_s = 5.0
            await until(lambda: driver._guard.cut)
            server.status = "500 Broken"
            before = server.requests
            await until(lambda: server.requests > before)
            check = driver.running.get(("n1", "web"))
            assert check is not None
            await until(lambda: check.wanted is not None and check.wanted.status == "critical")
            assert cluster.check("web").status == "passing"
            cluster.echo_age_s = 0.0
            await until(lambda: cluster.check("web").status == "critical")

    run(story())


def test_before_the_first_echo_nothing_is_owned() -> None:
    async def story() -> None:
        cluster = Cluster()
        cluster.echo_age_s = float("inf")
        async with target() as server, cluster.healthcheck(announced=False) as driver:
            cluster.register("web", http(server.url))
            await asyncio.sleep(0.3)
            assert (server.requests, driver.running.held()) == (0, ())
            cluster.announce(Replica("n1", "i1"))
            cluster.echo_age_s = 0.0
            await until(lambda: cluster.check("web").status == "passing")

    run(story())


def test_replicas_of_a_node_share_its_checks_and_take_over_from_one_that_leaves() -> None:
    async def story() -> None:
        cluster = Cluster()
        async with target() as server, cluster.healthcheck("i1") as one:
            async with cluster.healthcheck("i2") as two:
                for number in range(20):
                    cluster.register(f"c{number}", http(server.url, interval_s=60))
                await until(lambda: server.requests == 20)
                await until(lambda: len(one.running.held()) + len(two.running.held()) == 20)
                assert not set(one.running.held()) & set(two.running.held())
                assert min(len(one.running.held()), len(two.running.held())) >= 3
                moved = len(two.running.held())
                await until(lambda: len(cluster.proposed) == 20)
            await until(lambda: len(one.running.held()) == 20)
            await until(lambda: server.requests == 20 + moved)
            assert len(cluster.proposed) == 20, "taking over writes nothing"

    run(story())


def test_a_new_definition_starts_afresh_and_the_old_probe_is_cancelled() -> None:
    async def story() -> None:
        cluster = Cluster()
        async with target() as old, target() as new, cluster.healthcheck():
            old.hang = True
            cluster.register("web", http(old.url, timeout_s=30))
            await until(lambda: old.open == 1)
            cluster.register("web", http(new.url))
            await until(lambda: cluster.check("web").status == "passing")
            await until(lambda: old.open == 0)
            cluster.put(Table.CHECKS, ("n1", "web"), None)
            requests = new.requests
            await asyncio.sleep(1.2)  # longer than the interval: a deregistered check is left alone
            assert new.requests == requests

    run(story())


def test_probes_beyond_the_bound_wait_for_their_turn() -> None:
    async def story() -> None:
        cluster = Cluster()
        async with target() as server, cluster.healthcheck(probes_max=2):
            server.hang = True
            for number in range(6):
                cluster.register(f"c{number}", http(server.url, interval_s=60, timeout_s=0.1))
            await until(lambda: len(cluster.proposed) == 6)
            assert (server.requests, server.open_max) == (6, 2)

    run(story())


def test_a_stop_cancels_every_probe() -> None:
    async def story() -> None:
        cluster = Cluster()
        async with target() as server:
            server.hang = True
            async with cluster.healthcheck():
                for number in range(5):
                    cluster.register(f"c{number}", http(server.url, timeout_s=60))
                await until(lambda: server.open == 5)
            await until(lambda: server.open == 0)
            assert not [task for task in asyncio.all_tasks() if task.get_name().startswith("probe")]
            assert cluster.proposed == []

    run(story())


def test_a_transition_is_tried_again_when_there_was_no_leader() -> None:
    async def story() -> None:
        cluster = Cluster()
        async with target() as server, cluster.healthcheck():
            cluster.leader = False
            cluster.register("web", http(server.url, interval_s=60))
            await until(lambda: cluster.tried >= 1)
            assert cluster.check("web").status == "critical"
            cluster.leader = True
            await until(lambda: cluster.check("web").status == "passing")
            assert server.requests == 1, "the verdict is kept, the target is not asked again"

    run(story())


def test_a_row_that_somebody_else_overwrote_is_set_right_again() -> None:
    async def story() -> None:
        cluster = Cluster()
        async with target() as server, cluster.healthcheck():
            cluster.register("web", http(server.url, interval_s=60))
            await until(lambda: cluster.check("web").status == "passing")
            row = cluster.check("web")
            cluster.put(Table.CHECKS, ("n1", "web"), type(row)(**{**_fields(row), "status": "critical"}))
            await until(lambda: cluster.check("web").status == "passing")

    run(story())


def test_a_row_that_is_overwritten_before_the_own_view_shows_it_is_set_right_again() -> None:
    class Overwritten(Cluster):
        times = 1

        async def _view_is_there(self, index: int, timeout_s: float) -> bool:
            if self.times and self.check("web").status == "passing":
                self.times -= 1
                row = self.check("web")
                self.put(Table.CHECKS, ("n1", "web"), type(row)(**{**_fields(row), "status": "critical"}))
            return await super()._view_is_there(index, timeout_s)

    async def story() -> None:
        cluster = Overwritten()
        async with target() as server, cluster.healthcheck():
            cluster.register("web", http(server.url, interval_s=60))
            await until(lambda: len(cluster.proposed) == 2 and cluster.check("web").status == "passing")

    run(story())


def test_changing_output_alone_is_written_at_the_bounded_rate() -> None:
    async def story() -> None:
        cluster = Cluster()
        async with cluster.healthcheck(output_interval_s=0.5) as driver:
            cluster.register("ttl", CheckDefinition(ttl_ns=60 * SECOND), status="passing")
            await until(lambda: driver.running.get(("n1", "ttl")) is not None)
            for number in range(100):
                driver.ttl_update(("n1", "ttl"), "passing", str(number))
                await asyncio.sleep(0)
            await until(lambda: cluster.check("ttl").output == "99")
            assert len(cluster.proposed) == 2, "the first at once, the newest when the interval has passed"

    run(story())


def _fields(row: Any) -> dict[str, Any]:
    return {name: getattr(row, name) for name in row.__struct_fields__}
