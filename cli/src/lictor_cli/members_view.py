"""`lictor members`: the pool as catalog, gossip and leader see it, and why a node failed (`/v1/internal/pool`)."""

from typing import Any
from urllib.parse import quote

from rich.console import Console
from rich.table import Table

from lictor_cli.http_api import Api

COLUMNS = ("node", "address", "kind", "catalog", "pool", "since", "incarnation", "run", "remarks")

KINDS = {"consul": "server", "node": "agent", "": "plain serf"}
"""What a member is, by its role in the catalog; one without a row is an agent of another make."""

_WHAT = {
    "probe_failed": "got no answer to its probe",
    "ack_late": "got an answer late",
    "suspected": "heard it suspected",
    "confirmed": "heard the suspicion confirmed",
    "refuted": "heard it contradict",
    "failed": "heard it declared dead",
    "left": "heard that it left",
    "returned": "saw it alive again",
    "stream_only": "reached it by stream and not by packets",
}
_ONES_OWN = {"suspected": "suspected it", "failed": "declared it dead"}
"""The same of the teller itself."""


def members(api: Api) -> dict[str, Any]:
    """What `/v1/internal/pool` tells; raises `ApiError`."""
    found: dict[str, Any] = api.get("/v1/internal/pool")
    return found


def why(api: Api, node: str) -> dict[str, Any]:
    """What `/v1/internal/pool/why/NODE` tells; raises `ApiError`."""
    found: dict[str, Any] = api.get(f"/v1/internal/pool/why/{quote(node, safe='')}")
    return found


def table(pool: dict[str, Any]) -> Table:
    """The members by name, servers first."""
    shown = Table(*COLUMNS, box=None, pad_edge=False)
    for one in sorted(pool["Members"], key=lambda member: (member["Role"] != "consul", member["Name"])):
        since = one["ChangedAgoSeconds"]
        shown.add_row(
            one["Name"],
            f"{one['Address']}:{one['Port']}",
            KINDS.get(one["Role"], one["Role"]),
            one["Status"] or "no row",
            one["PoolStatus"] or "-",
            "" if since is None else span(since),
            "" if one["Incarnation"] is None else str(one["Incarnation"]),
            one["RunID"][:8],
            ", ".join(_remarks(one)),
            style=_style(one),
        )
    return shown


def _style(member: dict[str, Any]) -> str:
    statuses = {member["Status"], member["PoolStatus"]}
    return "red" if "failed" in statuses else "yellow" if member["Disputed"] or "leaving" in statuses else ""


def _remarks(one: dict[str, Any]) -> list[str]:
    found = []
    if one["Disputed"]:
        found.append("disputed: it answers the leader in person")
    if one["FoundFailedBy"]:
        found.append(f"found failed by {', '.join(one['FoundFailedBy'])} (of {one['Watchers']})")
    if one["HeldForSeconds"]:
        found.append(f"stopped on purpose: nothing is decided for {one['HeldForSeconds']:.0f} s")
    if one["Role"] == "node" and one["Status"] == "alive" and one["PoolStatus"] == "failed" and not one["Disputed"]:
        found.append("not decided yet")
    return found


def notes(pool: dict[str, Any]) -> list[str]:
    """What deserves a word besides the table."""
    found = []
    if pool["Silent"]:
        found.append(f"the pool is not told: {pool['Silent']}")
    else:
        health = pool["HealthScore"]
        how = "well" if not health else f"unwell ({health}): its own view may be wrong"
        encrypted = "encrypted" if pool["Encrypted"] else "not encrypted"
        found.append(f"pool as {pool['Node']} sees it, which is {how}; {encrypted}")
    if pool["LeftOut"]:
        found.append(f"{pool['LeftOut']} more members are not shown")
    if not pool["Leader"]:
        found.append("no leader: nothing is decided")
    if pool["Held"]:
        found.append(f"decisions held: {pool['Held']}")
    return found


def story(told: dict[str, Any]) -> list[str]:
    """Why a node is what it is, line by line."""
    name = told["Node"]
    lines = [
        f"{name}: {told['Status'] or 'no row in the catalog'}" + (f", run {told['RunID']}" if told["RunID"] else "")
    ]
    lines.append(_leaders_view(told))
    if told["Held"]:
        lines.append(f"  decisions are held: {told['Held']}")
    if not told["Stories"]:
        lines.append("  nobody holds anything against it")
    for one in told["Stories"]:
        role = "the node itself" if one["AboutItself"] else "a reporter for it" if one["Reports"] else "a member"
        sees = one["PoolStatus"] or "nothing of it"
        lines.append(
            f"{one['Teller']} ({role}; own health {one['HealthScore']}) sees {sees}, incarnation {one['Incarnation']}"
        )
        lines += [f"  {_line(line, one['Teller'])}" for line in one["Lines"]] or ["  holds nothing against it"]
    return lines


def _leaders_view(told: dict[str, Any]) -> str:
    if not told["Leader"]:
        return "  no leader: nothing is decided"
    if told["FoundFailedBy"]:
        said = f"found failed by {', '.join(told['FoundFailedBy'])} of {told['Watchers']} reporters"
    else:
        said = "no reporter finds it failed"
    if told["Disputed"]:
        said += "; disputed: it answers the leader in person"
    if told["HeldForSeconds"]:
        said += f"; it stopped on purpose, nothing is decided for {told['HeldForSeconds']:.0f} s"
    return f"  leader {told['Leader']}: {said}"


def _line(line: dict[str, Any], teller: str) -> str:
    own = line["By"] == teller
    what = _ONES_OWN.get(line["What"]) if own else None
    text = f"{span(line['AgoSeconds']):>8} ago  {what or _WHAT.get(line['What'], line['What'])}"
    if line["AfterSeconds"]:
        text += f", {line['AfterSeconds'] * 1000:.0f} ms after the probe"
    if not own and line["What"] in {"suspected", "confirmed", "failed"}:
        text += f" by {line['By']}"
    text += f" (incarnation {line['Incarnation']}; own health {line['OwnHealth']})"
    return f"{text}: {line['Detail']}" if line["Detail"] else text


def span(seconds: float) -> str:
    """A length of time as people say it."""
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size * 2:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.1f} s"


def show(pool: dict[str, Any], console: Console) -> None:
    """Print table and notes."""
    console.print(table(pool))
    for note in notes(pool):
        console.print(note, highlight=False)


def show_why(told: dict[str, Any], console: Console) -> None:
    """Print the story."""
    for line in story(told):
        console.print(line, highlight=False, markup=False)
