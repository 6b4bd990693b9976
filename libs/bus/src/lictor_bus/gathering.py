"""Asking everybody who may know, and gathering what comes within a window.

There is no telling how many will answer: who has nothing to tell is silent. Answers beyond the bound are dropped.
"""

import asyncio
import uuid
from typing import TypeVar

import structlog

from lictor_bus import frames
from lictor_bus.connection import Bus
from lictor_bus.frames import FrameError

T = TypeVar("T")

log = structlog.get_logger()


async def gather(bus: Bus, subject: str, data: bytes, kind: type[T], window_s: float, answers_max: int) -> list[T]:
    """Publish a question and return the answers that came within `window_s`, at most `answers_max`."""
    answers: list[T] = []

    def take(_subject: str, body: bytes, _reply: str) -> None:
        if not body or len(answers) >= answers_max:
            return  # an empty body is the server's word that nobody listens
        try:
            answers.append(frames.decode(body, kind))
        except FrameError as error:
            log.warning("answer not understood", subject=subject, reason=str(error))

    inbox = f"_INBOX.{uuid.uuid4().hex}"
    subscription = await bus.subscribe(inbox, take)
    try:
        await bus.publish(subject, data, inbox)
        await asyncio.sleep(window_s)
    finally:
        await subscription.close()
    return answers
