"""`lictor store`."""

import io

from rich.console import Console

from lictor_cli.store_view import show

MEMBER = {
    "Name": "server-1",
    "Role": "leader",
    "Voter": True,
    "Term": 3,
    "CommitIndex": 90,
    "AppliedIndex": 90,
    "Lag": 0,
    "LeaderContactSeconds": 0.0,
    "Replication": "replicate",
    "Healthy": True,
    "StableSince": "2026-01-01T00:00:00Z",
}
BEHIND = {
    **MEMBER,
    "Name": "server-2",
    "Role": "follower",
    "Voter": False,
    "Lag": 7,
    "LeaderContactSeconds": None,
    "Replication": "snapshot",
    "Healthy": False,
    "StableSince": "0001-01-01T00:00:00Z",
}
STORE = {"Cluster": "c", "Epoch": 1, "Level": 1, "Leader": "server-1", "Silent": [], "Joining": [], "Held": ""}
STABLE = "2026-01-01T00:00:00Z"


def shown(**store):
    text = io.StringIO()
    show({**STORE, **store}, Console(file=text, width=160))
    return text.getvalue()


def test_the_leader_stands_first_and_a_member_behind_says_how_far():
    lines = shown(Members=[BEHIND, MEMBER]).splitlines()
    assert lines[1].split() == [
        "server-1",
        "leader",
        "yes",
        "3",
        "90",
        "90",
        "0",
        "0.00",
        "s",
        "replicate",
        "well",
        STABLE,
    ]
    assert lines[2].split() == ["server-2", "follower", "no", "3", "90", "90", "7", "never", "snapshot", "unwell"]


def test_what_is_wrong_is_said_in_words():
    text = shown(
        FailureTolerance=0, Members=[], Leader="", Silent=["server-3"], Joining=["server-4"], Held="most would fail"
    )
    assert "no leader" in text
    assert "none may fail" in text
    assert "no answer from server-3" in text
    assert "waiting to join: server-4" in text
    assert "decisions held: most would fail" in text
