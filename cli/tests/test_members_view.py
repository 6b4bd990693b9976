"""`lictor members`, and `--why`: three views beside each other, and a story that a person can read."""

import io
import json
from typing import ClassVar

import pytest
from rich.console import Console
from typer.testing import CliRunner

from lictor_cli import main
from lictor_cli.members_view import show, show_why, span

MEMBER = {
    "Name": "web-7",
    "Address": "10.0.0.7",
    "Port": 8301,
    "Role": "node",
    "Status": "alive",
    "RunID": "0123456789abcdef",
    "NodeID": "6a0e3d3c-0000-4000-8000-000000000001",
    "PoolStatus": "alive",
    "Incarnation": 3,
    "ChangedAgoSeconds": 75.0,
    "Tags": {},
    "Disputed": False,
    "FoundFailedBy": [],
    "Watchers": None,
    "HeldForSeconds": 0.0,
}
DISPUTED = {
    **MEMBER,
    "Name": "web-8",
    "PoolStatus": "failed",
    "Disputed": True,
    "FoundFailedBy": ["a", "b"],
    "Watchers": 5,
}
PLAIN = {**MEMBER, "Name": "old-agent", "Role": "", "Status": "", "RunID": "", "PoolStatus": "left"}
SERVER = {
    **MEMBER,
    "Name": "server-1",
    "Role": "consul",
    "PoolStatus": "",
    "Incarnation": None,
    "ChangedAgoSeconds": None,
}
POOL = {
    "Node": "node-1",
    "Silent": "",
    "HealthScore": 0,
    "Encrypted": True,
    "LeftOut": 0,
    "Leader": "server-1",
    "Held": "",
    "Members": [DISPUTED, MEMBER, PLAIN, SERVER],
}
LINE = {
    "AgoSeconds": 2.5,
    "What": "suspected",
    "By": "a",
    "Incarnation": 3,
    "OwnHealth": 0,
    "AfterSeconds": 0,
    "Detail": "",
}
STORY = {
    "Node": "web-8",
    "Status": "failed",
    "RunID": "run-9",
    "StatusIndex": 90,
    "DecidedAt": 0,
    "Leader": "server-1",
    "Held": "",
    "Disputed": False,
    "FoundFailedBy": ["a", "b"],
    "Watchers": 5,
    "HeldForSeconds": 0.0,
    "Stories": [
        {
            "Teller": "a",
            "RunID": "r",
            "HealthScore": 1,
            "Reports": True,
            "AboutItself": False,
            "PoolStatus": "failed",
            "Incarnation": 3,
            "Lines": [
                {**LINE, "What": "ack_late", "By": "web-8", "AfterSeconds": 0.612, "AgoSeconds": 200.0, "OwnHealth": 2},
                {**LINE, "What": "probe_failed", "Detail": "2 of 3 relays could not reach it either"},
                LINE,
                {**LINE, "What": "confirmed", "By": "c"},
                {**LINE, "What": "failed", "By": "c", "AgoSeconds": 0.5},
            ],
        },
        {
            "Teller": "web-8", "RunID": "r", "HealthScore": 0, "Reports": False, "AboutItself": True,
            "PoolStatus": "alive", "Incarnation": 4, "Lines": [],
        },
    ],
}  # fmt: skip


def shown(view, told):
    text = io.StringIO()
    view(told, Console(file=text, width=200))
    return text.getvalue()


def test_members_stand_with_their_row_their_state_in_the_pool_and_what_the_leader_holds():
    lines = shown(show, POOL).splitlines()
    assert [line.split()[0] for line in lines[1:5]] == ["server-1", "old-agent", "web-7", "web-8"]
    assert lines[1].split()[2:5] == ["server", "alive", "-"]
    assert "plain serf  no row" in lines[2]
    assert lines[3].split() == ["web-7", "10.0.0.7:8301", "agent", "alive", "alive", "75.0", "s", "3", "01234567"]
    assert "disputed: it answers the leader in person, found failed by a, b (of 5)" in lines[4]
    assert lines[5] == "pool as node-1 sees it, which is well; encrypted"


@pytest.mark.parametrize(
    ("changes", "note"),
    [
        ({"HealthScore": 3}, "unwell (3): its own view may be wrong"),
        ({"Encrypted": False}, "not encrypted"),
        ({"Silent": "no gossip runs for node n1"}, "the pool is not told: no gossip runs for node n1"),
        ({"Leader": ""}, "no leader: nothing is decided"),
        ({"Held": "most of the pool"}, "decisions held: most of the pool"),
        ({"LeftOut": 7}, "7 more members are not shown"),
        ({"Members": [{**MEMBER, "PoolStatus": "failed"}]}, "not decided yet"),
        ({"Members": [{**MEMBER, "HeldForSeconds": 12.3}]}, "stopped on purpose: nothing is decided for 12 s"),
    ],
)
def test_what_is_unusual_is_said(changes, note):
    assert note in shown(show, POOL | changes)


def test_the_story_of_a_node_tells_who_said_what_when_and_how_well_they_were():
    lines = shown(show_why, STORY).splitlines()
    assert lines[0] == "web-8: failed, run run-9"
    assert lines[1] == "  leader server-1: found failed by a, b of 5 reporters"
    assert lines[2] == "a (a reporter for it; own health 1) sees failed, incarnation 3"
    assert [line.strip() for line in lines[3:8]] == [
        "3 min ago  got an answer late, 612 ms after the probe (incarnation 3; own health 2)",
        "2.5 s ago  got no answer to its probe (incarnation 3; own health 0): 2 of 3 relays could not reach it either",
        "2.5 s ago  suspected it (incarnation 3; own health 0)",
        "2.5 s ago  heard the suspicion confirmed by c (incarnation 3; own health 0)",
        "0.5 s ago  heard it declared dead by c (incarnation 3; own health 0)",
    ]
    assert lines[8:] == [
        "web-8 (the node itself; own health 0) sees alive, incarnation 4",
        "  holds nothing against it",
    ]


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"Stories": []}, "nobody holds anything against it"),
        ({"Leader": ""}, "no leader: nothing is decided"),
        ({"Disputed": True}, "disputed: it answers the leader in person"),
        ({"HeldForSeconds": 9.0}, "it stopped on purpose, nothing is decided for 9 s"),
        ({"Held": "the brake"}, "decisions are held: the brake"),
        ({"FoundFailedBy": [], "Status": "", "RunID": ""}, "web-8: no row in the catalog"),
    ],
)
def test_the_story_says_what_the_leader_makes_of_it(changes, line):
    assert line in shown(show_why, STORY | changes)


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.04, "0.0 s"), (119, "119.0 s"), (120, "2 min"), (7200, "2 h"), (172800, "2 d")]
)
def test_spans_are_said_as_people_say_them(seconds, text):
    assert span(seconds) == text


class FakeApi:
    asked: ClassVar[list[str]] = []

    def __init__(self, _address):
        pass

    def get(self, path):
        self.asked.append(path)
        return STORY if "why" in path else POOL


def test_programs_get_json(monkeypatch):
    monkeypatch.setattr(main, "Api", FakeApi)
    answer = CliRunner().invoke(main.app, ["members", "--json"])
    assert json.loads(answer.stdout) == POOL
    answer = CliRunner().invoke(main.app, ["members", "--why", "web 8/x", "--json"])
    assert json.loads(answer.stdout) == STORY
    assert FakeApi.asked == ["/v1/internal/pool", "/v1/internal/pool/why/web%208%2Fx"]
    assert "web-8: failed" in CliRunner().invoke(main.app, ["members", "--why", "web-8"]).stdout
    assert "web-7" in CliRunner().invoke(main.app, ["members"]).stdout
