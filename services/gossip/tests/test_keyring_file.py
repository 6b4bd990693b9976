"""Keys: what is one, where they are kept, and that nothing shows them."""

import json
import os
import re
import stat
from typing import Any

import pytest

from lictor_gossip.keyring_file import FILE_BYTES_MAX, KeyringError, KeyringFile, key_of, text_of
from lictor_gossip.settings import GossipSettings
from lictor_kit.settings import load
from lictor_swim import Keyring

KEY, OTHER = bytes(range(32)), bytes(range(16))
KEY_TEXT = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="


@pytest.fixture
def file(tmp_path):
    return KeyringFile(tmp_path / "keyring.json")


def founded(file: KeyringFile, key: bytes | None) -> tuple[Any, bool]:
    return file.founded(key)


def test_a_given_key_founds_a_file_as_serf_and_consul_write_it_for_the_owner_alone(file, tmp_path):
    ring, has_given = file.founded(KEY)
    assert (ring.keys, has_given) == ((KEY,), True)
    path = tmp_path / "keyring.json"
    assert path.read_text() == f'[\n  "{KEY_TEXT}"\n]'
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_without_key_and_file_the_pool_is_in_the_clear(file, tmp_path):
    assert file.founded(None) == (None, True)
    assert list(tmp_path.iterdir()) == []


def test_an_old_setting_does_not_undo_a_rotation(file, tmp_path):
    file.founded(KEY)
    file.save(Keyring([OTHER]))
    ring, has_given = founded(KeyringFile(tmp_path / "keyring.json"), KEY)
    assert (ring.keys, has_given) == ((OTHER,), False)


def test_the_order_of_keys_is_kept_for_the_first_one_encrypts(file):
    file.save(Keyring([OTHER, KEY]))
    assert file.founded(None)[0].keys == (OTHER, KEY)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "not a JSON array"),
        (b"{}", "not a JSON array"),
        (b"[1]", "not a JSON array"),
        (b"[]", "1 to 40 keys"),
        (b'["hunter2hunter2"]', "16, 24 or 32 bytes"),
        (b'["hunter2!"]', "not base64"),
        (b"[" + b" " * FILE_BYTES_MAX + b"]", "larger than"),
        (json.dumps([text_of(bytes([one]) * 16) for one in range(41)]).encode(), "1 to 40 keys"),
    ],
)
def test_a_file_that_is_no_keyring_stops_the_start_without_showing_a_key(file, tmp_path, content, says):
    (tmp_path / "keyring.json").write_bytes(content)
    with pytest.raises(KeyringError, match=says) as refused:
        file.founded(KEY)
    assert "keyring.json" in str(refused.value)
    assert "hunter2" not in str(refused.value)


def test_a_directory_that_is_gone_is_told(tmp_path):
    with pytest.raises(KeyringError, match="cannot be written"):
        KeyringFile(tmp_path / "gone" / "keyring.json").save(Keyring([KEY]))


def test_a_crash_between_two_writes_leaves_the_old_file(file, tmp_path, monkeypatch):
    file.founded(KEY)

    def crash(_descriptor):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fsync", crash)
    with pytest.raises(KeyringError):
        file.save(Keyring([OTHER]))
    monkeypatch.undo()
    assert file.founded(None)[0].keys == (KEY,)
    file.save(Keyring([OTHER]))
    assert file.founded(None)[0].keys == (OTHER,)


@pytest.mark.parametrize("size", [16, 24, 32])
def test_keys_of_three_lengths_are_keys(size):
    assert key_of(text_of(bytes(size))) == bytes(size)


def settings(**given):
    return load(GossipSettings, [], {f"LICTOR_GOSSIP_{name.upper()}": str(value) for name, value in given.items()})


def test_a_key_comes_from_the_environment_or_from_a_file(tmp_path):
    path = tmp_path / "key"
    path.write_text(KEY_TEXT + "\n")
    assert settings().given_key() is None
    assert settings(key=KEY_TEXT).given_key() == KEY
    assert settings(key_file=path).given_key() == KEY
    assert KEY_TEXT not in repr(settings(key=KEY_TEXT))


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"key": "hunter2"}, "LICTOR_GOSSIP_KEY: .*not base64"),
        ({"key": "aHVudGVyMg=="}, "LICTOR_GOSSIP_KEY: .*this one has 7"),
        ({"key_file": "/nonexistent/key"}, "LICTOR_GOSSIP_KEY_FILE: .*/nonexistent/key cannot be read: No such file"),
        ({"key": KEY_TEXT, "key_file": "{file}"}, "LICTOR_GOSSIP_KEY and LICTOR_GOSSIP_KEY_FILE are both given"),
    ],
)
def test_a_wrong_key_stops_the_start_with_one_line_that_names_the_field(tmp_path, capsys, given, says):
    path = tmp_path / "key"
    path.write_text(KEY_TEXT)
    with pytest.raises(SystemExit):
        settings(**{name: value.format(file=path) for name, value in given.items()})
    line = capsys.readouterr().err
    assert line.count("\n") == 1
    assert re.search(says, line)
    assert "hunter2" not in line
    assert KEY_TEXT not in line
