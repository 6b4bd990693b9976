"""`/v1/snapshot`: saved from the view, checked whole before anything is proposed, restored through the log."""

import io
import json
import tarfile
from hashlib import sha256

import pytest
from api_fixture import Catalog, story, waiting

from lictor_catalog import snapshots
from lictor_state.commands import KVSet
from lictor_state.rows import Table


async def saved(catalog: Catalog) -> bytes:
    answer = await catalog.get("snapshot")
    assert answer.status_code == 200
    return answer.content


@story
async def test_a_saved_state_is_restored_elsewhere_with_all_its_rows() -> None:
    source, target = Catalog(), Catalog()
    for number in range(3000):
        source.result(KVSet(f"k{number}", b"v" * 100))
    target.result(KVSet("mine", b"1"))
    answer = await target.put("snapshot", content=await saved(source))
    assert (answer.status_code, answer.content) == (200, b"")
    assert (await target.get("kv/mine")).status_code == 404
    for table in Table:
        if table is not Table.META:
            assert list(target.view.store.rows(table)) == list(source.view.store.rows(table))
    assert target.view.store.epoch == 2


@story
async def test_the_answer_says_at_which_index_it_was_saved() -> None:
    catalog = Catalog()
    await catalog.put("kv/a", content=b"1")
    answer = await catalog.get("snapshot")
    assert answer.headers["content-type"] == "application/x-gzip"
    assert int(answer.headers["x-consul-index"]) == catalog.view.store.index
    assert answer.headers["x-consul-knownleader"] == "true"
    assert (await catalog.get("snapshot?stale")).status_code == 200
    catalog.leader.away = True
    assert (await catalog.get("snapshot")).status_code == 500


@story
async def test_a_blocking_query_wakes_and_no_index_is_below_one_that_was_seen() -> None:
    catalog = Catalog()
    archive = await saved(catalog)
    for number in range(20):
        await catalog.put("kv/a", content=str(number).encode())
    index = await catalog.index("kv/a")
    async with waiting(catalog, f"kv/a?index={index}") as waiter:
        assert (await catalog.put("snapshot", content=archive)).status_code == 200
        answer = await waiter
    assert answer.status_code == 404
    assert int(answer.headers["x-consul-index"]) > index


def consuls_own() -> bytes:
    meta = json.dumps({"Version": 1, "ID": "2-1-1", "Index": 1, "Term": 2, "Peers": "", "Size": 1}).encode()
    members = {"meta.json": meta, "state.bin": b"x"}
    sums = "".join(f"{sha256(body).hexdigest()}  {name}\n" for name, body in members.items())
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        for name, body in {**members, "SHA256SUMS": sums.encode()}.items():
            info = tarfile.TarInfo(name)
            info.size = len(body)
            tar.addfile(info, io.BytesIO(body))
    return out.getvalue()


@story
async def test_what_is_not_ours_or_damaged_is_refused_and_nothing_is_proposed() -> None:
    catalog = Catalog()
    sound = await saved(catalog)
    before = catalog.view.store.digest()
    table = [
        (consuls_own(), "this is a snapshot of a Consul server: only Lictor's own snapshots can be restored"),
        (b"hello", "not a sound gzip file"),
        (b"", "cut off"),
        (sound[:-10], "cut off"),
        (sound + b"x", "goes on after its end"),
        (bytes([*sound[:200], sound[200] ^ 1, *sound[201:]]), ""),
    ]
    for data, reason in table:
        answer = await catalog.put("snapshot", content=data)
        assert (answer.status_code, answer.text.startswith("snapshot refused: ")) == (400, True), answer.text
        assert reason in answer.text
        assert catalog.view.store.digest() == before


def test_an_archive_above_the_bound_is_413(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshots, "ARCHIVE_BYTES_MAX", 100)

    @story
    async def told() -> None:
        catalog = Catalog()
        assert (await catalog.put("snapshot", content=b"x" * 101)).status_code == 413

    told()


def test_a_restore_that_fails_half_way_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    @story
    async def told() -> None:
        catalog = Catalog()
        await catalog.put("kv/a", content=b"1")
        archive = await saved(catalog)
        monkeypatch.setattr("lictor_state.staging.STAGED_BYTES_MAX", 10)
        answer = await catalog.put("snapshot", content=archive)
        assert (answer.status_code, answer.text) == (400, "snapshot: more than 10 bytes")
        assert catalog.view.store.restoring is None
        assert (await catalog.get("kv/a")).status_code == 200

    told()


def test_no_space_to_spool_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def full() -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("tempfile.TemporaryFile", full)

    @story
    async def told() -> None:
        catalog = Catalog()
        for answer in (await catalog.get("snapshot"), await catalog.put("snapshot", content=b"x")):
            assert (answer.status_code, "No space left" in answer.text) == (500, True)

    told()
