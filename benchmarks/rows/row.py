"""What every row under load looks like."""

from typing import Protocol

from benchmarks.load import Outcome
from benchmarks.systems.system import Target


class Row(Protocol):
    """One kind of request."""

    @property
    def name(self) -> str:
        """The word for `--rows`."""

    @property
    def title(self) -> str:
        """The row's text in the table, with its unit."""

    def measure(self, target: Target, mark: str, seconds: float) -> Outcome:
        """Look at one answer, then put one address under load.

        Args:
            target: the address.
            mark: different in every round of a run, so that no write repeats one of an earlier round.
            seconds: how long.

        Raises:
            MissingToolError: the load generator is not installed.
            LoadError: the load generator failed.
            UnavailableError: the answer is not what the row is about.
            HttpCallError: there is no answer.
        """
