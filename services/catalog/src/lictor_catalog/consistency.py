"""The consistency of reads: what a request asks for, and what must be true before it is answered (design §3, Reads).

Default and `?consistent` reads wait until this view holds everything that the leader had committed when asked; a
`?stale` or `?cached` read is answered at once and says how old the view is. No read at all is answered before the view
has been complete once (rule 3.14). Also parses the parameters of blocking queries, with Consul's limits.
"""

import asyncio
import re
from collections.abc import Callable
from enum import Enum

import msgspec

from lictor_bus.frames import ReadAnswer
from lictor_bus.proposer import NoLeaderError
from lictor_catalog import durations
from lictor_catalog.errors import ApiError
from lictor_catalog.ports import GatePort, ViewPort
from lictor_catalog.request import Params

WAIT_DEFAULT_S = 300.0
WAIT_MAX_S = 600.0
REACH_TIMEOUT_S = 7.0
"""As long as Consul holds a read that cannot be served yet (`rpc_hold_timeout`)."""

CANNOT_CATCH_UP = "this replica could not catch up with the leader in time"

SILENCE_MAX_S = 86_400.0
"""What is shown as last contact when the leader has not been heard for longer, or never."""


class Mode(Enum):
    """How strong a read is; the value is what `X-Consul-Effective-Consistency` says."""

    DEFAULT = b"leader"
    CONSISTENT = b"consistent"
    STALE = b"stale"
    CACHED = b"cached"


class ReadOptions(msgspec.Struct, frozen=True):
    """What a read asks for besides its answer; times in seconds. With `content_hash` it waits for another content."""

    mode: Mode = Mode.DEFAULT
    max_stale_s: float | None = None
    min_index: int = 0
    wait_s: float = WAIT_DEFAULT_S
    content_hash: str = ""


_OPTIONS = frozenset({"wait", "index", "stale", "consistent", "max_stale", "cached"})
_PLAIN = ReadOptions()


class Contact(msgspec.Struct, frozen=True):
    """What the answer says about the leader: seconds since it was heard, and whether it is known."""

    mode: Mode
    last_contact_s: float
    known_leader: bool


CONFIRMED = {mode: Contact(mode, 0.0, known_leader=True) for mode in (Mode.DEFAULT, Mode.CONSISTENT)}
Settled = Callable[[Contact | ApiError], None]
"""Told that a read may be answered, or why it cannot be; must not raise."""


def read_options(params: Params, *, cacheable: bool) -> ReadOptions:
    """Parse the parameters of blocking and consistency; raises `ApiError` 400 with Consul's wording.

    `cacheable` tells whether the endpoint honours `?cached`; the others ignore it.
    """
    if not params.any_of(_OPTIONS):
        return _PLAIN
    stale, consistent = params.has("stale"), params.has("consistent")
    max_stale = params.first("max_stale")
    max_stale_s = None
    if max_stale:
        try:
            max_stale_s = durations.parse(max_stale) / durations.SECOND
        except durations.DurationError:
            raise ApiError(400, f'Invalid max_stale value "{max_stale}"') from None
    if (stale or max_stale_s is not None) and consistent:
        raise ApiError(400, "Cannot specify ?stale with ?consistent, conflicting semantics.")
    cached = params.has("cached")
    if cached and consistent:
        raise ApiError(400, "Cannot specify ?cached with ?consistent, conflicting semantics.")
    wait_s = _wait(params.first("wait"))
    min_index = _index(params.first("index"))
    mode = Mode.DEFAULT
    if consistent:
        mode = Mode.CONSISTENT
    elif cached and cacheable:
        mode = Mode.CACHED
    elif stale or max_stale_s is not None:
        mode = Mode.STALE
    return ReadOptions(mode, max_stale_s, min_index, wait_s)


def waiting_options(params: Params) -> ReadOptions:
    """As `read_options` for a read of the agent, which knows no modes but may wait; raises `ApiError` 400."""
    wait_s = _wait(params.first("wait"))
    return ReadOptions(min_index=_index(params.first("index")), wait_s=wait_s)


_SECONDS = re.compile(r"[+-]?[0-9]{1,9}")


def honour_cache_control(options: ReadOptions, header: str) -> ReadOptions:
    """Apply a request's `Cache-Control` to a cached read; raises `ApiError` 400 when it cannot be read.

    One that cannot be read is refused by other reads too, which do nothing else with it.
    """
    max_age_s: float | None = None
    for part in header.lower().split(","):
        name, _, value = part.strip().partition("=")
        if name in {"max-age", "stale-if-error"}:
            if not _SECONDS.fullmatch(value):
                raise ApiError(400, "Invalid Cache-Control header.")
            if name == "max-age":
                max_age_s = max(0.0, float(value))
        elif name == "must-revalidate":
            max_age_s = 0.0
    if options.mode is not Mode.CACHED or max_age_s is None:
        return options
    if max_age_s == 0.0:
        return msgspec.structs.replace(options, mode=Mode.DEFAULT)
    return msgspec.structs.replace(options, max_stale_s=max_age_s)


def _wait(text: str) -> float:
    if not text:
        return WAIT_DEFAULT_S
    try:
        wait_s = durations.parse(text) / durations.SECOND
    except durations.DurationError:
        raise ApiError(400, "Invalid wait time") from None
    if wait_s <= 0:
        return WAIT_DEFAULT_S
    return min(wait_s, WAIT_MAX_S)


def _index(text: str) -> int:
    if not text:
        return 0
    if not text.isascii() or not text.isdigit() or int(text) >= 1 << 64:
        raise ApiError(400, "Invalid index")
    return int(text)


class Consistency:
    """Lets reads pass once they may be answered."""

    def __init__(self, view: ViewPort, gate: GatePort, known_leader_s: float = 3.0) -> None:
        self._view = view
        self._gate = gate
        self._known_leader_s = known_leader_s
        self._behind: tuple[ReadAnswer, list[tuple[Mode, Settled]]] | None = None
        self._catching_up: set[asyncio.Task[None]] = set()

    @property
    def ready(self) -> bool:
        """Whether reads are answered at all."""
        return self._view.ready.is_set()

    @property
    def leader_known(self) -> bool:
        """Whether the leader has been heard lately."""
        return self._view.last_contact_s() < self._known_leader_s

    async def settle_local(self, options: ReadOptions) -> Contact:
        """As `settle`, but from the view as it is when no leader can be asked: what an agent knows, it tells."""
        if self.leader_known:
            try:
                return await self.settle(options)
            except ApiError as error:
                if error.status != 500:
                    raise
        return await self.settle(msgspec.structs.replace(options, mode=Mode.STALE, max_stale_s=None))

    async def settle(self, options: ReadOptions) -> Contact:
        """Wait until a read may be answered from the view.

        Raises:
            ApiError: 503 while the view has never been complete; 500 when no leader confirms a strong read in time.
        """
        if not self._view.ready.is_set():
            raise ApiError(503, "view not complete")
        contact = self.at_once(options)
        if contact is not None:
            return contact
        settled: asyncio.Future[Contact | ApiError] = asyncio.get_running_loop().create_future()

        def done(outcome: Contact | ApiError) -> None:
            if not settled.done():
                settled.set_result(outcome)

        self.ask(options, done)
        outcome = await settled
        if isinstance(outcome, ApiError):
            raise outcome
        return outcome

    def at_once(self, options: ReadOptions) -> Contact | None:
        """What a read says that need not ask the leader; None for one that must."""
        mode = options.mode
        if mode is not Mode.STALE and mode is not Mode.CACHED:
            return None
        silence_s = self._view.last_contact_s()
        if options.max_stale_s is not None and silence_s > options.max_stale_s:
            return None
        return Contact(mode, min(silence_s, SILENCE_MAX_S), silence_s < self._known_leader_s)

    def ask(self, options: ReadOptions, settled: Settled) -> None:
        """Ask the leader, together with all reads that wait at this moment; `settled` hears once the view is there."""
        mode = Mode.CONSISTENT if options.mode is Mode.CONSISTENT else Mode.DEFAULT

        def answered(answer: ReadAnswer | None) -> None:
            if answer is None:
                settled(ApiError(500, str(NoLeaderError())))
            elif self._view.reached(answer):
                settled(CONFIRMED[mode])
            else:
                self._wait_for_view(answer, mode, settled)

        self._gate.join(answered, consistent=mode is Mode.CONSISTENT)

    def _wait_for_view(self, answer: ReadAnswer, mode: Mode, settled: Settled) -> None:
        """The view is a moment behind; all reads of one answer wait for it together."""
        if self._behind is not None and self._behind[0] is answer:
            self._behind[1].append((mode, settled))
            return
        group = [(mode, settled)]
        self._behind = (answer, group)
        task = asyncio.get_running_loop().create_task(self._catch_up(answer, group), name="read catches up")
        self._catching_up.add(task)
        task.add_done_callback(self._catching_up.discard)

    async def _catch_up(self, answer: ReadAnswer, group: list[tuple[Mode, Settled]]) -> None:
        reached = await self._view.reach(answer, REACH_TIMEOUT_S)
        if self._behind is not None and self._behind[0] is answer:
            self._behind = None
        for mode, settled in group:
            settled(CONFIRMED[mode] if reached else ApiError(500, CANNOT_CATCH_UP))
