"""User events: fired and listed."""

import pytest

from tests.conformance.both_sides import get, post, put

pytestmark = pytest.mark.conformance

ROWS = [
    get("event/list?name=none"), put("event/fire/deploy"), put("event/fire/deploy", b"1.2.3"), put("event/fire/other?node=node&service=web&tag=v1", b"x"), put("event/fire/with%2Fslash"), put("event/fire/node-only?node=node-1"), put("event/fire/nobody?node=zzz"),
    get("event/list?name=deploy", settles=True), get("event/list?name=with/slash", settles=True), get("event/list?name=node-only", settles=True), get("event/list?name=nobody"), get("event/list?name=other"),
    put("event/fire/"), put("event/fire/x?tag=v1"), put("event/fire/x?node=("), put("event/fire/x?service=("), put("event/fire/big", b"x" * 600), put("event/fire/x?dc=dc9"), post("event/fire/deploy"), get("event/fire/deploy"), put("event/list"), get("event/list?index=x"), get("event/list?wait=x"), get("event/nothing"),
]  # fmt: skip


def test_events_are_those_of_consul(pair):
    pair.run("event", ROWS)
