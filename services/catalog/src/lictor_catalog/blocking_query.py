"""Blocking queries: answers kept as long as they are true, and one watch for all who wait for the same (rule 3.13).

A `Plan` is a distinct query. Its answer is computed once, watched by the tokens that the query named, and shared as
bytes by every read until a token fires; whoever waits for a higher index is woken then, and the first of them computes
the next answer for all. A query that ends by time is confirmed as at its start before it is answered. A query on a
single missing object, or one that Consul compares by result, goes on sleeping while its answer stays the same.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable, Sequence
from typing import Literal

import msgspec

from lictor_catalog.consistency import Contact, Mode, ReadOptions
from lictor_catalog.errors import ApiError
from lictor_catalog.page import Page
from lictor_catalog.ports import ViewPort
from lictor_state import Store
from lictor_state.watches import Token, Watch

JITTER_FRACTION = 16
"""A wait lasts up to a sixteenth longer, so that clients that began together do not return together."""

WAITERS_MAX = 16_384
"""Blocking queries at once in one process: beyond it memory goes to sockets; the client is told to come back later."""

ANSWERS_MAX = 4096
ANSWER_BYTES_MAX = 64 * 1024 * 1024
"""Answers kept for sharing; the least recently used are dropped, and only have to be encoded again."""

Ending = Literal["changed", "time", "gone"]
Settle = Callable[[ReadOptions], Awaitable[Contact]]
"""Waits until a read may be answered from the view (`Consistency.settle` or `settle_local`)."""


class ClientGoneError(Exception):
    """The client closed its connection while its query was waiting."""


class Outcome(msgspec.Struct, frozen=True):
    """A query's answer at the store's index: the page, and what it depends on.

    `floating`: the index that the page reports may rise though none of the tokens' rows change (what is not there is
    reported at its table's index); such a page is computed anew at each index, and nobody is woken for it.
    """

    page: Page
    tokens: Sequence[Token]
    floating: bool = False


class Plan(msgspec.Struct, frozen=True):
    """A distinct query: equal keys mean equal answers.

    `sleeps_while_same`: an answer with the bytes that the waiter saw first does not release it, whatever its index.
    `any_other_index`: the index is no position in a history but a name for the answer; a waiter is released by any
    other than its own, a lower one too.
    """

    key: Hashable
    run: Callable[[Store], Outcome]
    sleeps_while_same: bool = False
    any_other_index: bool = False


class _Answer:
    """A plan's answer while its watch has not fired."""

    __slots__ = ("at_index", "cached", "floating", "page", "store", "waiters", "watch")

    def __init__(self, store: Store, outcome: Outcome) -> None:
        self.store = store
        self.at_index = store.index
        self.page = outcome.page
        self.floating = outcome.floating
        self.watch: Watch | None = None
        self.waiters: set[asyncio.Future[Ending]] = set()
        self.cached = True

    def end(self, ending: Ending) -> None:
        """Wake everybody."""
        waiters, self.waiters = self.waiters, set()
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(ending)


class BlockingQueries:
    """Answers plans from the view, at once or when they change."""

    def __init__(self, view: ViewPort, dice: Callable[[], float]) -> None:
        self._view = view
        self._dice = dice
        self._answers: OrderedDict[Hashable, _Answer] = OrderedDict()
        self._bytes = 0
        self._resets = 0
        self._closing = False
        self.waiting = 0
        self.computed = 0
        self.shared = 0

    def reset(self) -> None:
        """The view's store was replaced: nothing kept is true any more, and every waiter is released."""
        self._resets += 1
        self._release("changed")

    def close(self) -> None:
        """Release every waiter as if its time were up; later queries do not wait."""
        self._closing = True
        self._release("time")

    def _release(self, ending: Ending) -> None:
        answers, self._answers, self._bytes = self._answers, OrderedDict(), 0
        for answer in answers.values():
            answer.cached = False
            if answer.watch is not None:
                answer.store.watches.remove(answer.watch)
            answer.end(ending)

    async def read(
        self,
        plan: Plan,
        options: ReadOptions,
        settle: Settle,
        disconnected: "asyncio.Future[None] | None" = None,
    ) -> tuple[Page, Contact]:
        """The page for a plan under the given options.

        `disconnected` ends the wait when it is done. Raises `ApiError`, and `ClientGoneError` when it was that.
        """
        contact = await settle(options)
        answer = self._current(plan)
        if self._closing or _released(plan, options, None, answer.page):
            return answer.page, contact
        if self.waiting >= WAITERS_MAX:
            raise ApiError(429, "too many blocking queries wait already, try again later")
        self.waiting += 1
        try:
            page = await self._wait(plan, options, answer, disconnected)
        finally:
            self.waiting -= 1
        if page is not None:
            return page, contact if contact.mode in {Mode.STALE, Mode.CACHED} else Contact(contact.mode, 0.0, True)
        contact = await settle(options)
        return self._current(plan).page, contact

    async def _wait(
        self, plan: Plan, options: ReadOptions, answer: _Answer, disconnected: "asyncio.Future[None] | None"
    ) -> Page | None:
        """The page that releases the waiter, or None when its time is up."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + options.wait_s * (1 + self._dice() / JITTER_FRACTION)
        first = answer.page
        resets = self._resets
        while True:
            ending = await self._sleep(answer, deadline, disconnected)
            if ending == "gone":
                raise ClientGoneError
            if ending == "time":
                return None
            answer = self._current(plan)
            page = answer.page
            if resets != self._resets or _released(plan, options, first, page):
                return page

    async def _sleep(self, answer: _Answer, deadline: float, disconnected: "asyncio.Future[None] | None") -> Ending:
        if answer.watch is None and not answer.cached:  # fired or reset between computing it and sleeping
            return "changed"
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[Ending] = loop.create_future()
        answer.waiters.add(waiter)
        timer = loop.call_at(deadline, _settle, waiter, "time")

        def gone(_done: "asyncio.Future[None]") -> None:
            _settle(waiter, "gone")

        if disconnected is not None:
            disconnected.add_done_callback(gone)
        try:
            return await waiter
        finally:
            timer.cancel()
            if disconnected is not None:
                disconnected.remove_done_callback(gone)
            answer.waiters.discard(waiter)
            if not answer.cached and not answer.waiters and answer.watch is not None:
                answer.store.watches.remove(answer.watch)

    def _current(self, plan: Plan) -> _Answer:
        """The answer at the view's index, computed only if the last one may have changed."""
        store = self._view.store
        answer = self._answers.get(plan.key)
        if answer is not None and answer.store is store:
            if answer.floating and answer.at_index != store.index:
                self._bytes -= len(answer.page.body)
                answer.page, answer.at_index = plan.run(store).page, store.index
                self._bytes += len(answer.page.body)
            self.shared += 1
            self._answers.move_to_end(plan.key)
            return answer
        outcome = plan.run(store)
        fresh = _Answer(store, outcome)

        def fired() -> None:
            fresh.watch = None
            if fresh.cached:
                self._drop(plan.key, fresh)
            fresh.end("changed")

        fresh.watch = store.watches.add(outcome.tokens, fired)
        self.computed += 1
        self._keep(plan.key, fresh)
        return fresh

    def _keep(self, key: Hashable, answer: _Answer) -> None:
        self._answers[key] = answer
        self._bytes += len(answer.page.body)
        while len(self._answers) > 1 and (len(self._answers) > ANSWERS_MAX or self._bytes > ANSWER_BYTES_MAX):
            oldest = next(iter(self._answers))
            dropped = self._answers[oldest]
            self._drop(oldest, dropped)
            if not dropped.waiters and dropped.watch is not None:
                dropped.store.watches.remove(dropped.watch)

    def _drop(self, key: Hashable, answer: _Answer) -> None:
        if self._answers.get(key) is answer:
            del self._answers[key]
            self._bytes -= len(answer.page.body)
        answer.cached = False


def _released(plan: Plan, options: ReadOptions, first: Page | None, page: Page) -> bool:
    """Whether a page answers a query; `first` is what the waiter saw before it slept."""
    if options.content_hash:
        return page.content_hash != options.content_hash
    if not options.min_index:
        return True
    if plan.any_other_index:
        return page.index != options.min_index
    if page.index <= options.min_index:
        return False
    if first is None:
        return True
    return not ((first.absent and page.absent) or (plan.sleeps_while_same and page.body == first.body))


def _settle(waiter: "asyncio.Future[Ending]", ending: Ending) -> None:
    if not waiter.done():
        waiter.set_result(ending)
