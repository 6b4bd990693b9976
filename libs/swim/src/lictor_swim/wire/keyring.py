"""Gossip encryption: AES-GCM under a ring of keys, the first of which encrypts.

A sealed block is: version (1 byte), nonce (12), ciphertext, tag (16). Version 1 is what every deployment sends; version
0 pads the plaintext to 16 bytes first and is still accepted. Decryption tries every key, so keys can be rotated:
install everywhere, use everywhere, remove the old one. Nonces are passed in; this module rolls no dice.
"""

from collections.abc import Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from lictor_swim.wire.errors import WireError

KEY_BYTES = (16, 24, 32)
KEYS_MAX = 40
"""Most keys in a ring: each one costs a trial decryption of every foreign packet. Serf lists at most 40."""

NONCE_BYTES = 12
_TAG_BYTES = 16
_BLOCK_BYTES = 16
OVERHEAD_BYTES = 1 + NONCE_BYTES + _TAG_BYTES
"""What sealing with version 1 adds to a message."""

_PADDED = 0
_UNPADDED = 1


class Keyring:
    """Keys for sealing and opening; immutable, so a rotation makes a new ring.

    Args:
        keys: AES keys of 16, 24 or 32 bytes; the first one seals.

    Raises:
        ValueError: no key, too many keys, or a key of another length.
    """

    __slots__ = ("_ciphers", "keys")

    def __init__(self, keys: Sequence[bytes]) -> None:
        if not 1 <= len(keys) <= KEYS_MAX:
            raise ValueError(f"a keyring holds 1 to {KEYS_MAX} keys, not {len(keys)}")
        for key in keys:
            if len(key) not in KEY_BYTES:
                raise ValueError(f"a gossip key has 16, 24 or 32 bytes, not {len(key)}")
        self.keys = tuple(dict.fromkeys(keys))
        self._ciphers = tuple(AESGCM(key) for key in self.keys)

    def seal(self, plaintext: bytes, nonce: bytes, associated: bytes = b"") -> bytes:
        """Encrypt under the first key with version 1; `nonce` (12 bytes) must never repeat under one key."""
        assert len(nonce) == NONCE_BYTES, "AES-GCM nonces have 12 bytes"
        return bytes((_UNPADDED,)) + nonce + self._ciphers[0].encrypt(nonce, plaintext, associated)

    def open(self, block: bytes, associated: bytes = b"") -> bytes:
        """Decrypt with whichever key fits.

        Raises:
            WireError: too short, an unknown version, or no key fits. The texts are memberlist's, peers show them.
        """
        if not block:
            raise WireError("Cannot decrypt empty payload")
        version = block[0]
        if version > _UNPADDED:
            raise WireError(f"Unsupported encryption version {version}")
        shortest = OVERHEAD_BYTES + (_BLOCK_BYTES if version == _PADDED else 0)
        if len(block) < shortest:
            raise WireError(f"Payload is too small to decrypt: {len(block)}")
        nonce, sealed = block[1 : 1 + NONCE_BYTES], block[1 + NONCE_BYTES :]
        for cipher in self._ciphers:
            try:
                plaintext = cipher.decrypt(nonce, sealed, associated)
            except InvalidTag:
                continue
            return _unpad(plaintext) if version == _PADDED else plaintext
        raise WireError("No installed keys could decrypt the message")


def _unpad(plaintext: bytes) -> bytes:
    padding = plaintext[-1] if plaintext else 0
    if not 1 <= padding <= min(_BLOCK_BYTES, len(plaintext)):
        raise WireError("padding of an encrypted message is not between 1 and 16")
    return plaintext[:-padding]
