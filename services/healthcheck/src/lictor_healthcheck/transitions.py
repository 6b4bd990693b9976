"""Transitions: whether what a check came to is worth a write.

A changed status always is. A changed output alone is proposed at a bounded rate per check (Consul's
check_update_interval), because each write wakes everyone who watches the service: the first one at once, the next
ones when the interval has passed, with the newest output. Pure.
"""

from lictor_healthcheck.checks import CheckKey, Verdict


class Transitions:
    """Remembers when each check's output was last written.

    Args:
        output_interval_s: the least time between two writes of one check that change nothing but its output.
    """

    def __init__(self, output_interval_s: float) -> None:
        self._output_interval_s = output_interval_s
        self._written_at: dict[CheckKey, float] = {}
        self._held: dict[CheckKey, float] = {}

    def judge(self, key: CheckKey, shown: Verdict, wanted: Verdict, now: float) -> bool:
        """Whether to propose `wanted`, given what is shown (or on its way) already."""
        self._held.pop(key, None)
        if wanted.status != shown.status:
            return True
        if wanted.output == shown.output:
            return False
        written_at = self._written_at.get(key)
        if written_at is not None and now < written_at + self._output_interval_s:
            self._held[key] = written_at + self._output_interval_s
            return False
        self._written_at[key] = now
        return True

    def ripe(self, now: float) -> list[CheckKey]:
        """Checks whose held output may be written now; judge them again."""
        return [key for key, at in self._held.items() if at <= now]

    def forget(self, key: CheckKey) -> None:
        """The check is not ours any more."""
        self._written_at.pop(key, None)
        self._held.pop(key, None)
