"""Doing the steps of an import, some at once, and telling what came of them.

Families go one after the other, since services need their node and checks their service; config entries go one by one
in their order. A refusal is noted with its reason and stops nothing; an answer that does not come ends the import,
which can be started again: what is there already is not written twice.
"""

from collections import Counter
from collections.abc import Callable

import msgspec
from rich.console import Console
from rich.table import Table

from lictor_cli.consul_import.contents import at_once
from lictor_cli.consul_import.steps import FAMILIES, Left, Step, Steps
from lictor_cli.http_api import Api, ApiError

SHOWN_MAX = 200
"""Refusals printed; the summary counts all of them."""

_IN_ORDER = frozenset({"config entries"})


class Refusal(msgspec.Struct, frozen=True):
    """A step that Lictor refused, and why."""

    step: Step
    reason: str


class Report(msgspec.Struct):
    """What came of an import: copied by family, and what was refused."""

    copied: Counter[str] = msgspec.field(default_factory=Counter)
    refused: list[Refusal] = []


def carry_out(api: Api, steps: Steps, done: Callable[[Step], None]) -> Report:
    """Do all steps; `done` is called after each, from any thread. Raises `ApiError` when nothing answers."""
    report = Report(Counter(), [])

    def one(step: Step) -> Refusal | None:
        try:
            answer = api.send(step.method, step.path, step.body)
        except ApiError as error:
            if not error.status:
                raise
            return Refusal(step, f"{error.status}: {' '.join(error.text.split())}")
        finally:
            done(step)
        return Refusal(step, "not written") if answer is False else None

    for family in FAMILIES:
        due = [step for step in steps.steps if step.family == family]
        found = [one(step) for step in due] if family in _IN_ORDER else at_once(one, due)
        refused = [refusal for refusal in found if refusal is not None]
        report.copied[family] += len(due) - len(refused)
        report.refused += refused
    return report


def show(console: Console, steps: Steps, report: Report | None) -> None:
    """The summary; without a report, what would be done."""
    shown = Table(box=None, pad_edge=False)
    shown.add_column("")
    for column in ("copied" if report else "to copy", "unchanged", "left out", "refused"):
        shown.add_column(column, justify="right")
    to_do = Counter(step.family for step in steps.steps)
    left = Counter(one.family for one in steps.left)
    refused = Counter(one.step.family for one in report.refused) if report else Counter[str]()
    for family in FAMILIES:
        first = report.copied[family] if report else to_do[family]
        row = (first, steps.unchanged[family], left[family], refused[family])
        shown.add_row(family, *map(str, row))
    console.print(shown)
    for reason, names in _by_reason(steps.left).items():
        console.print(f"left out: {reason}: {_some(names)}", highlight=False, markup=False)
    for one in (report.refused if report else [])[:SHOWN_MAX]:
        console.print(f"refused: {one.step.family} {one.step.name}: {one.reason}", highlight=False, markup=False)


def _by_reason(left: list[Left]) -> dict[str, list[str]]:
    reasons: dict[str, list[str]] = {}
    for one in left:
        reasons.setdefault(one.reason, []).append(one.name)
    return reasons


def _some(names: list[str], most: int = 5) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
