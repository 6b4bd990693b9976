"""`/v1/internal/pool`: three views of the members beside each other, and why one of them failed."""

from api_fixture import Catalog, story

from lictor_bus import frames
from lictor_bus.frames import NodeJudgement
from lictor_bus.pool_frames import CoordinateReport
from lictor_state.commands import AgentJoin


@story
async def test_members_are_shown_as_the_catalog_the_gossip_and_the_leader_see_them() -> None:
    catalog = Catalog()
    catalog.leader.apply(AgentJoin("n2", "6a0e0000-0000-4000-8000-000000000002", "run-2", "10.0.0.6", 8301, "dc1"))
    catalog.leader.judgements = (NodeJudgement("n2", ("n1",), 2, True, 12.5),)
    answer = (await catalog.get("internal/pool")).json()
    assert (answer["Node"], answer["HealthScore"], answer["Encrypted"], answer["Silent"]) == ("n1", 1, False, "")
    members = {one["Name"]: one for one in answer["Members"]}
    assert list(members) == ["n1", "n2", "plain"]
    assert (members["n1"]["Status"], members["n1"]["PoolStatus"], members["n1"]["RunID"]) == ("alive", "alive", "run-1")
    # the pool of this gossip does not have it, and the leader has been told that it failed
    assert (members["n2"]["Status"], members["n2"]["PoolStatus"]) == ("alive", "")
    assert (members["n2"]["Disputed"], members["n2"]["FoundFailedBy"], members["n2"]["Watchers"]) == (True, ["n1"], 2)
    assert members["n2"]["HeldForSeconds"] == 12.5
    # a plain Serf agent is a member without a row
    assert (members["plain"]["Status"], members["plain"]["PoolStatus"]) == ("", "failed")
    assert members["plain"]["Tags"] == {"role": "db"}


@story
async def test_members_are_shown_without_a_gossip_and_without_a_leader_as_far_as_they_are_known() -> None:
    catalog = Catalog()
    catalog.leader.gossip_refusal = "no gossip runs for node n1 at the moment"
    catalog.leader.away = True
    answer = (await catalog.get("internal/pool")).json()
    assert (answer["Silent"], answer["HealthScore"]) == ("no gossip runs for node n1 at the moment", None)
    assert [one["Name"] for one in answer["Members"]] == ["n1"]


@story
async def test_why_a_node_failed_is_told_by_those_who_watched_it() -> None:
    catalog = Catalog()
    catalog.leader.judgements = (NodeJudgement("n1", ("n3",), 5, False),)
    answer = (await catalog.get("internal/pool/why/N1")).json()
    assert (answer["Node"], answer["Status"], answer["RunID"], answer["Leader"]) == ("n1", "alive", "run-1", "server-1")
    assert (answer["FoundFailedBy"], answer["Watchers"], answer["Disputed"]) == (["n3"], 5, False)
    (tale,) = answer["Stories"]
    assert (tale["Teller"], tale["Reports"], tale["PoolStatus"]) == ("n1", True, "failed")
    assert tale["Lines"] == [
        {
            "AgoSeconds": 2.5,
            "What": "suspected",
            "By": "n3",
            "Incarnation": 3,
            "OwnHealth": 0,
            "AfterSeconds": 0,
            "Detail": "",
        }
    ]


@story
async def test_nobody_knows_why_of_a_node_that_nobody_knows() -> None:
    catalog = Catalog()
    catalog.leader.told_stories = []
    answer = await catalog.get("internal/pool/why/nope")
    assert (answer.status_code, answer.text) == (404, "No node found with name 'nope'")
    # a plain Serf agent is known, and nothing is held against it
    answer = await catalog.get("internal/pool/why/plain")
    assert (answer.status_code, answer.json()["Stories"], answer.json()["Status"]) == (200, [], "")


@story
async def test_what_gossips_report_of_coordinates_is_written_with_the_next_batch() -> None:
    catalog = Catalog()
    take = catalog.api.coordinates.on_report
    vec = (0.001, *(0.0,) * 7)
    take("", frames.encode(CoordinateReport("n1", vec, 0.5, 0.0, 1e-5)), "")
    take("", frames.encode(CoordinateReport("n1", (float("nan"),) * 8, 0.5, 0.0, 1e-5)), "")
    take("", frames.encode(CoordinateReport("n1", (1.0,), 0.5, 0.0, 1e-5)), "")
    take("", b"\xc1", "")
    await catalog.api.coordinates.flush()
    (row,) = (await catalog.get("coordinate/nodes")).json()
    assert (row["Node"], row["Coord"]["Vec"], row["Coord"]["Error"]) == ("n1", list(vec), 0.5)
