"""`lictor dns explain`: what a DNS name is answered and why, as `/v1/internal/dns/explain` tells."""

from typing import Any
from urllib.parse import urlencode

from rich.console import Console
from rich.table import Table
from rich.text import Text

COLUMNS = ("", "node", "instance", "address", "why")
OUTPUT_CHARACTERS_MAX = 200
"""Of a check's output: a line or two; the whole stands in the API."""

COLOURS = {"in": "green", "in turns": "cyan", "out": "red"}


def path(name: str, qtype: str, *, only_passing: bool, domain: str) -> str:
    """The request for an explanation."""
    asked = {"name": name, "type": qtype, "only-passing": str(only_passing).lower()}
    if domain:
        asked["domain"] = domain
    return f"/v1/internal/dns/explain?{urlencode(asked)}"


def table(found: dict[str, Any]) -> Table:
    """One line for each instance, those in the answer first."""
    shown = Table(*COLUMNS, box=None, pad_edge=False)
    for one in found["Instances"]:
        status = one["Status"]
        address = one.get("ServiceAddress") or one["Address"]
        port = one.get("ServicePort")
        where = f"{address} port {port}" if port else address
        shown.add_row(
            Text(status, COLOURS.get(status, "")), one["Node"], one.get("ServiceID", ""), where, Text(_why(one))
        )
    return shown


def _why(one: dict[str, Any]) -> str:
    if one["Status"] != "out":
        return str(one["Record"])
    check = one.get("Check")
    if check is None:
        return str(one["Detail"])
    output = " ".join(check["Output"].split())
    if len(output) > OUTPUT_CHARACTERS_MAX:
        output = output[:OUTPUT_CHARACTERS_MAX] + "…"
    return f"{one['Detail']}: {output}" if output else str(one["Detail"])


def show(found: dict[str, Any], console: Console) -> None:
    """Print what the name means, what is answered and why, and every instance."""
    answers = found["Answers"]
    records = f"{answers} record{'' if answers == 1 else 's'}" if answers else "no records"
    console.print(Text(f"{found['Name']} {found['Type']} asks for {found['Meaning']}."))
    console.print(Text(f"Answer: {found['Rcode']}, {records}: {found['Reason']}."))
    for note in found["Notes"]:
        console.print(Text(f"Note: {note}."))
    if found["Instances"]:
        console.print()
        console.print(table(found))
