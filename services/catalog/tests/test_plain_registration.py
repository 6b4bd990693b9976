"""Plain registrations: what they become in one step is what the long way makes of them, and the rest is left to it."""

import json
import random
from typing import Any

import pytest

from lictor_catalog import catalog_registration
from lictor_catalog.errors import ApiError
from lictor_catalog.plain_registration import plain_registration

TEXTS: list[Any] = ["", "web", "caf\u00e9", "\U0001f600", "x" * 600, "0.0.0.0", None, 7, True]
PORTS: list[Any] = [0, 80, 65535, 65536, -1, 1 << 63, 1 << 64, 80.0, "80", None, True]
MAPS: list[Any] = [{}, {"a": "b"}, {"": "b"}, {"consul-x": "b"}, {"a": None}, {"a": 1}, None, [], {"k": "x" * 513}]
LISTS: list[Any] = [[], ["v1"], ["a", "b", "a"], ["a", None], [1], None, "v1", {}]


def _mostly(dice: random.Random, good: Any, others: list[Any]) -> Any:
    return good if dice.random() < 0.9 else dice.choice(others)


def _some(dice: random.Random, fields: dict[str, Any]) -> dict[str, Any]:
    chosen = {name: value for name, value in fields.items() if dice.random() < 0.8}
    if dice.random() < 0.1:
        chosen[dice.choice(["Weights", "Kind", "ID", "Definition", "SkipNodeUpdate", "Adress"])] = dice.choice(TEXTS)
    if dice.random() < 0.1 and chosen:
        name = dice.choice(list(chosen))
        chosen[dice.choice([name.lower(), name.upper()])] = chosen.pop(name)
    return chosen


def _check(dice: random.Random) -> dict[str, Any]:
    fields = ("CheckID", "Name", "Status", "Notes", "Output", "ServiceID", "Node")
    return _some(dice, {name: _mostly(dice, f"a {name}", TEXTS) for name in fields})


def _body(dice: random.Random) -> bytes:
    service = _some(dice, {
        "Service": _mostly(dice, "web", TEXTS),
        "ID": _mostly(dice, "web-1", TEXTS),
        "Tags": _mostly(dice, ["v1", "primary"], LISTS),
        "Address": _mostly(dice, "10.0.0.9", TEXTS),
        "Port": _mostly(dice, 80, PORTS),
        "Meta": _mostly(dice, {"team": "a"}, MAPS),
    })  # fmt: skip
    whole = _some(dice, {
        "Node": _mostly(dice, "m1", TEXTS),
        "Address": _mostly(dice, "10.0.0.1", TEXTS),
        "Datacenter": _mostly(dice, "dc1", TEXTS),
        "NodeMeta": _mostly(dice, {"rack": "7"}, MAPS),
        "Service": _mostly(dice, service, [None, {}, [], "web"]),
        "Check": _mostly(dice, _check(dice), [None, {}, [], "alive"]),
        "Checks": _mostly(dice, [_check(dice) for _ in range(dice.randrange(3))], LISTS),
    })  # fmt: skip
    raw = json.dumps(whole, ensure_ascii=dice.random() < 0.5).encode()
    if dice.random() < 0.1:
        raw = dice.choice([raw[:-1], raw + b"}", raw + b" \n", b" " + raw, raw.replace(b"m1", b"m\xff"), b"", b"null"])
    return raw


@pytest.mark.parametrize("seed", range(8))
def test_both_ways_make_the_same_command(seed: int) -> None:
    dice = random.Random(seed)
    plain = 0
    for _ in range(1000):
        raw = _body(dice)
        quick = plain_registration(raw, "dc1")
        if quick is not None:
            plain += 1
            assert quick == catalog_registration.judged_registration(raw, "dc1"), raw
            assert catalog_registration.register(raw, "dc1") == quick
    assert plain > 100


@pytest.mark.parametrize(
    "raw",
    [
        b'{"Node":"m1","Address":"10.0.0.9"}',
        b'{"Node":"m1","Address":"10.0.0.9","Service":{"ID":"web-1","Service":"web","Port":80}}',
        b'{"Node":"m1","Address":"a","Service":null,"Check":{"Name":"alive","Status":"passing"},"Node":"m2"}',
    ],
)
def test_what_clients_usually_send_is_plain(raw: bytes) -> None:
    quick = plain_registration(raw, "dc1")
    assert quick is not None
    assert quick == catalog_registration.judged_registration(raw, "dc1")


@pytest.mark.parametrize(
    "raw",
    [
        b'{"node":"m1","Address":"10.0.0.9"}',
        b'{"Node":"m1","Address":"10.0.0.9","Adress":""}',
        b'{"Node":"m1","Address":"10.0.0.9","Datacenter":"dc2"}',
        b'{"Node":"m1","Address":"10.0.0.9","Service":{"Service":"web","Address":"0.0.0.0"}}',
        b'{"Node":"m1","Address":"10.0.0.9","Service":{"Service":"web","Meta":{"consul-a":"b"}}}',
        b'{"Node":"m1"}',
        b'{"Address":"10.0.0.9"}',
        b'{"Node":"m1","Address":"10.0.0.9"} {}',
        b"{" * 2000,
        b"",
    ],
)
def test_every_other_body_is_left_to_the_long_way(raw: bytes) -> None:
    assert plain_registration(raw, "dc1") is None
    try:
        assert catalog_registration.register(raw, "dc1") == catalog_registration.judged_registration(raw, "dc1")
    except ApiError:
        with pytest.raises(ApiError):
            catalog_registration.judged_registration(raw, "dc1")
