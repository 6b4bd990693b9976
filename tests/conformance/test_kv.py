"""The key-value store: reads, writes, conditions, locks without sessions, and what is refused."""

import pytest

from tests.conformance.both_sides import delete, get, put

pytestmark = pytest.mark.conformance

ROWS = [
    # nothing there
    get("kv/none"), get("kv/none?raw"), get("kv/none?keys"), get("kv/none?recurse"), get("kv/?keys"), get("kv/?recurse"), get("kv/"),
    # writes and what they leave
    put("kv/app/x?flags=18446744073709551615", b"test"), get("kv/app/x"), get("kv/app/x?raw"), get("kv/app/x?raw=false"),
    put("kv/app/x?flags=18446744073709551615", b"test"), get("kv/app/x"), put("kv/app/x", b"test"), get("kv/app/x"),
    put("kv/app/sub/y", b""), get("kv/app/sub/y"), get("kv/app/sub/y?raw"), put("kv/app/nothing"), get("kv/app/nothing"),
    put("kv/app/z", {"a": "<&>"}), get("kv/app/z?raw"), put("kv/bin", bytes(range(256))), get("kv/bin"), get("kv/bin?raw"),
    put("kv/uni/%C3%A9", "é".encode()), get("kv/uni/%C3%A9"), get("kv/uni/?keys"), put("kv/sp%20ace", b"1"), get("kv/sp%20ace"), get("kv/sp ace?raw"),
    put("kv/enc%2Fkey", b"1"), get("kv/enc/key"), put("kv/dir/", b"d"), get("kv/dir/"), get("kv/dir"), put("kv/plus+sign", b"1"), get("kv/plus+sign"),
    put("kv/a%3Fb", b"1"), get("kv/a%3Fb"), get("kv/a?b"), put("kv/colon:semi;", b"1"), get("kv/colon:semi;"),
    # lists
    get("kv/app?recurse"), get("kv/app/?recurse"), get("kv/app/?recurse=1"), get("kv/app/?recurse=false"), get("kv/app/?keys"), get("kv/app/?keys=True"),
    get("kv/app/?keys&separator=/"), get("kv/?keys&separator=/"), get("kv/app/?keys&seperator=/"), get("kv/?keys&separator="), get("kv/ap?keys&separator=p"),
    get("kv/app/?keys&recurse"), get("kv/app/x?keys"), get("kv/app/?keys&separator=ub"), get("kv/?recurse&separator=/"), get("kv/app/?recurse&raw"), get("kv/zzz?keys&separator=/"),
    # conditions
    put("kv/app/x?cas=0", b"no"), put("kv/new?cas=0", b"yes"), put("kv/new?cas=1", b"no"), get("kv/new?raw"), put("kv/never?cas=5", b"no"), get("kv/never"),
    delete("kv/none?cas=3"), delete("kv/none?cas=0"), delete("kv/new?cas=0"), delete("kv/new?cas=1"), get("kv/new?raw"),
    # deletes
    delete("kv/new"), get("kv/new"), delete("kv/new"), delete("kv/app/sub/?recurse"), get("kv/app/?keys"), delete("kv/app?recurse=1"), get("kv/app?keys"), delete("kv/zzz?recurse"),
    # refused
    put("kv/app/x?cas=1&acquire=z", b"1"), put("kv/app/x?cas=1&release=z", b"1"), put("kv/app/x?acquire=a&release=b", b"1"), delete("kv/app/x?cas=1&recurse"),
    put("kv/app/x?flags=x", b"1"), put("kv/app/x?flags=-1", b"1"), put("kv/app/x?flags=18446744073709551616", b"1"), put("kv/app/x?cas=x", b"1"), put("kv/app/x?cas=-1", b"1"),
    put("kv/app/x?flags=", b"1"), put("kv/app/x?cas=", b"1"), get("kv/app/x"), delete("kv/app/x?cas=x"), delete("kv/app/x?cas="), delete("kv/app/x?cas=-1"),
    put("kv/", b"1"), delete("kv/"), put("kv", b"1"), get("kv"), get("kv?recurse"), delete("kv/?recurse&cas=0"),
    put("kv/big", b"x" * 524289), put("kv/fits", b"x" * 524288), delete("kv/fits"),
    put("kv/app/x?acquire=11111111-1111-1111-1111-111111111111", b"1"), put("kv/app/x?release=11111111-1111-1111-1111-111111111111", b"1"),
    put("kv/app/x?acquire=", b"1"), put("kv/app/x?release", b"1"), put("kv/app/x?acquire", b"1"),
    # the whole store
    delete("kv/?recurse"), get("kv/?keys"), get("kv/?recurse"),
]  # fmt: skip


def test_the_key_value_store_answers_as_consul_does(pair):
    pair.run("kv", ROWS)
