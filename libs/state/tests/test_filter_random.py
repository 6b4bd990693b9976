"""Random filters: what they mean against a naive reading of the same tree, and that nothing but `FilterError` comes out."""

import random
from collections.abc import Callable
from typing import Any

from lictor_state.filter import FilterError, compile_filter, kinds
from lictor_state.queries import Instance
from lictor_state.rows import CheckRow, NodeRow, ServiceRow, TaggedAddress, Weights

Shown = dict[str, Any]
Judge = Callable[[Shown], bool]
WORDS = ["web", "db", "a", "v1", "v2", "not", "in", "or"]
STATUSES = ["passing", "warning", "critical"]


def random_instance(dice: random.Random) -> tuple[Instance, Shown]:
    """A row and the same as plain data."""
    tags = dice.sample(WORDS, dice.randrange(3))
    meta = {key: dice.choice(WORDS) for key in dice.sample("klm", dice.randrange(3))}
    ports = {key: dice.randrange(3) for key in dice.sample(["lan", "wan"], dice.randrange(3))}
    name, port, override = dice.choice(WORDS), dice.randrange(3), dice.random() < 0.5
    checks = [(dice.choice(STATUSES), dice.sample(WORDS, dice.randrange(2))) for _ in range(dice.randrange(3))]
    row = Instance(
        NodeRow("n1", "", "10.0.0.1", "dc1", meta=meta),
        ServiceRow(
            "n1",
            "s",
            name,
            tags=tuple(tags),
            port=port,
            enable_tag_override=override,
            weights=Weights(port, 1),
            tagged_addresses={key: TaggedAddress("x", value) for key, value in ports.items()},
        ),
        tuple(
            CheckRow("n1", f"c{at}", "c", status, service_tags=tuple(own)) for at, (status, own) in enumerate(checks)
        ),
    )
    shown = {
        "Node": {"Node": "n1", "Meta": meta},
        "Service": {
            "Service": name,
            "Tags": tags,
            "Port": port,
            "EnableTagOverride": override,
            "Weights": {"Passing": port},
            "TaggedAddresses": {key: {"Port": value} for key, value in ports.items()},
        },
        "Checks": [{"Status": status, "ServiceTags": own} for status, own in checks],
    }
    return row, shown


def random_match(dice: random.Random) -> tuple[str, Judge]:
    path, kind = dice.choice(
        [
            ("Service.Service", "text"), ("Checks.Status", "text"), ("Service.Tags", "list"), ("Checks.ServiceTags", "list"),
            ("Node.Meta", "map"), (f"Node.Meta.{dice.choice('klm')}", "text"), ("Service.Port", "number"), ("Service.EnableTagOverride", "truth"),
            ("Service.TaggedAddresses", "map"), (f"Service.TaggedAddresses.{dice.choice(['lan', 'wan'])}.Port", "number"), ("Checks", "objects"),
            ("Service.Weights.Passing", "number"),
        ]
    )  # fmt: skip
    operators = {
        "text": ["==", "!=", "in", "not in", "contains", "not contains", "is empty", "is not empty", "matches", "not matches"],
        "list": ["in", "not in", "contains", "not contains", "is empty", "is not empty"],
        "map": ["in", "not in", "contains", "not contains", "is empty", "is not empty"],
        "objects": ["is empty", "is not empty"], "number": ["==", "!="], "truth": ["==", "!="],
    }  # fmt: skip
    operator = dice.choice(operators[kind])
    value: Any = dice.choice(WORDS + STATUSES + ["lan", "k"])
    if kind == "number":
        value = dice.randrange(3)
    if kind == "truth":
        value = dice.random() < 0.5
    parts = path.split(".")
    return written(dice, path, operator, value), lambda shown: naive(shown, parts, operator, value)


def written(dice: random.Random, path: str, operator: str, value: Any) -> str:
    text = str(value).lower() if isinstance(value, bool) else str(value)
    # (`not not in X` is the denial of `not in X`, so a bare `not` cannot stand before `not in`.)
    bare = f"`{text}`" if (text, operator) == ("not", "not in") else text
    quoted = dice.choice([bare, f'"{text}"', f"`{text}`"])
    blank = dice.choice([" ", "  ", "\n", "\t "])
    head, *rest = path.split(".")
    selector = head + "".join(dice.choice([f".{one}", f'["{one}"]', f"[ `{one}`]"]) for one in rest)
    spaced = blank.join(operator.split(" "))
    if operator in {"in", "not in"}:
        return f"{quoted}{blank}{spaced}{blank}{selector}"
    if operator.startswith("is"):
        return f"{selector}{blank}{spaced}"
    if operator in {"==", "!="} and dice.random() < 0.3:
        return f"{selector}{operator}{quoted}"
    return f"{selector}{blank}{spaced}{blank}{quoted}"


def naive(found: Any, parts: list[str], operator: str, value: Any) -> bool:
    """The meaning read off the rules, part by part."""
    if parts and isinstance(found, list):
        return any(naive(one, parts, operator, value) for one in found)
    if parts:
        if parts[0] not in found:
            return operator not in {"==", "in", "contains", "is not empty"}
        return naive(found[parts[0]], parts[1:], operator, value)
    if operator == "==":
        return bool(found == value)
    if operator == "!=":
        return bool(found != value)
    if operator.startswith("is"):
        return (len(found) == 0) is (operator == "is empty")
    return (value in found) is not operator.startswith("not")


def random_filter(dice: random.Random, depth: int) -> tuple[str, Judge]:
    kind = dice.random()
    if not depth or kind < 0.3:
        return random_match(dice)
    one, first = random_filter(dice, depth - 1)
    if kind < 0.5:
        return f"not {in_brackets(dice, one, always=True)}", lambda shown: not first(shown)
    other, second = random_filter(dice, depth - 1)
    if kind < 0.75:
        return f"({one}) and ({other})", lambda shown: first(shown) and second(shown)
    return f"{in_brackets(dice, one)} or {in_brackets(dice, other)}", lambda shown: first(shown) or second(shown)


def in_brackets(dice: random.Random, text: str, *, always: bool = False) -> str:
    """An `or` may stand without parentheses, for everything binds tighter."""
    return f"( {text} )" if always or dice.random() < 0.5 else text


def test_random_filters_mean_what_the_rules_say() -> None:
    dice = random.Random(7)
    rows = [random_instance(dice) for _ in range(60)]
    held = 0
    for _ in range(2000):
        text, judge = random_filter(dice, 4)
        holds = compile_filter(text, kinds.HEALTH)
        for row, shown in dice.sample(rows, 6):
            assert holds(row) is judge(shown), (text, shown)
            held += holds(row)
    assert 2000 < held < 10_000  # neither always nor never


PIECES = [
    "Node", "Service", "Checks", ".", ".Meta", "[", "]", '["k"]', "==", "!=", "in", "not", "contains", "matches", "is", "empty", "and", "or", "(", ")", " ", "\n",
    '"', "`", '"x"', "`y`", "1", "-2", "0x1", "1.5", "Status", "web", "\\", '"\\n"', "ü", "\x00", "not in", "is not empty", "Service.Port", "Checks.Status", '"("', '"a+"',
]  # fmt: skip


def test_whatever_is_written_is_taken_or_refused_and_never_fails_later() -> None:
    dice = random.Random(11)
    taken = 0
    instance, _ = random_instance(dice)
    for _ in range(20_000):
        text = dice.choice(["", " "]).join(dice.choice(PIECES) for _ in range(dice.randrange(9)))
        if dice.random() < 0.5:
            text = f"Service.Service == web and {text}"
        for kind in (kinds.HEALTH, kinds.CHECK):
            try:
                holds = compile_filter(text, kind)
            except FilterError:
                continue
            taken += 1
            holds(instance if kind is kinds.HEALTH else CheckRow("n1", "c", "c", "passing"))
    assert taken > 10


def test_a_filter_with_a_piece_cut_off_or_put_in_never_ends_in_another_error() -> None:
    dice = random.Random(13)
    instance, _ = random_instance(dice)
    for _ in range(3000):
        text, _ = random_filter(dice, 3)
        at = dice.randrange(len(text) + 1)
        damaged = text[:at] + dice.choice([*PIECES, ""]) + text[at + dice.randrange(3) :]
        try:
            compile_filter(damaged, kinds.HEALTH)(instance)
        except FilterError:
            continue
