"""The same data for both systems: ten instances of `web` with a passing check, and KV keys.

The instances are nodes of their own, written through the catalog, so that neither system's health checks or
gossip touch them. Addresses differ, so that DNS has ten records to choose from.
"""

import time
import urllib.request
from typing import Any

import dns.exception
import dns.message
import dns.query
import dns.rcode

from benchmarks.http_call import HttpCallError, call, get, put
from benchmarks.systems.system import Target, UnavailableError, wait_until

SERVICE = "web"
INSTANCES = 10
KEYS = 100
KEY_PREFIX = "bench/read/"
VALUE_BYTES = 128
DNS_NAME = f"{SERVICE}.service.consul."
VISIBLE_LIMIT_S = 15.0
DNS_TIMEOUT_S = 2.0

SETTLE_S = 1.0
"""Writes of the set-up reach every follower's disk and every view before the first round."""


def registration(number: int) -> dict[str, Any]:
    """The body of `PUT /v1/catalog/register` for one instance of `web`, numbered from 1."""
    return {
        "Node": f"web-{number}",
        "Address": f"127.1.0.{number}",
        "Service": {"ID": f"web-{number}", "Service": SERVICE, "Port": 8000 + number, "Tags": ["v1"]},
        "Check": {
            "CheckID": f"web-{number}",
            "Name": "web answers",
            "Status": "passing",
            "ServiceID": f"web-{number}",
        },
    }


def instance_of(service: str, number: int) -> dict[str, Any]:
    """The body of a registration: one instance of a service without a check, on one of a hundred further nodes."""
    node = f"many-{number % 100}"
    entry = {"ID": service, "Service": service, "Address": f"127.2.{number >> 8}.{number & 255}", "Port": 8000}
    return {"Node": node, "Address": f"127.1.1.{number % 100}", "Service": entry}


def load(written: Target, all_targets: list[Target]) -> None:
    """Write the data through one address, and wait until every address of the system shows it.

    Raises:
        UnavailableError: a write failed, or the data did not show.
    """
    try:
        for number in range(1, INSTANCES + 1):
            put(f"{written.http}/v1/catalog/register", registration(number))
        for number in range(KEYS):
            call("PUT", f"{written.http}/v1/kv/{KEY_PREFIX}{number}", value(number))
    except HttpCallError as error:
        raise UnavailableError(str(error)) from error
    for target in all_targets:
        wait_until(lambda target=target: _shows(target), VISIBLE_LIMIT_S, f"{target.name} did not show the data")  # type: ignore[misc]
    time.sleep(SETTLE_S)


def value(number: int) -> bytes:
    """The value of a key, `VALUE_BYTES` long."""
    return f"value {number} ".encode().ljust(VALUE_BYTES, b"x")


def index(target: Target, path: str) -> int:
    """The index that an answer is reported with.

    Raises:
        UnavailableError: no answer, or one without an index.
    """
    try:
        with urllib.request.urlopen(target.http + path, timeout=VISIBLE_LIMIT_S) as answer:
            return int(answer.headers["X-Consul-Index"])
    except (OSError, TypeError, ValueError) as error:
        raise UnavailableError(f"{target.name} tells no index of {path}: {error}") from error


def addresses(target: Target, name: str = DNS_NAME) -> int:
    """How many A records one DNS answer holds, asked over UDP without EDNS, as the load generator asks.

    A name that does not exist has none.

    Raises:
        UnavailableError: no answer, or another code than NOERROR and NXDOMAIN.
    """
    question = dns.message.make_query(name, "A", use_edns=False)
    try:
        answer = dns.query.udp(question, target.host, port=target.dns_port, timeout=DNS_TIMEOUT_S)
    except (OSError, dns.exception.DNSException) as error:
        raise UnavailableError(f"{target.name} does not answer DNS: {str(error) or type(error).__name__}") from error
    if answer.rcode() not in {dns.rcode.NOERROR, dns.rcode.NXDOMAIN}:
        raise UnavailableError(f"{target.name} answers {dns.rcode.to_text(answer.rcode())} for {name}")
    return sum(len(rrset) for rrset in answer.answer)


def _shows(target: Target) -> bool:
    try:
        instances = get(f"{target.http}/v1/health/service/{SERVICE}?passing&stale")
        keys = get(f"{target.http}/v1/kv/{KEY_PREFIX}?keys&stale")
    except HttpCallError:
        return False
    return len(instances) == INSTANCES and len(keys) == KEYS
