"""`/v1/operator/raft/*` and `/v1/internal/store`: the store's members, and orders about them."""

from api_fixture import Catalog, story

from lictor_bus.server_ids import node_id


@story
async def test_the_configuration_names_voters_the_leader_and_how_far_each_has_come():
    answer = (await Catalog().get("operator/raft/configuration")).json()
    assert answer["Index"] == 0
    assert answer["Servers"] == [
        {
            "ID": node_id(1),
            "Node": "server-1",
            "Address": "10.0.0.1:8300",
            "Leader": True,
            "ProtocolVersion": "3",
            "Voter": True,
            "LastIndex": 90,
        },
        {
            "ID": node_id(2),
            "Node": "server-2",
            "Address": "10.0.0.2:8300",
            "Leader": False,
            "ProtocolVersion": "3",
            "Voter": False,
            "LastIndex": 80,
        },
    ]


@story
async def test_failures_that_the_brake_holds_are_confirmed_by_an_order():
    catalog = Catalog()
    confirmed = await catalog.put("internal/store/confirm-failures")
    assert (confirmed.status_code, confirmed.json()) == (200, True)
    assert catalog.leader.orders == [("confirm-brake", 0)]
    catalog.leader.refusal = "no decisions are held"
    refused = await catalog.put("internal/store/confirm-failures")
    assert (refused.status_code, refused.text) == (409, "no decisions are held")


@story
async def test_a_peer_is_removed_by_id_or_by_address_and_by_one_of_them_only():
    catalog = Catalog()
    gone = await catalog.http.delete("operator/raft/peer", params={"id": node_id(2)})
    assert (gone.status_code, gone.content) == (200, b"")
    await catalog.http.delete("operator/raft/peer", params={"address": "10.0.0.2:8300"})
    assert catalog.leader.orders == [("remove", 2), ("remove", 2)]
    neither = await catalog.http.delete("operator/raft/peer")
    assert neither.status_code == 400
    assert neither.text.startswith("Must specify either ?id with the server's ID or ?address")
    both = await catalog.http.delete("operator/raft/peer", params={"id": "a", "address": "b"})
    assert (both.status_code, both.text) == (400, "Must specify only one of ?id or ?address")
    unknown = await catalog.http.delete("operator/raft/peer", params={"address": "10.9.9.9:8300"})
    assert (unknown.status_code, unknown.text) == (
        500,
        'address "10.9.9.9:8300" was not found in the Raft configuration',
    )


@story
async def test_leadership_moves_to_whom_the_operator_names():
    catalog = Catalog()
    moved = await catalog.http.post("operator/raft/transfer-leader", params={"id": node_id(2)})
    assert moved.json() == {"Success": True}
    assert catalog.leader.orders == [("transfer", 2)]
    catalog.leader.refusal = "leadership was not taken over in time"
    refused = await catalog.http.post("operator/raft/transfer-leader")
    assert (refused.status_code, refused.text) == (
        404,
        "Failed to transfer Leader: leadership was not taken over in time",
    )


@story
async def test_without_a_leader_the_operator_is_told_so():
    catalog = Catalog()
    catalog.leader.away = True
    answer = await catalog.get("operator/raft/configuration")
    assert (answer.status_code, answer.text) == (500, "No cluster leader")
    assert (await catalog.get("internal/store")).json()["Leader"] == "server-1"


@story
async def test_the_store_is_seen_in_one_look_and_who_is_silent_stands_apart():
    seen = (await Catalog().get("internal/store")).json()
    assert (seen["Leader"], seen["Term"], seen["Silent"]) == ("server-1", 3, ["server-2"])
    assert [(one["Name"], one["Role"], one["Voter"], one["Lag"], one["Healthy"]) for one in seen["Members"]] == [
        ("server-1", "leader", True, 0, True)
    ]
    assert seen["Members"][0]["StableSince"] == "2027-01-15T07:43:20Z"
