"""The pool's keys on disk, in the file format of Serf's agents (`-keyring-file`) and Consul's `local.keyring`.

A JSON array of base64 keys, the first of which encrypts; readable by its owner alone. A key that operators install,
use or remove while the pool runs is in the file before the operation is answered, so a restart knows the keys of the
pool it returns to. A key from the settings only founds the file: an old setting must not undo a rotation. Keys are
secrets: no text made here holds one.
"""

import base64
import binascii
import json
import os
from pathlib import Path

from lictor_swim import Keyring

FILE_BYTES_MAX = 16 * 1024
"""Forty keys take about 2 KiB; more is not a keyring."""

KEY_LENGTHS = (16, 24, 32)


class KeyringError(Exception):
    """The keyring file cannot be used; the message names it and never a key."""


def key_of(text: str) -> bytes:
    """The key that a base64 text stands for.

    Raises:
        ValueError: no base64, or not 16, 24 or 32 bytes; the message does not show the text.
    """
    try:
        key = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("a gossip key is 16, 24 or 32 bytes in base64; this is not base64") from None
    if len(key) not in KEY_LENGTHS:
        raise ValueError(f"a gossip key is 16, 24 or 32 bytes in base64; this one has {len(key)}")
    return key


def text_of(key: bytes) -> str:
    """A key as people and files write it."""
    return base64.b64encode(key).decode()


class KeyringFile:
    """The keyring of one node."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def founded(self, given: bytes | None) -> tuple[Keyring | None, bool]:
        """The keyring to start with, and whether the key that was given is in it.

        The file's; without one the given key founds it; with neither the pool is not encrypted.

        Raises:
            KeyringError: the file is there and cannot be used.
        """
        kept = self._load()
        if kept is not None:
            return kept, given is None or given in kept.keys
        if given is None:
            return None, True
        founded = Keyring([given])
        self.save(founded)
        return founded, True

    def _load(self) -> Keyring | None:
        try:
            with self._path.open("rb") as file:
                raw = file.read(FILE_BYTES_MAX + 1)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise KeyringError(f"{self._path} cannot be read: {error.strerror}") from error
        if len(raw) > FILE_BYTES_MAX:
            raise KeyringError(f"{self._path} is larger than {FILE_BYTES_MAX} bytes: no keyring")
        try:
            texts = json.loads(raw)
        except ValueError:
            texts = None
        if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
            raise KeyringError(f"{self._path} is not a JSON array of base64 keys")
        try:
            return Keyring([key_of(text) for text in texts])
        except ValueError as error:
            raise KeyringError(f"{self._path}: {error}") from None

    def save(self, keyring: Keyring) -> None:
        """Write the keys so that a crash leaves the old file or the new one.

        Raises:
            KeyringError: the disk does not take it.
        """
        text = json.dumps([text_of(key) for key in keyring.keys], indent=2)
        beside = self._path.with_suffix(".new")
        try:
            beside.unlink(missing_ok=True)
            descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            with os.fdopen(descriptor, "w") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            beside.rename(self._path)
            folder = os.open(self._path.parent, os.O_RDONLY | os.O_CLOEXEC)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        except OSError as error:
            raise KeyringError(f"{self._path} cannot be written: {error.strerror}") from error
