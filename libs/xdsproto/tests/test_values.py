"""Snapshots and versions."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lictor_xdsproto import (
    CLUSTER,
    ENDPOINT,
    LISTENER,
    Reference,
    Resource,
    Snapshot,
    SnapshotError,
    collection_version,
    content_version,
)


def test_equal_contents_have_equal_versions_and_others_have_others() -> None:
    assert content_version(b"a") == content_version(b"a") != content_version(b"b")
    assert content_version(b"").startswith("e3b0c442")  # SHA-256 of nothing, FIPS 180-4


@given(st.dictionaries(st.text(max_size=3), st.text(max_size=3)), st.randoms())
def test_the_version_of_a_set_does_not_depend_on_its_order(members: dict[str, str], dice: object) -> None:
    resources = [Resource(name, version) for name, version in members.items()]
    assert collection_version(resources) == collection_version(reversed(resources))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ([Resource("a", "1")], [Resource("a", "2")]),
        ([Resource("a", "1")], [Resource("b", "1")]),
        ([Resource("ab", "c")], [Resource("a", "bc")]),
        ([Resource("a", "1")], []),
    ],
)
def test_different_sets_have_different_versions(one: list[Resource], other: list[Resource]) -> None:
    assert collection_version(one) != collection_version(other)


def test_one_name_twice_is_refused() -> None:
    with pytest.raises(SnapshotError, match="'a'"):
        Snapshot.build("1", {CLUSTER: [Resource("a", "1"), Resource("a", "2")]})


def test_a_snapshot_cannot_be_changed() -> None:
    snapshot = Snapshot.build("1", {CLUSTER: [Resource("a", "1")]})
    with pytest.raises(TypeError):
        snapshot.collections[CLUSTER]["b"] = Resource("b", "1")  # type: ignore[index]
    with pytest.raises(AttributeError):
        snapshot.version = "2"  # type: ignore[misc]


def test_unchanged_collections_are_taken_over_as_the_same_object() -> None:
    old = Snapshot.build("1", {CLUSTER: [Resource("a", "1")], ENDPOINT: [Resource("a", "1")]})
    new = Snapshot.build("2", {CLUSTER: [Resource("a", "1")], ENDPOINT: [Resource("a", "2")]}, previous=old)
    assert new.collection(CLUSTER) is old.collection(CLUSTER)
    assert new.collection(ENDPOINT)["a"].version == "2"
    assert not new.collection(LISTENER)


def test_missing_references_are_found() -> None:
    gone = Reference(CLUSTER, "gone")
    listener = Resource("l", "1", refers=(Reference(CLUSTER, "a"), gone))
    assert Snapshot.build("1", {CLUSTER: [Resource("a", "1")], LISTENER: [listener]}).missing_references() == (
        ("l", gone),
    )
