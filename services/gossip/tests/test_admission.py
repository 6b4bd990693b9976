"""Who may be in the pool: Consul's rules for its LAN pools."""

import pytest

from lictor_gossip.admission import Admission
from lictor_swim import MemberChange, MemberEvent, SerfMember, Status

ID, OTHER_ID = "6a0e3d3c-0000-4000-8000-000000000001", "6a0e3d3c-0000-4000-8000-000000000002"


def told(change, name, node_id):
    return MemberEvent(change, SerfMember(name, bytes(4), 8301, {"id": node_id}, Status.ALIVE, 0, bytes(6), 1, 0.0))


@pytest.mark.parametrize(
    ("name", "tags", "says"),
    [
        ("plain", {}, ""),
        ("plain", {"role": "db", "dc": "anywhere"}, ""),
        ("n2", {"role": "node", "dc": "dc1", "segment": "", "id": "another"}, ""),
        ("n2", {"role": "node", "dc": "dc2"}, "Node 'n2' is of datacenter 'dc2', this pool is of 'dc1'"),
        ("s1", {"role": "consul"}, "of datacenter ''"),
        ("n2", {"role": "node", "dc": "dc1", "segment": "alpha"}, "of segment 'alpha'"),
        ("copy", {"role": "node", "dc": "dc1", "id": ID}, f"Node 'copy' has the node id {ID} of 'own'"),
        ("copy", {"role": "node", "dc": "dc1", "id": OTHER_ID}, "of 'known'"),
        ("known", {"role": "node", "dc": "dc1", "id": OTHER_ID}, ""),
        ("own", {"role": "node", "dc": "dc1", "id": ID}, ""),
        ("renamed", {"role": "node", "dc": "dc1", "id": "gone"}, ""),
    ],
)
def test_strangers_and_copies_are_kept_out_and_plain_agents_are_welcome(name, tags, says):
    admission = Admission("own", ID, "dc1")
    for change, who, node_id in (
        (MemberChange.JOINED, "own", ID),
        (MemberChange.JOINED, "known", OTHER_ID),
        (MemberChange.JOINED, "former", "gone"),
        (MemberChange.FAILED, "known", OTHER_ID),
        (MemberChange.LEFT, "former", "gone"),
    ):
        admission.observe(told(change, who, node_id))
    judged = admission(name, tags)
    assert (says in judged) if says else judged == ""


def test_a_member_that_changes_its_id_lets_go_of_the_old_one():
    admission = Admission("own", ID, "dc1")
    admission.observe(told(MemberChange.JOINED, "n2", OTHER_ID))
    admission.observe(told(MemberChange.UPDATED, "n2", "newer"))
    assert admission("n3", {"id": OTHER_ID}) == ""
    assert "of 'n2'" in admission("n3", {"id": "newer"})
    admission.observe(told(MemberChange.REAPED, "n2", "newer"))
    assert admission("n3", {"id": "newer"}) == ""
