"""What is said over the bus about the gossip pool: what its members know, its events and its coordinates.

| frame | from | to | subject |
|---|---|---|---|
| `EventNotice` | catalogs, gossips | all gossips | `subjects.pool_events` |
| `CoordinateReport` | gossips | one catalog, as a queue group | `subjects.pool_coordinates` |
| `StoryAsk` → `Story` | catalogs | the gossips that have something to tell | `subjects.pool_stories` |
| `PoolMembers` | a gossip | whoever gave it the order `pool` | `subjects.node_order` |

MessagePack arrays; fields are only added at the end with a default. Times are ages in seconds: clocks differ.
"""

import msgspec

COORDINATES_QUEUE = "coordinates"
"""The queue group of the catalogs: one of them writes a report."""

STORY_WINDOW_S = 0.4
"""How long answers about a node are gathered. Its reporters are at most five, and each answers from memory."""

STORIES_MAX = 64
MEMBERS_BYTES_MAX = 700 * 1024
"""What the members of one answer may take together: below the bus's message limit. The others are left out, and
counted; some 6,000 of ours fit, and 1,200 plain agents with as many tags as a packet holds."""

MEMBER_BYTES = 64
"""What a member takes besides its texts, at most."""


class EventNotice(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """A user event is a row of the store. Unless `in_pool`, one of the gossips is to tell the pool of it."""

    event_id: str
    name: str
    payload: bytes | None = None
    node_filter: str = ""
    service_filter: str = ""
    tag_filter: str = ""
    version: int = 1
    in_pool: bool = False


class CoordinateReport(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """Where a node has measured itself to be; seconds, as in `lictor_state.coordinate_rows`."""

    node: str
    vec: tuple[float, ...]
    error: float
    adjustment: float
    height: float
    segment: str = ""


class PoolMember(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """A member as one gossip sees it. `lictor`: it has Lictor's tag, and so a row in the catalog.

    `tags` are told of the others only: a node's are in its row.
    """

    name: str
    address: str
    port: int
    status: str
    incarnation: int
    changed_ago_s: float
    lictor: bool
    tags: dict[str, str] = {}


class PoolMembers(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """The pool as one gossip sees it; `left_out` members did not fit."""

    node: str
    run_id: str
    health_score: int
    encrypted: bool
    members: tuple[PoolMember, ...]
    left_out: int = 0


class StoryAsk(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """What is held against this node, and by whom?"""

    node: str


class StoryLine(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """One thing that happened, as its teller saw it.

    Attributes:
        ago_s: how long ago.
        what: `probe_failed`, `ack_late`, `suspected`, `confirmed`, `refuted`, `failed`, `left` or `returned`.
        by: who said or did it.
        incarnation: the node's, as the claim named it.
        own_health: the teller's own health score then; 0 is well.
        after_s: of an answer or none: since the probe was sent.
        detail: what the relays of a probe said.
    """

    ago_s: float
    what: str
    by: str
    incarnation: int
    own_health: int
    after_s: float = 0.0
    detail: str = ""


class Story(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """What one gossip knows of a node, oldest line first.

    `reports` tells whether this gossip is one of the node's reporters to the leader; `about_itself` whether it is the
    node's own. `known` is whether the node is in its list at all.
    """

    teller: str
    run_id: str
    health_score: int
    known: bool
    status: str
    incarnation: int
    reports: bool
    about_itself: bool
    lines: tuple[StoryLine, ...] = ()
