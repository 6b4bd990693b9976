"""What a name has of one type, ready for replies."""

from dataclasses import dataclass

from lictor_dnswire import AnswerTemplate, Name, RecordGroup
from lictor_state import Table

Dependency = tuple[Table, str]
"""A row, or the rows of a table that share a first key: what a set was made of, or looked for in vain."""


@dataclass(frozen=True, slots=True)
class RecordSet:
    """What a name has of one type.

    Attributes:
        templates: the answers.
        exists: False: the name has nothing of any type, and is answered NXDOMAIN.
        soa: the SOA goes with an empty answer.
        addresses: the answers are addresses of instances, of which `a_record_limit` may leave out some.
        sampled: any of the answers are a good answer, so that some may be left out: the instances of a service.
        alias: the first answer is an alias, the others are what stands behind it.
        recompress: names in the records share suffixes that are worth the time.
        turning: how many of the last answers take turns; what leads to them stays before them.
        additional: groups for the additional section.
        authority: records for the authority section.
        outside: a host outside the domain that an answer leads to; recursors know its addresses.
        outside_ttl_s: the TTL of the records that recursors say; None: as they say.
        in_additional: those records belong to the additional section: the host is an SRV target.
        ways: other sets of which each reply has one: aliases to several hosts, of which a name may have one.
        dependencies: what the set was made of.
        kept: it is the same for every client, and may be kept until a dependency changes.
    """

    templates: tuple[AnswerTemplate, ...] = ()
    exists: bool = True
    soa: bool = True
    addresses: bool = False
    sampled: bool = False
    alias: bool = False
    recompress: bool = False
    turning: int = 0
    additional: tuple[RecordGroup, ...] = ()
    authority: tuple[bytes, ...] = ()
    outside: Name | None = None
    outside_ttl_s: int | None = None
    in_additional: bool = False
    ways: tuple["RecordSet", ...] = ()
    dependencies: tuple[Dependency, ...] = ()
    kept: bool = True

    @property
    def turns(self) -> int:
        """How many different replies the set makes."""
        if self.ways:
            return len(self.ways) * max(way.turns for way in self.ways)
        return max(1, self.turning)

    def at(self, turn: int) -> tuple["RecordSet", int]:
        """The set for one reply, and the turn of its answers."""
        if not self.ways:
            return self, turn
        turn, way = divmod(turn, len(self.ways))
        return self.ways[way], turn

    def turned(self, by: int) -> tuple[AnswerTemplate, ...]:
        """The answers with another one first."""
        if self.turning < 2:
            return self.templates
        first = len(self.templates) - self.turning
        start = first + by % self.turning
        return self.templates[:first] + self.templates[start:] + self.templates[first:start]


NOTHING = RecordSet(exists=False)
