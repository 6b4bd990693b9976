"""`lictor store`: the members of the store in one table, as `/v1/internal/store` tells."""

from typing import Any

from rich.console import Console
from rich.table import Table

COLUMNS = (
    "server",
    "role",
    "votes",
    "term",
    "commit",
    "applied",
    "lag",
    "contact",
    "replication",
    "health",
    "stable since",
)

WIDTH_MIN = 132
"""Room for every column, with indexes of ten digits."""


def table(store: dict[str, Any]) -> Table:
    """The members, the leader first."""
    shown = Table(*COLUMNS, box=None, pad_edge=False)
    for one in sorted(store["Members"], key=lambda member: (member["Role"] != "leader", member["Name"])):
        contact = one["LeaderContactSeconds"]
        shown.add_row(
            one["Name"],
            one["Role"],
            "yes" if one["Voter"] else "no",
            str(one["Term"]),
            str(one["CommitIndex"]),
            str(one["AppliedIndex"]),
            "?" if one["Lag"] is None else str(one["Lag"]),
            "never" if contact is None else f"{contact:.2f} s",
            one["Replication"],
            _health(one.get("Healthy")),
            one["StableSince"] if one.get("Healthy") else "",
        )
    return shown


def _health(healthy: bool | None) -> str:
    """As the leader's autopilot judges; `?` when no leader has told."""
    return "?" if healthy is None else "well" if healthy else "unwell"


def notes(store: dict[str, Any]) -> list[str]:
    """What deserves a word besides the table."""
    found = [f"cluster {store['Cluster']}, epoch {store['Epoch']}, level {store['Level']}"]
    if not store["Leader"]:
        found.append("no leader: no quorum, or an election")
    tolerance = store.get("FailureTolerance")
    if tolerance is not None:
        found.append(
            f"{tolerance} more may fail" if tolerance > 0 else "none may fail: writes would stop until it is back"
        )
    if store["Silent"]:
        found.append(f"no answer from {', '.join(store['Silent'])}")
    if store["Joining"]:
        found.append(f"waiting to join: {', '.join(store['Joining'])}")
    if store["Held"]:
        found.append(f"decisions held: {store['Held']}")
    return found


def wide_enough() -> Console:
    """A console on which no column is cut: in a narrow terminal lines wrap, in a pipe they stay whole."""
    return Console(width=max(Console().width, WIDTH_MIN))


def show(store: dict[str, Any], console: Console) -> None:
    """Print both."""
    console.print(table(store))
    for note in notes(store):
        console.print(note)
