"""Connect: intentions in their legacy and their exact form, matches, decisions, and the authority's roots."""

import pytest

from tests.conformance.both_sides import delete, get, post, put

pytestmark = pytest.mark.conformance

NOBODY = "00000000-0000-4000-8000-00000000abcd"

ROWS = [
    get("connect/intentions"), post("connect/intentions", {"SourceName": "web", "DestinationName": "db", "Action": "deny"}, keep="one"), post("connect/intentions", {"SourceName": "*", "DestinationName": "db", "Action": "allow", "Description": "<d>", "Meta": {"a": "b"}}, keep="two"), post("connect/intentions", {"SourceName": "*", "DestinationName": "*", "Action": "deny"}, keep="three"), post("connect/intentions", {"SourceName": "api", "DestinationName": "*", "Action": "allow"}, keep="four"),
    get("connect/intentions"), get("connect/intentions/{one}"), get("connect/intentions/{two}"), get(f"connect/intentions/{NOBODY}"), get("connect/intentions/no-uuid"),
    post("connect/intentions", {"SourceName": "web", "DestinationName": "db", "Action": "allow"}), post("connect/intentions", {"SourceName": "x", "DestinationName": "db", "Action": "odd"}), post("connect/intentions", {"SourceName": "x", "DestinationName": "db"}), post("connect/intentions", {"DestinationName": "db", "Action": "allow"}), post("connect/intentions", {"SourceName": "x", "Action": "allow"}),
    post("connect/intentions", {"SourceName": "w*", "DestinationName": "db", "Action": "allow"}), post("connect/intentions", {"SourceName": "x", "DestinationName": "db", "Action": "allow", "SourceType": "odd"}), post("connect/intentions", {"SourceName": "x", "DestinationName": "db", "Action": "allow", "Foo": 1}), post("connect/intentions", b""), post("connect/intentions", b"{"), post("connect/intentions", {"ID": NOBODY, "SourceName": "x", "DestinationName": "y", "Action": "allow"}),
    post("connect/intentions", {"SourceName": "x", "DestinationName": "y", "Action": "allow", "SourceNS": "other"}), post("connect/intentions", {"SourceName": "x", "DestinationName": "y", "Action": "allow", "Description": "d" * 513}),
    put(f"connect/intentions/{NOBODY}", {"SourceName": "x", "DestinationName": "y", "Action": "deny"}), put("connect/intentions/{one}", {"SourceName": "web", "DestinationName": "db", "Action": "allow", "Description": "new"}), get("connect/intentions/{one}"), put("connect/intentions/{one}", b""), put("connect/intentions/no-uuid", {"SourceName": "x", "DestinationName": "y", "Action": "deny"}),
    get("connect/intentions/match?by=destination&name=db"), get("connect/intentions/match?by=destination&name=db&name=none"), get("connect/intentions/match?by=source&name=web"), get("connect/intentions/match?by=source&name=api"), get("connect/intentions/match"), get("connect/intentions/match?by=odd&name=db"), get("connect/intentions/match?by=source"), get("connect/intentions/match?by=source&name=default/web"),
    get("connect/intentions/check?source=web&destination=db"), get("connect/intentions/check?source=none&destination=db"), get("connect/intentions/check?source=api&destination=free"), get("connect/intentions/check?source=web&destination=free"), get("connect/intentions/check"), get("connect/intentions/check?source=web"), get("connect/intentions/check?source=web&destination=db&source-type=odd"), get("connect/intentions/check?source=*&destination=db"),
    delete("connect/intentions/{four}"), get("connect/intentions/{four}"), delete("connect/intentions/{four}"), delete(f"connect/intentions/{NOBODY}"), delete("connect/intentions/no-uuid"), get("connect/intentions?dc=dc9"),
    # by source and destination: newer than the peer
    get("connect/intentions/exact?source=web&destination=db"), put("connect/intentions/exact?source=a&destination=b", {"Action": "allow"}), delete("connect/intentions/exact?source=a&destination=b"),
    # the authority
    get("connect/ca/roots", only_shape=True), get("connect/ca/roots?pem=x"), get("connect/ca/configuration", only_shape=True), put("connect/ca/roots"), post("connect/ca/configuration"), put("connect/intentions"), post("connect/intentions/{one}"), post("connect/intentions/match"), put("connect/intentions/check"), get("connect/nothing"), get("discovery-chain/web"),
]  # fmt: skip


def test_intentions_and_the_authority_answer_as_consul_does(pair):
    pair.run("connect", ROWS)
