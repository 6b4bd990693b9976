"""Readiness: named conditions that must all hold before a process should be sent work.

A condition that does not hold says what is missing, in words for an operator. Notes say what is unusual but does not
make the process unready (an old view, another cluster heard). A process with no condition at all is ready.
"""

from collections.abc import Callable, Mapping

import msgspec


class Readiness:
    """The conditions and notes of one process.

    Args:
        waiting: what is missing from the start, condition to reason.
        on_change: called with the new value each time `ready` changes.
    """

    def __init__(
        self, waiting: Mapping[str, str] | None = None, on_change: Callable[[bool], None] | None = None
    ) -> None:
        self._waiting: dict[str, str] = dict(waiting or {})
        self._notes: dict[str, str] = {}
        self._on_change = on_change

    @property
    def ready(self) -> bool:
        """Whether every condition holds."""
        return not self._waiting

    @property
    def waiting(self) -> dict[str, str]:
        """What is missing: condition to reason."""
        return dict(self._waiting)

    def set(self, name: str, ok: bool, reason: str = "") -> None:
        """Say whether the condition `name` holds; `reason` tells what is missing and is needed when it does not."""
        before = self.ready
        if ok:
            self._waiting.pop(name, None)
        else:
            assert reason, f"condition {name!r} needs a reason when it does not hold"
            self._waiting[name] = reason
        if self.ready != before and self._on_change is not None:
            self._on_change(self.ready)

    def note(self, name: str, text: str) -> None:
        """Show `text` beside the conditions; an empty text takes the note away."""
        if text:
            self._notes[name] = text
        else:
            self._notes.pop(name, None)

    def json(self) -> bytes:
        """The body of `/readyz`."""
        return msgspec.json.encode({"ready": self.ready, "waiting": self._waiting, "notes": self._notes})
