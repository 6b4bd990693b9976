"""What a reply holds when not everything fits, rule by rule, with dnspython as the reader."""

import dns.flags
import dns.message
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lictor_dnswire import (
    SRV,
    TXT,
    A,
    AnswerTemplate,
    Message,
    Name,
    Opt,
    Record,
    answer_template,
    encode_reply,
    owned_template,
    parse_message,
    parse_question,
    record_bytes,
    record_group,
    srv_template,
)

N = Name.from_text
QUERY = dns.message.make_query("web.service.consul", "SRV", use_edns=0)
QUESTION = parse_question(QUERY.to_wire())
START = 12 + len(QUESTION.section()) + len(Opt().to_wire())


def srv(number: int, *, extra: bool = False, addresses: int = 1) -> AnswerTemplate:
    """60 bytes with its address: 44 of SRV, 16 of address, each owner a pointer."""
    target = N(f"node-{number:03}.node.dc1.consul")
    texts = (record_group(target, [TXT((b"x" * 40,))], 0),)
    data = [A(bytes((10, 0, number // 256, number % 256)))] * addresses
    return answer_template(SRV(1, 1, 80, target), 0, data, extra=texts if extra else ())


def reply(
    answers: list[AnswerTemplate],
    size: int,
    *,
    answers_max: int | None = None,
    mark_truncated: bool = True,
    compress: bool = True,
) -> tuple[Message, int]:
    wire = encode_reply(
        QUESTION,
        answers,
        max_bytes=size,
        edns=Opt(),
        answers_max=answers_max,
        mark_truncated=mark_truncated,
        compress=compress,
    )
    theirs = dns.message.from_wire(wire, one_rr_per_rrset=True)
    mine = parse_message(wire)
    assert (len(theirs.answer), len(theirs.additional)) == (len(mine.answers), len(mine.additionals))
    return mine, len(wire)


def test_answers_are_left_out_until_the_rest_has_its_addresses() -> None:
    answers = [srv(number) for number in range(40)]
    mine, size = reply(answers, START + 20 * 60 + 59)
    assert (len(mine.answers), len(mine.additionals), size) == (20, 20, START + 20 * 60)
    assert [record.name for record in mine.additionals] == [
        N(f"node-{number:03}.node.dc1.consul") for number in range(20)
    ]
    assert mine.header.truncated


def test_extras_are_told_all_or_none_and_their_loss_is_not() -> None:
    answers = [srv(number, extra=True) for number in range(10)]
    whole, size = reply(answers, 4096)
    assert len(whole.additionals) == 20
    bare, _ = reply(answers, size - 1)
    assert (len(bare.answers), len(bare.additionals), bare.header.truncated) == (10, 10, False)


def test_one_answer_stays_even_without_its_addresses() -> None:
    mine, _ = reply([srv(1, addresses=40), srv(2)], 512)
    assert (len(mine.answers), len(mine.additionals)) == (1, 0)


def test_sizes_count_uncompressed_where_few_answers_are_given() -> None:
    answers = [srv(number) for number in range(20)]
    each = (44 - 2 + 20) + (26 + 14)  # both owners spelt out
    for size, kept in [(START + 8 * each, 8), (START + 8 * each - 1, 7), (START + 5 * each, 5)]:
        mine, _ = reply(answers, size, answers_max=8)
        assert len(mine.answers) == kept
    mine, used = reply(answers, 512, answers_max=8)
    assert (len(mine.answers), len(mine.additionals)) == (4, 4)
    assert used < 300, "what is sent is compressed all the same"


@pytest.mark.parametrize("marked", [False, True])
def test_what_was_left_out_is_told_where_that_is_wished(marked: bool) -> None:
    answers = [srv(number) for number in range(40)]
    for more in ({"answers_max": 3}, {}):
        mine, _ = reply(answers, 512, mark_truncated=marked, **more)  # type: ignore[arg-type]
        assert mine.header.truncated == marked


def test_authority_and_groups_take_what_room_is_left() -> None:
    soa_like = [record_bytes(Record(N("consul"), 0, TXT((b"x" * 30,))))] * 3
    groups = [record_group(N("a.consul"), [TXT((b"y" * 100,))] * 2, 0), record_group(None, [TXT((b"z",))], 5)]
    for size, counts in [(512, (1, 3, 3)), (4096, (1, 3, 3))]:
        wire = encode_reply(QUESTION, [srv(1)], max_bytes=size, authority=soa_like, additional=groups[1:])
        mine = parse_message(wire)
        assert len(mine.authorities) == counts[1]
    wire = encode_reply(QUESTION, [srv(1)], max_bytes=512, additional=groups)
    assert [record.name for record in parse_message(wire).additionals][-1] == N("web.service.consul")


def test_ready_made_targets_say_what_encoded_ones_say() -> None:
    target = N("node-1.node.dc1.consul")
    one = answer_template(SRV(1, 7, 80, target), 5, [A(bytes(4))])
    assert srv_template((1, 7, 80), target.to_wire(), 5, [A(bytes(4))]) == one
    assert srv_template((1, 7, 80), target.to_wire(), 5) == answer_template(SRV(1, 7, 80, target), 5)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 20), st.booleans(), st.integers(1, 3)), max_size=30),
    st.integers(512, 3000),
    st.none() | st.integers(1, 8),
    st.booleans(),
    st.booleans(),
)
def test_whatever_is_asked_for_the_reply_fits_and_is_a_prefix_with_its_addresses(
    shapes: list[tuple[int, bool, int]], size: int, most: int | None, compress: bool, owned: bool
) -> None:
    answers = [srv(number, extra=extra, addresses=count) for number, extra, count in shapes]
    if owned:
        answers.append(owned_template(Record(N("other.consul"), 0, A(bytes(4)))))
    mine, used = reply(answers, size, answers_max=most, compress=compress)
    assert used <= size
    whole, _ = reply(answers, 65535)
    assert mine.answers == whole.answers[: len(mine.answers)]
    assert len(mine.answers) <= (most or len(answers))
    assert mine.header.truncated == (len(mine.answers) < len(answers))
    if answers and not mine.answers:
        raise AssertionError("one answer always fits here")
    owners = {record.name for record in mine.additionals}
    targets = {record.rdata.target for record in mine.answers if isinstance(record.rdata, SRV)}
    assert owners <= targets
    assert owners == targets or len(mine.answers) == 1
