"""Every difference between the DNS of a real Consul 1.8.7 and ours that is meant, once, with its reason.

A question is "name type way", or a pattern; `facts` are the facts of `dns_sides.shown` that may differ. `documented` stands
in docs/compatibility.md. A difference that no question shows any more fails the test.
"""

from fnmatch import fnmatchcase
from typing import NamedTuple


class Difference(NamedTuple):
    """One difference."""

    questions: tuple[str, ...]
    facts: tuple[str, ...]
    documented: str
    by_chance: bool = False  # not every run shows it

    def explains(self, question, fact):
        """Whether it is the one meant."""
        return fact in self.facts and any(fnmatchcase(question, one) for one in self.questions)


WHOLE = ("rcode", "flags", "answer", "authority", "additional", "size")

LISTED = [
    Difference(("same.service.consul. SRV *", "loopa.service.consul. A *"), ("size",), "a record that Consul repeats"),
    # it takes three of the four instances for a plain question over UDP, one time in four the three with one record
    Difference(
        ("same.service.consul. SRV udp",), ("answer", "additional"), "a record that Consul repeats", by_chance=True
    ),
    Difference(
        (
            "metaip.service.consul. SRV *",
            "alias*.service.consul. SRV *",
            "onaliasn.service.consul. SRV *",
            "1.0.1.10.in-addr.arpa. SOA *",
        ),
        ("size",),
        "compression beside SRV answers",
    ),
    Difference(("aliasmany.service.consul. *",), ("answer", "additional"), "records behind an alias"),
    Difference(("twohosted.service.consul. A tcp",), ("answer",), "one of several host names", by_chance=True),
    Difference(("server-1.node.consul. A *",), ("additional",), "meta of servers"),
    Difference(("example.com. * edns *", ". * edns *"), ("edns",), "OPT in refusals"),
    Difference(
        ("longmeta.*.consul. *", "manyip.service.consul. A edns 800"),
        ("answer", "additional", "flags", "fits"),
        "replies over UDP that are too large",
    ),
    Difference(
        tuple(f"{domain} {rtype} *" for domain in ("consul.", "alt.example.") for rtype in ("A", "ANY", "TXT")),
        WHOLE,
        "types that the domain itself lacks",
    ),
    Difference(("nowhere.node.consul. SRV *",), WHOLE, "a type that nodes never have"),
    Difference(
        ("*.dc1.dc.consul. *", "*.virtual.consul. *", "_*._tcp.query.consul. *"),
        WHOLE,
        "places and forms that 1.8 lacks",
    ),
    Difference(
        ("0a*.addr.consul. AAAA *", "0a*.addr.consul. SRV *", "0a0000.addr.consul. *"),
        WHOLE,
        "an address of another type",
    ),
    Difference(("9.9.9.9.in-addr.arpa. *", "0.10.in-addr.arpa. *"), WHOLE, "reverse names that nobody has"),
    Difference(
        ("*.alt.example. SRV *", "nothing.service.alt.example. *", "alt.example. *"),
        ("answer", "authority", "additional", "size"),
        "names in answers below the alternative domain",
    ),
    Difference(("0A000001.Addr.consul. *",), ("answer",), "the spelling of address names"),
]
