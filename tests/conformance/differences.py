"""Every difference between a real Consul 1.8.7 and Lictor that is meant, once, with its reason.

`RULES` hold for a field or header wherever it appears; `LISTED` for single requests, by the words of the table's row.
Each names words that stand in docs/compatibility.md. A family's test fails over a listed difference that is gone, and over a
rule that had no case in a family of its `seen_in`.
"""

import re
from collections.abc import Callable
from fnmatch import fnmatchcase
from typing import NamedTuple

from tests.conformance.normal_form import MISSING


class Rule(NamedTuple):
    """A difference that holds everywhere."""

    name: str
    paths: tuple[str, ...]
    same: Callable[[object, object], bool]
    reason: str
    documented: str
    seen_in: tuple[str, ...] = ()

    def explains(self, path, theirs, ours):
        """Whether this difference is the one meant."""
        return any(fnmatchcase(path, one.replace("[]", "[[][]]")) for one in self.paths) and self.same(theirs, ours)


class Listed(NamedTuple):
    """A difference of single requests of one family.

    A request is a row's name, or its beginning and a star. A path is where the answers differ; `answer` is the whole one:
    another status, and with it everything else.
    """

    family: str
    requests: tuple[str, ...]
    paths: tuple[str, ...]
    reason: str
    documented: str

    def cases(self):
        """What must be met for the entry to be true."""
        return [(request, path) for request in self.requests for path in self.paths]

    def is_case(self, request, path, name, where):
        """Whether a difference found at `where` in the row `name` is that case."""
        named = name == request or (request.endswith("*") and name.startswith(request[:-1]))
        return named and path in {where, "answer"}

    def means(self, name, where):
        """Whether the entry explains it."""
        return any(self.is_case(request, path, name, where) for request, path in self.cases())


UNKNOWN_PATH = "Invalid URL path: not a recognized HTTP API endpoint"
NEWER = "1.21 answers like this, 1.8.7 did not yet"


def only_ours(theirs, ours):
    return theirs is MISSING and ours is not MISSING


def only_theirs(theirs, ours):
    return ours is MISSING and theirs is not MISSING


def prefixed(prefix):
    """Ours is theirs with a prefix."""
    return lambda theirs, ours: isinstance(theirs, str) and ours == prefix + theirs


def either(left, right):
    """One is the first, the other the second."""
    return lambda theirs, ours: theirs == left and ours == right


def refused(theirs, ours):
    """A connection to a sidecar that nobody started: perhaps not tried yet, perhaps at another address of this machine."""
    said = re.compile(r"dial tcp 127\.0\.0\.\d:(\d+): (?:connect: )?connection refused")
    left, right = said.fullmatch(str(theirs)), said.fullmatch(str(ours))
    return (
        (bool(left) or theirs == "") and (bool(right) or ours == "") and (not (left and right) or left[1] == right[1])
    )


def virtual(theirs, ours):
    return theirs is MISSING and (set(ours) in ({"consul-virtual"}, {"Address", "Port"}))


def newer_or_number(theirs, ours):
    return theirs is MISSING or (theirs, ours) == (0, "<number>")


def same_fault_of_filter(theirs, ours):
    """Both refuse it in the same words, but for what was expected and for the place, which 1.8 tells seldom."""
    prefix = "Failed to create boolean expression evaluator: "
    if not (str(theirs).startswith(prefix) and str(ours).startswith(prefix)):
        return False
    return ours.startswith(theirs.split(", expected:")[0])


def alias(theirs, ours):
    """What a failing alias says: perhaps not yet, perhaps of another one of several failing checks."""
    return all(one == "" or str(one).startswith("Aliased check ") for one in (theirs, ours))


def one_alone(theirs, ours):
    return theirs is MISSING or ours is MISSING


def error_metadata(theirs, ours):
    return theirs in ("<[1-9][0-9]*>", "<[0-9]+>", "false", "leader") and ours is MISSING


def without_bad_request(theirs, ours):
    theirs = re.sub(r"expected a map, got '\w+'$", "expected a map", str(theirs))
    return theirs == f"Bad request: {ours}"


def go_types(theirs, ours):
    """Both say which JSON kind does not fit; only Consul names its own types."""
    return isinstance(theirs, str) and isinstance(ours, str) and _untyped(theirs) == _untyped(ours)


def _untyped(text):
    text = re.sub(r"Go struct field [A-Za-z]*\.([A-Za-z.]*)", r"Go struct field .\1", text)
    return re.sub(r"of type .*", "of type …", text)


def newer_metadata(theirs, ours):
    return theirs is MISSING and ours in ("<[1-9][0-9]*>", "<[0-9]+>", "true")


def intention_list(theirs, ours):
    """1.8 gathers an intention's faults; 1.21 names the source of the entry that it is kept in."""
    if not (isinstance(theirs, str) and theirs.startswith("1 error occurred:") and isinstance(ours, str)):
        return False
    said = re.sub(r"^Sources\[\d+\]\.", "", ours)
    return said.split(" ", 1)[-1][-30:] in theirs


RULES: tuple[Rule, ...] = (
    # headers
    Rule(
        "policy header",
        ("headers.x-consul-default-acl-policy",),
        only_ours,
        NEWER,
        "`X-Consul-Default-ACL-Policy`",
        ("kv",),
    ),
    Rule("backend header", ("headers.x-consul-query-backend",), only_ours, NEWER, "`X-Consul-Query-Backend`", ("kv",)),
    Rule(
        "consistency header",
        ("headers.x-consul-effective-consistency",),
        only_ours,
        NEWER,
        "`X-Consul-Effective-Consistency`",
        ("kv",),
    ),
    Rule(
        "metadata of intentions",
        ("headers.x-consul-index", "headers.x-consul-knownleader", "headers.x-consul-lastcontact"),
        newer_metadata,
        NEWER,
        "reads of single intentions",
        ("connect",),
    ),
    Rule(
        "leader of roots",
        ("headers.x-consul-knownleader",),
        either("false", "true"),
        NEWER,
        "roots from the agent's cache",
        ("connect",),
    ),
    Rule(
        "metadata of errors",
        (
            "headers.x-consul-index",
            "headers.x-consul-lastcontact",
            "headers.x-consul-knownleader",
            "headers.x-consul-effective-consistency",
        ),
        error_metadata,
        "an error has no index",
        "errors carry no `X-Consul-Index`",
        ("catalog",),
    ),
    Rule(
        "cached reads",
        ("headers.x-consul-effective-consistency",),
        either("leader", "stale"),
        "answered from the view",
        "`?cached` is always a hit",
        ("catalog",),
    ),
    Rule(
        "cache hits", ("headers.x-cache",), either("MISS", "HIT"), "answered from the view", "`?cached` is always a hit"
    ),
    Rule("age", ("headers.age",), only_ours, "answered from the view", "`?cached` is always a hit"),
    Rule(
        "unknown path type",
        ("headers.content-type",),
        either(MISSING, "text/plain; charset=utf-8"),
        NEWER,
        "an unknown path has a body",
        ("general",),
    ),
    # bodies of errors
    Rule("unknown path", ("body",), either("", UNKNOWN_PATH), NEWER, "an unknown path has a body", ("general",)),
    Rule(
        "unprintable path",
        ("body",),
        either("", "the path has unprintable characters"),
        NEWER,
        "an unknown path has a body",
        ("general",),
    ),
    Rule(
        "path without version",
        ("body",),
        lambda theirs, ours: theirs == "" and str(ours).startswith("Invalid URL path: if attempting"),
        NEWER,
        "an unknown path has a body",
        ("general",),
    ),
    Rule(
        "array for a query",
        ("body",),
        lambda theirs, ours: "cannot unmarshal array" in str(theirs) and "cannot unmarshal array" in str(ours),
        "Go's types are not ours",
        "names of Go's types",
    ),
    Rule(
        "newer fields of queries",
        ("body*.Service.Failover.Targets", "body*.Service.SamenessGroup", "body*.Service.Peer"),
        only_ours,
        NEWER,
        "`SamenessGroup`",
        ("query",),
    ),
    Rule(
        "cached queries",
        ("body.ConsistencyLevel",),
        either("leader", "stale"),
        "answered from the view",
        "`?cached` is always a hit",
        ("query",),
    ),
    Rule("apply prefix", ("body",), prefixed("raft apply failed: "), NEWER, "`raft apply failed: `", ("kv",)),
    Rule("bad request", ("body",), without_bad_request, NEWER, "`Bad request: `", ("config", "connect", "operator")),
    Rule(
        "validation prefix",
        ("body",),
        lambda theirs, ours: (
            str(ours) == f"Validation failed: {theirs}".replace("Port must", "Port or SocketPath must")
        ),
        NEWER,
        "`Validation failed: `",
        ("catalog",),
    ),
    Rule("types", ("body",), go_types, "Go's types are not ours", "names of Go's types", ("catalog", "session")),
    Rule("faults of intentions", ("body",), intention_list, NEWER, "`Sources[0].Description", ("connect",)),
    # fields
    Rule(
        "newer fields",
        (
            "body*.Mode",
            "body*.PeerName",
            "body*.ServiceSocketPath",
            "body*.ServiceLocality",
            "body*.Interval",
            "body*.Timeout",
            "body*.ExposedPort",
            "body*.consul-version",
            "body.Servers[].LastIndex",
        ),
        only_ours,
        NEWER,
        "`PeerName`",
        ("health",),
    ),
    Rule(
        "newer field of config entries",
        ("body*.TransparentProxy",),
        only_ours,
        NEWER,
        "`TransparentProxy`",
        ("config",),
    ),
    Rule(
        "newer field of services of the agent",
        ("body*.Datacenter",),
        either(MISSING, "dc1"),
        NEWER,
        "`PeerName`",
        ("agent",),
    ),
    Rule("no port", ("body*.Port",), either(0, MISSING), NEWER, "a port of 0 is left out", ("catalog",)),
    Rule(
        "older fields of intentions",
        ("body*.DefaultAddr", "body*.DefaultPort"),
        only_theirs,
        NEWER,
        "`DefaultAddr`",
        ("connect",),
    ),
    Rule(
        "empty fields of intentions",
        ("body*.Description", "body*.Meta", "body*.Hash"),
        lambda theirs, ours: theirs in ("", {}, "<hash>") and ours is MISSING,
        NEWER,
        "`DefaultAddr`",
        ("connect",),
    ),
    Rule(
        "meta",
        ("body*.Meta",),
        lambda theirs, ours: {repr(theirs), repr(ours)} == {"None", "{}"},
        "both say that there is none",
        "`null` or `{}`",
        ("health",),
    ),
    Rule(
        "kind of upstream",
        ("body*.Upstreams[].DestinationType",),
        either("", "service"),
        "its default is told",
        "`DestinationType`",
        ("catalog",),
    ),
    Rule(
        "settings of the agent",
        ("body.DebugConfig*", "body.Stats*", "body.Config.BuildDate", "body.Config.PrimaryDatacenter", "body.xDS*"),
        one_alone,
        "nothing is made up",
        "`DebugConfig`",
        ("agent",),
    ),
    Rule(
        "tags of members",
        ("body*.Tags.*",),
        one_alone,
        "our node is a client, theirs is a server too",
        "`server-<slot>`",
        ("agent",),
    ),
    Rule(
        "virtual addresses",
        ("body*TaggedAddresses", "body*TaggedAddresses.consul-virtual"),
        virtual,
        NEWER,
        "`consul-virtual`",
        ("agent",),
    ),
    Rule("names of the host", ("body.Memory.*", "body.Host.*"), one_alone, NEWER, "`agent/host`", ("agent",)),
    Rule(
        "cached leaves",
        ("headers.x-cache",),
        either("HIT", "MISS"),
        "no proxy here asks for a leaf before",
        "`X-Cache` of certificates",
    ),
    Rule(
        "what is measured",
        ("body.*.Labels.*", "body.Samples", "body.Points", "body.Gauges", "body.Counters"),
        lambda theirs, ours: theirs in (MISSING, []) or ours in (MISSING, []),
        "they name what happens here",
        "`agent/metrics`",
    ),
    Rule(
        "metadata of transactions",
        (
            "body.NotModified",
            "body.Backend",
            "body.ResultsFilteredByACLs",
            "body.Index",
            "body.LastContact",
            "body.KnownLeader",
            "body.ConsistencyLevel",
        ),
        newer_or_number,
        NEWER,
        "`ResultsFilteredByACLs`",
        ("txn",),
    ),
    Rule(
        "tags in transactions",
        ("body.Results[].Service.Tags", "body.Results[].Check.ServiceTags"),
        either(None, []),
        "a list is a list",
        "`Tags` in answers of `txn`",
        ("txn",),
    ),
    Rule(
        "index in a fault",
        ("body.Errors[].What",),
        lambda theirs, ours: re.sub(r"\d+ !=", "!=", theirs) == re.sub(r"\d+ !=", "!=", ours),
        "each has its own indexes",
        "each has its own indexes",
        ("txn",),
    ),
    Rule("faults of filters", ("body",), same_fault_of_filter, "the place is told", "errors of filters", ("filter",)),
    Rule(
        "checks of sidecars",
        ("body*.Output",),
        refused,
        "when a check first runs, and at whose address",
        "`Output` of checks",
    ),
    Rule(
        "aliases",
        ("body*.Output",),
        lambda theirs, ours: (
            (theirs == "" or str(theirs).startswith("Aliased check ")) and str(ours).startswith("Aliased check ")
        ),
        "which of several failing ones is named",
        "`Output` of checks",
    ),
)

NOT_THERE = (
    "discovery-chain/",
    "connect/ca/configuration",
)
"""Beginnings of paths of endpoints that Lictor does not have; docs/compatibility.md says so."""

CLOSER = "refused sooner than something senseless is kept"
LISTED: tuple[Listed, ...] = (
    Listed(
        "coordinate",
        ("GET coordinate/node/FAR",),
        ("body[].Node",),
        "the node's own spelling",
        "`coordinate/node/:node`",
    ),
    Listed(
        "query",
        ("GET query/none", "GET query/plain", "GET query/", "GET query/{plain}/odd"),
        ("answer",),
        "ids are opaque here",
        "a query id that is no UUID",
    ),
    Listed(
        "query",
        ("PUT query/none *", "DELETE query/none"),
        ("body",),
        "ids are opaque here",
        "a query id that is no UUID",
    ),
    Listed(
        "query",
        ("POST query/{plain}", "POST query/{plain}/execute", "PUT query/{plain}/explain"),
        ("headers.allow",),
        "one rule for all paths",
        "`Allow` of prepared queries",
    ),
    Listed(
        "general",
        ("OPTIONS query/x", "OPTIONS query/x/execute"),
        ("answer",),
        "one rule for all paths",
        "`Allow` of prepared queries",
    ),
    Listed(
        "general",
        ("PATCH query/x", "PATCH query/x/execute"),
        ("headers.allow",),
        "one rule for all paths",
        "`Allow` of prepared queries",
    ),
    Listed("kv", ("PUT kv/big x*",), ("body",), NEWER, "the page that a 413 points at"),
    Listed(
        "session", ("GET session/info/no-uuid",), ("answer",), "ids are opaque here", "a session id that is no UUID"
    ),
    Listed(
        "session",
        ("GET kv/l/a", "GET kv/l/?recurse"),
        ("body[].LockIndex",),
        "how often the key was acquired",
        "set `LockIndex` back to 0",
    ),
    Listed(
        "catalog",
        ("GET catalog/node-services/node-1",),
        ("body.Services",),
        "the node that answers is no server: it has no service `consul`, and so none",
        "nodes `server-<slot>`",
    ),
    Listed(
        "catalog",
        (
            'PUT catalog/register {"Node": "a", "Address": "b", "Service": {*',
            'PUT catalog/register {"Node": "a", "Address": "b", "Check": {*',
        ),
        ("body",),
        NEWER,
        "words of `catalog/register`",
    ),
    Listed("catalog", ('PUT catalog/register {"Node": "gone", *',), ("answer",), NEWER, "an unknown `Kind`"),
    Listed("health", ('PUT catalog/register {"Node": "odd", *',), ("answer",), CLOSER, "a status that is none"),
    Listed(
        "agent",
        ("PUT agent/service/maintenance/none?enable=true",),
        ("body",),
        NEWER,
        "an unknown id of a service or check",
    ),
    Listed(
        "agent",
        ("GET agent/health/service/id/none?format=text",),
        ("headers.content-type",),
        "it is text",
        "a text answer of `agent/health`",
    ),
    Listed("agent", ("GET agent/metrics?format=prometheus",), ("answer",), "it is always on", "`agent/metrics`"),
    Listed("agent", ("GET agent/version",), ("answer",), NEWER, "`/v1/agent/version`"),
    Listed(
        "agent",
        ("GET agent/connect/ca/roots",),
        ("headers.x-cache", "headers.age"),
        "no cache stands between",
        "`X-Cache` of certificates",
    ),
    Listed("agent", ("GET agent/connect/ca/leaf/",), ("answer",), "the caller's fault", "a leaf for no name"),
    Listed("txn", ('PUT txn [{"KV": {"Verb": "get", "Key": "t/none"}}, *',), ("answer",), NEWER, "128 operations"),
    Listed(
        "txn",
        (
            'PUT txn [{"KV": {"Verb": "get", "Key": "t/a"}}, {"KV": {"Verb": "get", "Key": "t/a"}}, {"KV": {"Verb": "g...',
        ),
        ("body",),
        NEWER,
        "128 operations",
    ),
    Listed(
        "txn", ('PUT txn [{"KV": {"Verb": "set", "Key": "t/big"*',), ("body",), NEWER, "the page that a 413 points at"
    ),
    Listed(
        "txn",
        (
            'PUT txn [{"Service": {"Verb": "delete-cas",*',
            'PUT txn [{"Service": {"Verb": "odd",*',
            'PUT txn [{"Service": {"Verb": "delete", *',
            'PUT txn [{"Check": {"Verb": "delete", "Check": {"Node": "tn", "CheckID": "tc"}}}, *',
        ),
        ("body.Errors[].What",),
        NEWER,
        "words of `catalog/register`",
    ),
    Listed(
        "agent", ('PUT agent/service/register {"Name": "a", "Kind": "odd"}',), ("answer",), NEWER, "an unknown `Kind`"
    ),
    Listed(
        "agent",
        (
            'PUT agent/service/register {"Name": "a", "Check": {"HTTP": "http://x"}}',
            'PUT agent/check/register {"Name": "z", "HTTP": "http://x"}',
            'PUT agent/check/register {"Name": "z", "TCP": "x:1"}',
        ),
        ("body",),
        NEWER,
        "more kinds of checks",
    ),
    Listed(
        "agent",
        (
            'PUT agent/service/register {"Name": "a", "Check": {"Args": ["x"], "Interval": "1s"}}',
            'PUT agent/check/register {"Name": "z", "Args": ["x"], "Interval": "1s"}',
        ),
        ("answer",),
        CLOSER,
        "script and Docker checks",
    ),
    Listed(
        "agent", ('PUT agent/service/register {"Name": "a", "Namespace": "x"}',), ("body",), NEWER, "`ns`, `partition`"
    ),
    Listed(
        "agent",
        (
            'PUT agent/check/register {"Name": "z", "TTL": "10s", "ServiceID": "nope"}',
            "PUT agent/service/deregister/none",
            "PUT agent/service/deregister/",
            "PUT agent/check/deregister/none",
            "PUT agent/check/deregister/",
            "PUT agent/check/pass/none",
            "PUT agent/check/fail/none",
            'PUT agent/check/update/none {"Status": "passing"}',
            "PUT agent/check/pass/",
            "PUT agent/check/pass/one",
        ),
        ("answer",),
        NEWER,
        "an unknown id of a service or check",
    ),
    Listed("general", ("GET /",), ("answer",), "no web page yet", "the web page"),
    Listed(
        "general",
        ("GET catalog/services?cached",),
        ("headers.x-cache", "headers.age"),
        "must-revalidate asks the leader",
        "`must-revalidate`",
    ),
    Listed("general", ("GET kv/g?datacenter=dc9",), ("answer",), NEWER, "`datacenter`"),
    Listed(
        "general",
        ("GET catalog/nodes?ns=x", "GET kv/g?partition=x", "GET catalog/nodes?partition=default"),
        ("answer",),
        NEWER,
        "`ns`, `partition`",
    ),
    Listed("general", ("GET kv/g?%zz",), ("body",), NEWER, "a query string that is wrongly escaped"),
    Listed("general", ("GET kv/g?recurse;keys",), ("answer",), NEWER, "a query string that is wrongly escaped"),
    Listed("general", ("GET kv/g",), ("headers.content-encoding",), NEWER, "short answers are not compressed"),
    Listed(
        "connect",
        ('POST connect/intentions {"SourceName": "web", "DestinationName": "db", "Action": "allow"}',),
        ("body",),
        NEWER,
        "`Sources[0].Description",
    ),
    Listed(
        "connect",
        (
            'POST connect/intentions {"SourceName": "x", "DestinationName": "y", "Action": "allow", "SourceNS": "other"}',
        ),
        ("answer",),
        NEWER,
        "`ns`, `partition`",
    ),
    Listed(
        "connect",
        ("PUT connect/intentions/no-uuid *", "DELETE connect/intentions/no-uuid"),
        ("answer",),
        NEWER,
        "words of intentions",
    ),
    Listed(
        "connect",
        ("GET connect/intentions/exact*", "PUT connect/intentions/exact*", "DELETE connect/intentions/exact*"),
        ("answer",),
        NEWER,
        "`/v1/connect/intentions/exact`",
    ),
    Listed("operator", ("GET operator/usage*", "PUT operator/usage"), ("answer",), NEWER, "`/v1/operator/usage`"),
    Listed(
        "config",
        (
            'PUT config {"Kind": "proxy-defaults", "Name": "other"}',
            'PUT config {"Kind": "service-defaults", "Name": "*"}',
        ),
        ("answer",),
        NEWER,
        "names of config entries",
    ),
    Listed(
        "config",
        (
            'PUT config {"Kind": "service-defaults"}',
            'PUT config {"Kind": "service-defaults", "Name": ""}',
            'PUT config {"Kind": "ingress-gateway"}',
            'PUT config {"Kind": "terminating-gateway"}',
        ),
        ("body",),
        NEWER,
        "names of config entries",
    ),
    Listed(
        "config",
        ('PUT config?dc=dc9 {"Kind": "service-defaults", "Name": "x"}',),
        ("answer",),
        "one datacenter",
        "a config entry that names another datacenter",
    ),
    Listed(
        "operator",
        ("GET operator/keyring", "POST operator/keyring {*", "PUT operator/keyring {*", "DELETE operator/keyring {*"),
        ("body",),
        "there is one pool",
        "WAN pool",
    ),
    Listed(
        "operator",
        ("GET operator/autopilot/configuration",),
        ("body.CreateIndex", "body.ModifyIndex"),
        "no row until it is written",
        "defaults at index 0",
    ),
    Listed(
        "operator",
        ("PUT snapshot not an archive", "PUT snapshot "),
        ("answer",),
        "the caller's fault",
        "one of a Consul server is refused with 400",
    ),
)
