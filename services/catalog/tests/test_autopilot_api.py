"""`/v1/operator/autopilot/*`: settings of the store's autopilot, and how it judges the members."""

import pytest
from api_fixture import Catalog, story

from lictor_bus.server_ids import node_id

PATH = "operator/autopilot/configuration"
DEFAULT = {
    "CleanupDeadServers": True,
    "LastContactThreshold": "200ms",
    "MaxTrailingLogs": 250,
    "MinQuorum": 0,
    "ServerStabilizationTime": "10s",
    "RedundancyZoneTag": "",
    "DisableUpgradeMigration": False,
    "UpgradeVersionTag": "",
    "CreateIndex": 0,
    "ModifyIndex": 0,
}


@story
async def test_settings_have_defaults_are_written_whole_and_only_at_the_index_that_cas_names():
    catalog = Catalog()
    assert (await catalog.get(PATH)).json() == DEFAULT
    first = {**DEFAULT, "MaxTrailingLogs": 5, "LastContactThreshold": "1m30s"}
    assert (await catalog.put(PATH, first, params={"cas": 0})).json() is True
    written = (await catalog.get(PATH, params={"stale": ""})).json()
    index = written["ModifyIndex"]
    assert index > 0
    assert written == {**first, "CreateIndex": index, "ModifyIndex": index}
    assert (await catalog.put(PATH, {"MinQuorum": 3}, params={"cas": 0})).json() is False
    assert (await catalog.put(PATH, {"MinQuorum": 3, "LastContactThreshold": 5}, params={"cas": index})).json() is True
    last = (await catalog.get(PATH)).json()
    shown = [last[one] for one in ("CleanupDeadServers", "LastContactThreshold", "MaxTrailingLogs", "MinQuorum")]
    assert shown == [False, "5ns", 0, 3], "what is left out is zero, as Consul has it"


REFUSED = "Error parsing autopilot config: "


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({"LastContactThreshold": "x"}, REFUSED + 'time: invalid duration "x"'),
        ({"MaxTrailingLogs": "a"}, REFUSED + "json: cannot unmarshal string into Go struct field"),
        ({"Foo": 1}, REFUSED + 'json: unknown field "Foo"'),
        ({"RedundancyZoneTag": "a"}, REFUSED + "RedundancyZoneTag is a Consul Enterprise feature"),
        ({"UpgradeVersionTag": "a"}, REFUSED + "UpgradeVersionTag is a Consul Enterprise feature"),
        ({"MinQuorum": -1}, REFUSED + "json: cannot unmarshal number into"),
        ({"LastContactThreshold": "-1s"}, "autopilot: a duration must not be negative"),
    ],
)
def test_settings_that_cannot_be_honoured_are_refused(body, text):
    @story
    async def refused():
        answer = await Catalog().put(PATH, body)
        assert answer.status_code == 400
        assert answer.text.startswith(text)

    refused()


@story
async def test_an_index_for_cas_that_is_no_number_is_refused():
    answer = await Catalog().put(PATH, {}, params={"cas": "x"})
    assert answer.status_code == 400
    assert answer.text == 'Error parsing cas value: strconv.ParseUint: parsing "x": invalid syntax'


@story
async def test_health_is_200_while_all_are_well_and_429_with_the_same_shape_otherwise():
    catalog = Catalog()
    well = await catalog.get("operator/autopilot/health")
    assert well.status_code == 200
    assert well.json()["Healthy"] is True
    assert well.json()["Servers"][0] == {
        "ID": node_id(1),
        "Name": "server-1",
        "Address": "10.0.0.1:8300",
        "SerfStatus": "none",
        "Version": "1.21.4",
        "Leader": True,
        "LastContact": "0s",
        "LastTerm": 3,
        "LastIndex": 90,
        "Healthy": True,
        "Voter": True,
        "StableSince": "2027-01-15T07:43:20Z",
    }
    catalog.leader.second_is_well = False
    unwell = await catalog.get("operator/autopilot/health")
    assert unwell.status_code == 429
    assert unwell.json()["Healthy"] is False
    second = unwell.json()["Servers"][1]
    assert (second["Healthy"], second["LastContact"], second["StableSince"]) == (False, "20ms", "0001-01-01T00:00:00Z")


@story
async def test_the_state_names_the_leader_the_voters_and_each_server_by_id():
    state = (await Catalog().get("operator/autopilot/state")).json()
    assert (state["Leader"], state["Voters"]) == (node_id(1), [node_id(1)])
    assert state["OptimisticFailureTolerance"] == state["FailureTolerance"] == 0
    assert {one: server["Status"] for one, server in state["Servers"].items()} == {
        node_id(1): "leader",
        node_id(2): "non-voter",
    }
    assert state["Servers"][node_id(2)]["NodeType"] == "voter"


@story
async def test_without_a_leader_there_is_no_health():
    catalog = Catalog()
    catalog.leader.away = True
    answer = await catalog.get("operator/autopilot/health")
    assert (answer.status_code, answer.text) == (500, "No cluster leader")
