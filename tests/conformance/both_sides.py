"""Asking both sides the same: a table's row, one side with its memory of ids, and the pair that compares.

A row may name what an earlier row kept (`{web}` for the `ID` that `keep="web"` answered); each side fills in its own.
Comparing is in `normal_form`; which differences are meant is in `differences`.
"""

import json
import time
from collections import Counter
from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

import httpx

from tests.conformance import differences
from tests.conformance.normal_form import Normal, found_differences
from tests.conformance.real_consul import NODE

TIMEOUT_S = 15.0
SETTLE_S = 8.0
"""How long a row that is marked `settles` may take until both answer the same: a check that runs, a sync of the agent."""
STEP_S = 0.05
ENTRIES = ("ingress-gateway", "terminating-gateway", "service-router", "service-splitter", "service-resolver", "service-defaults", "proxy-defaults")  # fmt: skip
"""The kinds of config entries that both know, in an order in which none is deleted that another one needs."""


class Ask(NamedTuple):
    """One row: what is asked of both."""

    method: str
    path: str
    body: object = None
    keep: str = ""
    unordered: bool = False
    settles: int = False  # or the status that both must come to
    headers: Mapping[str, str] = MappingProxyType({})
    only_shape: bool = False

    @property
    def name(self):
        """How `differences` names the row."""
        if self.body is None:
            return f"{self.method} {self.path}"
        body = self.body.decode(errors="replace") if isinstance(self.body, bytes) else json.dumps(self.body)
        return f"{self.method} {self.path} {body if len(body) <= 100 else body[:97] + '...'}"


def get(path, **more):
    """A read."""
    return Ask("GET", path, **more)


def put(path, body=None, **more):
    """A write."""
    return Ask("PUT", path, body, **more)


def post(path, body=None, **more):
    """A creation."""
    return Ask("POST", path, body, **more)


def delete(path, body=None, **more):
    """A deletion."""
    return Ask("DELETE", path, body, **more)


class Side:
    """One of the two."""

    def __init__(self, name, base):
        self.name = name
        self.base = base
        self._http = httpx.Client(timeout=TIMEOUT_S, headers={"accept-encoding": "identity"})
        self.kept = {}
        nodes = self._http.get(f"{base}/v1/catalog/nodes").json()
        self.normal = Normal(name, {one["Node"]: one["ID"] for one in nodes})

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._http.close()

    def send(self, ask):
        """The plain answer."""
        path, body = ask.path, ask.body
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
        for name, value in self.kept.items():
            path = path.replace(f"{{{name}}}", value)
            body = body.replace(f"{{{name}}}".encode(), value.encode()) if body is not None else None
        url = self.base + (path if path.startswith("/") else f"/v1/{path}")
        answer = self._http.request(ask.method, url, content=body, headers=ask.headers)
        if ask.keep and answer.status_code == 200:
            self.kept[ask.keep] = answer.json()["ID"]
        return answer

    def shown(self, ask):
        """The answer as it is compared."""
        return self.normal.of(self.send(ask), self.kept, unordered=ask.unordered, only_shape=ask.only_shape)

    def clean(self):
        """Nothing but what the side has by itself."""
        for path in self._json("agent/services"):
            self._http.put(f"{self.base}/v1/agent/service/deregister/{path}")
        for path in self._json("agent/checks"):
            self._http.put(f"{self.base}/v1/agent/check/deregister/{path}")
        for node in self._json("catalog/nodes"):
            if node["Node"] != NODE and not node["Node"].startswith("server-"):
                self._http.put(f"{self.base}/v1/catalog/deregister", json={"Node": node["Node"]})
        for session in self._json("session/list"):
            self._http.put(f"{self.base}/v1/session/destroy/{session['ID']}")
        for one in self._json("connect/intentions"):
            self._http.delete(f"{self.base}/v1/connect/intentions/{one['ID']}")
        queries = self._http.get(f"{self.base}/v1/query")
        for one in queries.json() if queries.status_code == 200 else []:
            self._http.delete(f"{self.base}/v1/query/{one['ID']}")
        for kind in ENTRIES:
            for one in self._json(f"config/{kind}"):
                self._http.delete(f"{self.base}/v1/config/{kind}/{one['Name']}")
        self._http.delete(f"{self.base}/v1/kv/?recurse")

    def _json(self, path):
        return self._http.get(f"{self.base}/v1/{path}").json()


class Pair:
    """Both, and what was found between them."""

    def __init__(self, theirs, ours):
        self.theirs, self.ours = theirs, ours

    def clean(self):
        """Both sides as they began."""
        for side in (self.theirs, self.ours):
            side.clean()

    def run(self, family, rows):
        """Ask every row of both, in order, and judge what differs against the table of differences."""
        judge = Judge(family)
        for ask in rows:
            began = time.monotonic()
            while True:
                theirs, ours = self.theirs.shown(ask), self.ours.shown(ask)
                left = judge.unruled(ask, found_differences(theirs, ours))
                come = ask.settles in {False, True} or theirs["status"] == ours["status"] == ask.settles
                if (not left and come) or not ask.settles or time.monotonic() - began > SETTLE_S:
                    break
                time.sleep(STEP_S)
            if not come:
                left = [*left, (f"never {ask.settles}", theirs["status"], ours["status"])]
            judge.row(ask.name, left)
        judge.close()


class Judge:
    """Differences of one family, held against those that are listed."""

    def __init__(self, family):
        self.family = family
        self._complaints = []
        self._rules = Counter()
        self._listed = [one for one in differences.LISTED if one.family == family]
        self._met = set()
        self._absent = {}

    def unruled(self, ask, found):
        """What no rule of the whole interface explains."""
        absent = next((one for one in differences.NOT_THERE if ask.path.startswith(one)), None)
        if absent:
            told = ("body", differences.UNKNOWN_PATH)
            self._absent[absent] = self._absent.get(absent, True) and any(
                (path, ours) == told for path, _, ours in found
            )
            return [] if self._absent[absent] else found
        left = []
        for path, theirs, ours in found:
            rule = next((one for one in differences.RULES if one.explains(path, theirs, ours)), None)
            if rule:
                self._rules[rule.name] += 1
            else:
                left.append((path, theirs, ours))
        return left

    def row(self, name, left):
        """One row's differences: listed, or a complaint."""
        for path, theirs, ours in left:
            listed = next((one for one in self._listed if one.means(name, path)), None)
            if listed:
                self._met |= {
                    (request, one) for request, one in listed.cases() if listed.is_case(request, one, name, path)
                }
            else:
                self._complaints.append(f"{name}\n    {path}\n      consul {theirs!r}\n      lictor {ours!r}")

    def close(self):
        """Fail over differences that nobody listed, and over listed ones that are none any more."""
        cases = {case for one in self._listed for case in one.cases()}
        gone = [f"listed, but no difference: {request}: {path}" for request, path in sorted(cases - self._met)]
        gone += [f"said to be not there, but is: {prefix}" for prefix, absent in self._absent.items() if not absent]
        gone += [
            f"rule without a case in {self.family}: {one.name}"
            for one in differences.RULES
            if self.family in one.seen_in and not self._rules[one.name]
        ]
        complaints = self._complaints + gone
        assert not complaints, f"{len(complaints)} in {self.family}\n" + "\n".join(complaints)
