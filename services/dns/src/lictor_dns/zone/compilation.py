"""One compile of a set: what it may read, what it has read, and how deep it is in names that lead to names."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Final

from lictor_dns.zone.record_set import Dependency, RecordSet
from lictor_dns.zone.settings import ZoneSettings
from lictor_dnswire import Name
from lictor_state import Store, Table
from lictor_state.queries.dns_name import Foreign, Lookup, read_name

LEVELS_MAX: Final = 3
"""Host names within the domain that lead to one another are followed this far, as in Consul."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a set depends on beside the name's meaning.

    Attributes:
        qtype: the type asked for.
        domain: the one of ours that the question's name lies below, which names in answers lie below too.
        source: the address that the question came from, as text; only prepared queries look at it.
    """

    qtype: int
    domain: Name
    source: str = ""


@dataclass(slots=True)
class Compilation:
    """What the compilers of the several kinds of names share.

    Attributes:
        store: the view.
        settings: the zone's.
        domains: those of ours, in lower case.
        dice: for the first order of answers.
        compile: makes the set of any lookup.
        lookup: what is compiled.
        asked: the question.
        level: how many names may still be followed.
        read: what has been read, or looked for in vain.
        kept: see `RecordSet`.
    """

    store: Store
    settings: ZoneSettings
    domains: tuple[Name, ...]
    dice: random.Random
    compile: Callable[["Compilation"], RecordSet]
    lookup: Lookup
    asked: Asked
    level: int = LEVELS_MAX
    read: dict[Dependency, None] = field(default_factory=dict)
    kept: bool = True

    def note(self, table: Table, key: str) -> None:
        """Something was read, or looked for in vain."""
        self.read[table, key] = None

    def meaning(self, name: Name) -> Lookup:
        """What a name asks for, below any of our domains."""
        labels = name.lower().labels
        datacenter = self.settings.datacenter.encode()
        for domain in self.domains:
            lookup = read_name(labels, domain.labels, datacenter, srv=False)
            if not isinstance(lookup, Foreign):
                return lookup
        return Foreign()

    def followed(self, lookup: Lookup, qtype: int) -> RecordSet:
        """What a name that this one leads to has; what that reads is noted here."""
        deeper = replace(self, lookup=lookup, asked=replace(self.asked, qtype=qtype), level=self.level - 1)
        found = self.compile(deeper)
        self.kept = self.kept and deeper.kept
        return found
