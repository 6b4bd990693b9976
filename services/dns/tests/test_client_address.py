"""Addresses as a socket tells them."""

import pytest

from lictor_dns.client_address import packed_address


@pytest.mark.parametrize(
    ("text", "packed"),
    [
        ("127.0.0.1", b"\x7f\0\0\1"),
        ("2001:db8::1", b"\x20\x01\x0d\xb8" + bytes(11) + b"\1"),
        ("fe80::1%eth0", b"\xfe\x80" + bytes(13) + b"\1"),
        ("::ffff:10.0.0.1", b"\x0a\0\0\1"),
    ],
)
def test_an_address_is_read_as_bytes(text, packed):
    assert packed_address(text) == packed
