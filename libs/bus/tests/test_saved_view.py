"""A saved view comes back as it was, or not at all; and a view that starts from one is replaced whole (fail static)."""

import hashlib
import random

import pytest
import structlog

from lictor_bus import View, saved_view
from lictor_bus.saved_view import SavedHeader, SavedViewError, decode, encode
from lictor_bus.saved_view_file import SAVE_EVERY_S, TRUE_EVERY_S, ViewSaver, load
from lictor_state import Envelope, Store, apply
from lictor_state.commands import CatalogRegister, KVSet, ServiceSpec
from lictor_state.queries import health
from lictor_state.rows import Table
from lictor_state.snapshot import dump_stream, dump_stream_slices


def register(number):
    return CatalogRegister(f"node-{number}", "127.0.0.1", "dc1", service=ServiceSpec("web", "web", port=number))


def store_of(*commands, cluster="cluster"):
    store = Store(cluster)
    for index, command in enumerate(commands, 1):
        apply(store, index, Envelope(0, 0, 0, command))
    return store


def header_of(store, stream="discovery", **changed):
    fields = {"cluster": store.meta.cluster_id, "epoch": store.epoch, "index": store.index, "true_at": 1e9, **changed}
    return SavedHeader(stream, **fields)


def saved(store, stream="discovery", **changed):
    return b"".join(encode(header_of(store, stream, **changed), dump_stream_slices(store, stream)))


# -- the form


def test_a_saved_view_comes_back_as_it_was():
    store = store_of(*map(register, range(1, 4000)), KVSet("secret", b"x"))
    data = saved(store)
    assert b"secret" not in data  # the stream has no keys and values
    found = decode(data, "discovery")
    assert found.header == header_of(store)
    assert list(dump_stream(found.store, "discovery")) == list(dump_stream(store, "discovery"))
    assert len(health.service(found.store, "web").value) == 3999


def test_tables_that_are_not_wanted_stay_on_disk():
    found = decode(saved(store_of(register(1))), "discovery", [Table.NODES])
    assert found.store.node("node-1") is not None
    assert not health.service(found.store, "web").value


def test_one_wrong_byte_anywhere_is_noticed():
    data = saved(store_of(register(1), register(2)))
    for at in range(len(data)):
        damaged = bytearray(data)
        damaged[at] ^= 0x40
        with pytest.raises(SavedViewError):
            decode(bytes(damaged), "discovery")


def test_a_file_that_is_cut_off_anywhere_is_noticed():
    data = saved(store_of(register(1), register(2)))
    for size in range(len(data)):
        with pytest.raises(SavedViewError):
            decode(data[:size], "discovery")


def signed(body):
    return body + hashlib.sha256(body).digest()


def test_anything_else_is_refused_in_words():
    store = store_of(register(1))
    data = saved(store)
    for wrong, words in (
        (b"", "no saved view"),
        (bytes(100), "no saved view"),
        (data[:7] + b"\x02" + data[8:], "format 2, this build reads 1"),
        (data + b"x", "digest is wrong"),
        (data[:-1], "digest is wrong"),
        (signed(data[:-40]), "its parts do not end"),
        (signed(data[:8]), "its parts do not end"),
        (signed(data[:8] + b"\0\0\0\1\xc0" + bytes(4)), "not understood"),
        (saved(store, "mesh"), "of the stream 'mesh'"),
        (saved(store, index=77), "different views"),
        (saved(store, cluster="other"), "different views"),
    ):
        with pytest.raises(SavedViewError, match=words):
            decode(wrong, "discovery")


def test_random_bytes_never_raise_anything_else():
    dice = random.Random(5)
    data = saved(store_of(register(1)))
    for _ in range(500):
        start = dice.randrange(len(data))
        noise = data[:start] + dice.randbytes(dice.randrange(60)) + data[dice.randrange(len(data)) :]
        if noise != data:
            with pytest.raises(SavedViewError):
                decode(noise, "discovery")


def test_a_view_that_is_too_large_is_not_saved(monkeypatch):
    monkeypatch.setattr(saved_view, "SAVED_BYTES_MAX", 500)
    with pytest.raises(SavedViewError, match="larger than 500 bytes"):
        saved(store_of(*map(register, range(20))))


# -- the file, and the view


class Clock:
    now = 1e9

    def __call__(self):
        return self.now


def test_a_view_is_saved_when_it_has_changed_or_some_time_has_passed(in_world, until, tmp_path):
    async def story(world):
        clock, path = Clock(), tmp_path / "dns" / "view"
        await world.store.apply(register(1))
        view = await world.view("discovery")
        saver = ViewSaver(view, path, clock)
        await saver.save()
        assert saver.saves == 1
        clock.now += SAVE_EVERY_S
        await saver.save()
        assert saver.saves == 1
        await world.store.apply(register(2))
        await until(lambda: view.index == world.store.store.index)
        await saver.save()
        assert saver.saves == 2
        clock.now += TRUE_EVERY_S
        await saver.close()
        assert saver.saves == 3
        found = await load(path, "discovery")
        assert found is not None
        assert (found.header.index, found.header.cluster) == (view.index, view.store.meta.cluster_id)
        assert clock.now - 60 < found.header.true_at <= clock.now
        assert sorted(one.name for one in path.parent.iterdir()) == ["view", "view.lock"]

    in_world(story)


def test_what_changes_while_a_view_is_saved_is_in_it_whole_or_not_at_all(in_world, until, tmp_path):
    async def story(world):
        for number in range(1500):
            await world.store.apply(register(number))
        view = await world.view("discovery")
        saver = ViewSaver(view, tmp_path / "view", Clock())
        before = view.index
        world.spawn(saver.save())
        for number in range(50):
            await world.store.apply(register(number + 10_000))
        await until(lambda: saver.saves == 1)
        found = await load(tmp_path / "view", "discovery")
        assert found is not None
        assert found.header.index >= before
        assert len(health.service(found.store, "web").value) == 1500 + found.header.index - before

    in_world(story)


def test_a_view_that_is_not_complete_is_never_saved(in_world, tmp_path):
    async def story(world):
        saver = ViewSaver(unconnected(world), tmp_path / "view", Clock())
        await saver.close()
        assert saver.saves == 0
        assert not (tmp_path / "view").exists()

    in_world(story)


def test_one_of_several_processes_saves_and_another_goes_on_after_its_end(in_world, tmp_path):
    async def story(world):
        view, path, clock = await world.view("discovery"), tmp_path / "view", Clock()
        first, second = ViewSaver(view, path, clock), ViewSaver(view, path, clock)
        await first.save()
        await second.save()
        assert (first.saves, second.saves) == (1, 0)
        await first.close()
        await second.save()
        assert second.saves == 1
        await second.close()

    in_world(story)


def test_a_folder_that_cannot_be_written_is_told_and_survived(in_world, tmp_path):
    async def story(world):
        (tmp_path / "file").write_text("in the way")
        saver = ViewSaver(await world.view("discovery"), tmp_path / "file" / "view", Clock())
        await saver.save()
        await saver.save()
        assert (saver.saves, saver.failures) == (0, 2)

    in_world(story)


def test_a_damaged_file_is_ignored_with_one_clear_line(in_world, tmp_path):
    async def story(_world):
        path = tmp_path / "view"
        assert await load(path, "discovery") is None
        path.write_bytes(b"")
        assert await load(path, "discovery") is None
        data = saved(store_of(register(1)))
        path.write_bytes(data[:-1])
        with structlog.testing.capture_logs() as lines:
            assert await load(path, "discovery") is None
        assert [(line["event"], line["reason"]) for line in lines] == [
            ("saved view ignored", "damaged: its digest is wrong")
        ]

    in_world(story)


def unconnected(world):
    return View(world.bus, world.tracker, "discovery")


def test_a_view_starts_from_a_saved_one_and_the_store_replaces_it_whole(in_world, until):
    async def story(world):
        view = unconnected(world)
        resets = []
        view.on_reset(lambda: resets.append(view.index))
        old = store_of(register(7), cluster=world.store.store.meta.cluster_id)
        assert view.start_from(old)
        assert not view.ready.is_set()
        assert view.store.node("node-7") is not None
        await world.store.apply(register(1))
        await world.store.apply(register(2))
        world.spawn(view.run())
        await until(view.ready.is_set)
        assert view.store.node("node-7") is None
        assert view.index == world.store.store.index
        assert len(resets) == 2
        assert not view.start_from(old)
        assert view.store.node("node-7") is None

    in_world(story)


def test_a_store_that_is_behind_the_saved_view_does_not_replace_it(in_world, until):
    async def story(world):
        await world.store.apply(register(1))
        view = unconnected(world)
        ahead = store_of(*map(register, range(9)), cluster=world.store.store.meta.cluster_id)
        ahead.set_meta(world.store.store.meta)
        view.start_from(ahead)
        assert view.index > world.store.store.index
        world.spawn(view.run())
        while world.store.store.index < 9:
            assert not view.ready.is_set()
            assert view.index == 9
            await world.store.apply(register(world.store.store.index + 100))
        await until(view.ready.is_set)
        assert view.index == world.store.store.index

    in_world(story)


def test_a_view_saved_in_another_cluster_gives_way_whatever_its_index(in_world, until):
    async def story(world):
        await world.store.apply(register(1))
        view = unconnected(world)
        view.start_from(store_of(*map(register, range(50)), cluster="another"))
        world.spawn(view.run())
        await until(view.ready.is_set)
        assert view.index == world.store.store.index
        assert view.store.meta.cluster_id == world.store.store.meta.cluster_id
        assert view.store.node("node-30") is None

    in_world(story)
