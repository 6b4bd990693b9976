"""The rows of DNS: records of a service with ten instances, over UDP.

One row asks the same question again and again, as most clients of a service do: a system may keep its replies ready.
Another never repeats a spelling (resolvers mix the case of letters as a nonce), one asks for many services in turn. One
holds a rate below the most that the system can do and looks at latency; one changes the catalog all the while and looks
at how soon that is answered.
"""

from dataclasses import dataclass
from typing import Any

from benchmarks import data
from benchmarks.http_call import put
from benchmarks.load import Outcome, changes, dnsperf
from benchmarks.systems.system import Target, UnavailableError, wait_until

SPELLINGS = 60_000
"""More than any cache of replies should hold; the sixteen letters of the name can be written in 65,536 ways."""


NAMES = 1_000
"""Services of one instance each, asked for in turn."""

OWN_MAX_SHARE = 0.8
OWN_MAX_SECONDS = 2.0

CHANGES_PER_S = 50


@dataclass(frozen=True, slots=True)
class DnsRecords:
    """Records of one name or several, by default the addresses of `web.service.consul`, always written alike."""

    name: str = "dns"
    title: str = "DNS A of a service, one question, queries/s"
    names: tuple[str, ...] = (data.DNS_NAME,)
    rtype: str = "A"

    def measure(self, target: Target, mark: str, seconds: float) -> Outcome:
        """See `Row`; an answer without addresses is no answer to compare."""
        del mark  # a question changes nothing
        if not data.addresses(target):
            raise UnavailableError(f"{target.name} answers without addresses")
        return dnsperf.load(target.host, target.dns_port, self.names, seconds, self.rtype)


@dataclass(frozen=True, slots=True)
class DnsLatency:
    """What single clients wait for while others ask at four fifths of the rate that this system can do at most."""

    name: str = "dns-latency"
    title: str = f"DNS A at {OWN_MAX_SHARE:.0%} of the system's own maximum, queries/s"

    def measure(self, target: Target, mark: str, seconds: float) -> Outcome:
        """See `Row`; the maximum is measured first."""
        del mark
        most = dnsperf.load(target.host, target.dns_port, (data.DNS_NAME,), OWN_MAX_SECONDS)
        rate = round(most.per_second * OWN_MAX_SHARE)
        return dnsperf.paced(target.host, target.dns_port, (data.DNS_NAME,), seconds, rate)


@dataclass(frozen=True, slots=True)
class DnsManyNames:
    """Addresses of many services in turn; the row registers them first."""

    name: str = "dns-names"
    title: str = f"DNS A of {NAMES:,} services in turn, queries/s"

    def measure(self, target: Target, mark: str, seconds: float) -> Outcome:
        """See `Row`."""
        del mark
        names = [f"many-{number}" for number in range(NAMES)]
        if not data.addresses(target, f"{names[-1]}.service.consul."):
            for number, name in enumerate(names):
                put(f"{target.http}/v1/catalog/register", data.instance_of(name, number))
            wait_until(
                lambda: data.addresses(target, f"{names[-1]}.service.consul.") > 0,
                data.VISIBLE_LIMIT_S,
                f"{target.name} did not show {names[-1]}",
            )
        return dnsperf.load(target.host, target.dns_port, [f"{name}.service.consul." for name in names], seconds)


@dataclass(frozen=True, slots=True)
class DnsChanges:
    """How soon a registration is in the answers while fifty of them come each second."""

    name: str = "dns-change"
    title: str = f"registrations/s ({CHANGES_PER_S}) seen over DNS, ms from the request to the first answer with it"

    def measure(self, target: Target, mark: str, seconds: float) -> Outcome:
        """See `Row`; every registration is a new service."""

        def register(number: int) -> tuple[str, Any]:
            name = f"change-{mark}-{number}"
            return name, data.instance_of(name, number % NAMES)

        http, dns = (target.host, target.http_port), (target.host, target.dns_port)
        return changes.load(http, dns, CHANGES_PER_S, seconds, register)


def spellings(name: str, count: int) -> tuple[str, ...]:
    """The first `count` ways to write a name in small and capital letters, each different."""
    letters = [place for place, letter in enumerate(name) if letter.isalpha()]
    assert count <= 1 << len(letters), "there are not as many spellings"
    found = []
    for number in range(count):
        written = list(name)
        for bit, place in enumerate(letters):
            if number >> bit & 1:
                written[place] = written[place].upper()
        found.append("".join(written))
    return tuple(found)


def mixed_case() -> DnsRecords:
    """The row whose questions are all spelled differently."""
    return DnsRecords(
        "dns-mixed", "DNS A of a service, every spelling different, queries/s", spellings(data.DNS_NAME, SPELLINGS)
    )


def srv() -> DnsRecords:
    """The row of SRV records, with their targets' addresses."""
    return DnsRecords("dns-srv", "DNS SRV of a service, one question, queries/s", rtype="SRV")
