"""`lictor import`: read both sides, compare, write, tell."""

from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from lictor_cli.consul_import.contents import read
from lictor_cli.consul_import.copying import carry_out, show
from lictor_cli.consul_import.steps import compare
from lictor_cli.http_api import Api

TIMEOUT_S = 60.0
"""A large tree of keys comes in one answer."""


def run(source: str, target: str, token_file: Path | None, console: Console, *, dry_run: bool) -> bool:
    """Copy what the Consul at `source` holds into the Lictor at `target`; whether nothing was refused.

    Raises:
        ApiError: when one of the two does not answer, or does not let itself be read.
        OSError: when the token cannot be read.
    """
    token = token_file.read_text().strip() if token_file else ""
    consul, lictor = Api(source, TIMEOUT_S, token), Api(target, TIMEOUT_S)
    with Progress(console=console, transient=True) as progress:
        reading = progress.add_task("reading", total=None)

        def telling(side: str) -> None:
            progress.update(reading, description=side)

        theirs = read(consul, lambda what: telling(f"reading {what} of Consul"))
        ours = read(lictor, lambda what: telling(f"reading {what} of Lictor"))
        steps = compare(theirs, ours)
        report = None
        if not dry_run:
            writing = progress.add_task("writing", total=len(steps.steps))
            report = carry_out(lictor, steps, lambda _step: progress.advance(writing))
    show(console, steps, report)
    return report is None or not report.refused
