"""DNS cookies: RFC 9018's own examples, lives, rotation and bounds; the hash by its authors' vectors."""

import random

import pytest

from lictor_dns.cookies import HASHES_PER_S, KNOWN_MAX, CookieError, Cookies, secrets_of
from lictor_dns.siphash import siphash24

SECRET = bytes.fromhex("e5e973e5a6b2a43f48e7dc849e37bfcf")
OLD, NEW = bytes.fromhex("dd3bdf9344b678b185a6f5cb60fca715"), bytes.fromhex("445536bcd2513298075a5d379663c962")
CLIENT = bytes((198, 51, 100, 100))
OTHER = bytes((203, 0, 113, 203))
SIX = bytes.fromhex("20010db8022000 0159ded0f4876982b8".replace(" ", ""))
NOW = 1559731985


@pytest.mark.parametrize(
    ("length", "expected"),
    [
        (0, "310e0edd47db6f72"),
        (1, "fd67dc93c539f874"),
        (7, "37d1018bf50002ab"),
        (8, "6224939a79f5f593"),
        (15, "e545be4961ca29a1"),
        (16, "db9bc2577fcc2a3f"),
    ],
)
def test_the_hash_is_that_of_its_authors(length, expected):
    assert siphash24(bytes(range(16)), bytes(range(length))).hex() == expected


def test_a_new_cookie_is_that_of_rfc_9018_a_1():
    judged = Cookies([SECRET]).judge(bytes.fromhex("2464c4abcf10c957"), CLIENT, NOW)
    assert judged.option.hex() == "2464c4abcf10c957010000005cf79f111f8130c3eee29480"
    assert not judged.good


def test_the_same_client_gets_a_fresh_one_after_half_an_hour_as_in_a_2():
    shown = bytes.fromhex("2464c4abcf10c957010000005cf79f111f8130c3eee29480")
    later = 1559734385
    judged = Cookies([SECRET]).judge(shown, CLIENT, later)
    assert judged.good
    assert judged.option.hex() == "2464c4abcf10c957010000005cf7a871d4a564a1442aca77"


def test_reserved_bytes_count_and_are_not_repeated_as_in_a_3():
    shown = bytes.fromhex("fc93fc62807ddb8601abcdef5cf78f71a314227b6679ebf5")
    assert Cookies([SECRET]).judge(shown, OTHER, 1559727985 + 60).good
    judged = Cookies([SECRET]).judge(shown, OTHER, 1559734700)
    assert not judged.good, "it is older than an hour"
    assert judged.option.hex() == "fc93fc62807ddb86010000005cf7a9acf73a7810aca2381e"


def test_an_ipv6_client_and_a_replaced_secret_as_in_a_4():
    shown = bytes.fromhex("22681ab97d52c298010000005cf7c57926556bd0934c72f8")
    judged = Cookies([NEW, OLD]).judge(shown, SIX, 1559741961)
    assert judged.good
    assert judged.option.hex() == "22681ab97d52c298010000005cf7c609a6bb79d16625507a"


@pytest.mark.parametrize(("age_s", "good", "same"), [
    (0, True, True),
    (1799, True, True),
    (1800, True, False),
    (3600, True, False),
    (3601, False, False),
    (-300, True, True),
    (-301, False, False),
])  # fmt: skip
def test_a_cookie_lives_an_hour_and_is_replaced_after_half_of_it(age_s, good, same):
    cookies = Cookies([SECRET])
    shown = cookies.judge(bytes(8), CLIENT, NOW).option
    for _ in range(2):  # hashed, and remembered
        judged = cookies.judge(shown, CLIENT, NOW + age_s)
        assert judged.good is good
        assert (judged.option == shown) is same


def test_a_clock_that_wraps_is_no_trouble():
    cookies = Cookies([SECRET])
    shown = cookies.judge(bytes(8), CLIENT, 2**32 - 10).option
    assert cookies.judge(shown, CLIENT, 2**32 + 10).good


def test_a_cookie_is_good_for_its_client_and_its_address_alone():
    cookies = Cookies([SECRET])
    shown = cookies.judge(b"abcdefgh", CLIENT, NOW).option
    assert cookies.judge(shown, CLIENT, NOW).good
    assert not cookies.judge(shown, OTHER, NOW).good
    assert not cookies.judge(b"x" + shown[1:], CLIENT, NOW).good
    assert not cookies.judge(shown[:8] + b"\2" + shown[9:], CLIENT, NOW).good
    assert not cookies.judge(shown + b"more than", CLIENT, NOW).good


def test_any_other_bit_makes_it_bad():
    cookies = Cookies([SECRET])
    shown = cookies.judge(b"abcdefgh", CLIENT, NOW).option
    for bit in range(8 * len(shown)):
        changed = bytearray(shown)
        changed[bit // 8] ^= 1 << bit % 8
        assert not cookies.judge(bytes(changed), CLIENT, NOW).good, bit


@pytest.mark.parametrize("length", [0, 7, 9, 15, 41, 100])
def test_a_length_that_no_cookie_has_is_malformed(length):
    with pytest.raises(CookieError):
        Cookies([SECRET]).judge(bytes(length), CLIENT, NOW)


def test_a_secret_that_is_taken_out_makes_its_cookies_bad():
    cookies = Cookies([OLD])
    shown = cookies.judge(bytes(8), CLIENT, NOW).option
    cookies.replace([OLD, NEW])
    assert cookies.judge(shown, CLIENT, NOW).good
    cookies.replace([NEW, OLD])
    fresh = cookies.judge(bytes(8), CLIENT, NOW).option
    assert fresh != shown
    for _ in range(2):
        judged = cookies.judge(shown, CLIENT, NOW)
        assert judged.good
        assert judged.option == fresh, "the client moves on to the new secret at once"
    cookies.replace([NEW])
    assert not cookies.judge(shown, CLIENT, NOW).good
    assert cookies.judge(fresh, CLIENT, NOW).good


def test_hashes_are_bounded_each_second_and_known_cookies_need_none():
    cookies = Cookies([SECRET])
    shown = cookies.judge(bytes(8), CLIENT, NOW).option
    assert cookies.judge(shown, CLIENT, NOW).good
    dice = random.Random(1)
    made = [cookies.judge(dice.randbytes(8), CLIENT, NOW).option for _ in range(HASHES_PER_S + 10)]
    assert made.count(b"") == 12
    assert cookies.judge(shown, CLIENT, NOW).good
    assert cookies.judge(bytes(8), CLIENT, NOW + 1).option
    assert len(cookies._known) <= KNOWN_MAX


def test_secrets_are_32_hex_digits_between_commas_or_lines():
    assert secrets_of(f"{SECRET.hex()},{OLD.hex()}\n {NEW.hex().upper()}") == (SECRET, OLD, NEW)
    assert secrets_of("") == ()
    for wrong in ("abc", SECRET.hex()[:-1] + "g", SECRET.hex() + "00"):
        with pytest.raises(ValueError, match="32 hex digits") as refused:
            secrets_of(wrong)
        assert wrong not in str(refused.value)
