"""For whom recursors are asked."""

from ipaddress import ip_address

import dns.message
import dns.rcode
import pytest

from lictor_dns.client_networks import NETWORKS_MAX, PRIVATE, Networks
from lictor_dns.outcome import Recurse


@pytest.mark.parametrize(
    ("address", "held"),
    [
        ("127.0.0.1", True),
        ("10.255.255.255", True),
        ("172.15.255.255", False),
        ("172.31.0.1", True),
        ("192.168.7.7", True),
        ("100.64.0.1", True),
        ("8.8.8.8", False),
        ("0.0.0.0", False),
        ("::1", True),
        ("::2", False),
        ("fd12::1", True),
        ("fe80::1", True),
        ("2001:db8::1", False),
        ("::7f00:1", False),  # the bytes of 127.0.0.1, in another family
    ],
)
def test_loopback_and_private_networks_are_those_of_the_default(address, held):
    assert (ip_address(address).packed in Networks.from_text(PRIVATE)) == held


def test_single_addresses_and_everybody_can_be_named_and_an_empty_list_is_nobody():
    assert ip_address("192.0.2.7").packed in Networks.from_text(" 192.0.2.7 , 2001:db8::/32,")
    assert ip_address("192.0.2.8").packed not in Networks.from_text("192.0.2.7")
    assert ip_address("192.0.2.8").packed in Networks.from_text("0.0.0.0/0")
    assert ip_address("127.0.0.1").packed not in Networks.from_text("")


@pytest.mark.parametrize("text", ["10.0.0.1/8", "10.0.0.0/33", "example.com", "10.0.0.0/8;::1"])
def test_what_is_no_network_is_refused_by_name(text):
    with pytest.raises(ValueError, match="is no network"):
        Networks.from_text(text)


def test_too_many_networks_are_refused():
    with pytest.raises(ValueError, match=f"at most {NETWORKS_MAX}"):
        Networks(f"10.0.{number}.0/24" for number in range(NETWORKS_MAX + 1))


def test_a_stranger_is_refused_and_still_gets_the_domain(make_world):
    world = make_world(recursion=True)
    world.instance(1)
    stranger, friend = ip_address("203.0.113.9").packed, ip_address("10.1.2.3").packed
    query = dns.message.make_query("example.com.", "A").to_wire()
    for answer in (world.responder.answer_udp, world.responder.answer_tcp):
        assert isinstance(answer(query, friend), Recurse)
        assert dns.message.from_wire(answer(query, stranger)).rcode() == dns.rcode.REFUSED
    ours = dns.message.make_query("web.service.consul.", "A").to_wire()
    assert dns.message.from_wire(world.responder.answer_udp(ours, stranger)).answer


def test_an_answer_that_recursors_complete_is_not_replaced_by_one_that_a_stranger_got(make_world):
    world = make_world(recursion=True)
    world.instance(1, address="www.example.com")
    stranger, friend = ip_address("203.0.113.9").packed, ip_address("10.1.2.3").packed
    query = dns.message.make_query("web.service.consul.", "A").to_wire()
    for _ in range(2):
        assert isinstance(world.responder.answer_udp(query, stranger), bytes)
        assert isinstance(world.responder.answer_udp(query, friend), Recurse)
