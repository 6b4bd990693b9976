"""The rows of DNS: A records of a service with ten instances, over UDP.

One row asks the same question again and again, as most clients of a service do: a system may keep its replies ready.
The other never repeats a spelling (resolvers mix the case of letters as a nonce), so that each reply is made anew.
"""

from dataclasses import dataclass

from benchmarks import data
from benchmarks.load import Outcome, dnsperf
from benchmarks.systems.system import Target, UnavailableError

SPELLINGS = 60_000
"""More than any cache of replies should hold; the sixteen letters of the name can be written in 65,536 ways."""


@dataclass(frozen=True, slots=True)
class DnsAddresses:
    """The addresses of `web.service.consul`, always written alike."""

    name: str = "dns"
    title: str = "DNS A of a service, one question, queries/s"
    names: tuple[str, ...] = (data.DNS_NAME,)

    def measure(self, target: Target, mark: str, seconds: float) -> Outcome:
        """See `Row`; an answer without addresses is no answer to compare."""
        del mark  # a question changes nothing
        if not data.addresses(target):
            raise UnavailableError(f"{target.name} answers without addresses")
        return dnsperf.load(target.host, target.dns_port, self.names, seconds)


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


def mixed_case() -> DnsAddresses:
    """The row whose questions are all spelled differently."""
    return DnsAddresses(
        "dns-mixed", "DNS A of a service, every spelling different, queries/s", spellings(data.DNS_NAME, SPELLINGS)
    )
