"""What becomes of a query: a reply, no reply at all, or a question to a recursor that finishes as a reply.

The responder decides and stays pure; whoever asks recursors (RFC 1035, section 2.2) takes a `Recurse`, and hands the
finished reply back to the server that the query came through.
"""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Recurse:
    """A question for a recursor.

    Attributes:
        query: the message to send; its id is replaced by whoever sends it.
        finish: from the recursor's whole reply, or None when every recursor failed, to our reply; None: none is sent.
    """

    query: bytes
    finish: Callable[[bytes | None], bytes | None]


Outcome = bytes | Recurse | None
"""A reply, a question to a recursor first, or None where no reply may be sent."""

Reply = Callable[[bytes | None], None]
"""Sends a reply to whoever asked, or nothing for None; may be called long after the query came."""

Recursion = Callable[[Recurse, Reply], None]
"""Asks recursors, and calls `Reply` once with what `Recurse.finish` made of their answer."""


def without_recursors(question: Recurse, reply: Reply) -> None:
    """A `Recursion` that has nobody to ask."""
    reply(question.finish(None))
