"""Precedence, and the reduction to policies against a naive reading of the rules."""

import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lictor_mesh.identity import ServiceIdentity
from lictor_mesh.intentions import (
    HeaderMatch,
    HttpMatch,
    Intention,
    Permission,
    decide,
    intentions_for,
    precedence,
)
from lictor_mesh.rbac import DENY_ALL, LAYER4, AccessRules, Policy, Principal, Rule, principal_pattern, reduce
from lictor_state.rows import ConfigEntryRow

TD = "11111111-2222-3333-4444-555555555555.consul"


def entry(name: str, *sources: dict[str, Any], **body: Any) -> ConfigEntryRow:
    return ConfigEntryRow("service-intentions", name, {"Sources": list(sources), **body})


def allow(name: str) -> dict[str, Any]:
    return {"Name": name, "Action": "allow", "Type": "consul"}


def deny(name: str) -> dict[str, Any]:
    return {"Name": name, "Action": "deny", "Type": "consul"}


def permit(action: str, **http: Any) -> dict[str, Any]:
    return {"Action": action, "HTTP": http}


@pytest.mark.parametrize(
    ("source", "destination", "number"), [("a", "b", 9), ("*", "b", 8), ("a", "*", 6), ("*", "*", 5)]
)
def test_precedence_by_destination_first(source: str, destination: str, number: int) -> None:
    assert precedence(source, destination) == number


def test_intentions_are_ordered_by_precedence_then_source() -> None:
    found = intentions_for(
        "db",
        [
            entry("*", allow("web"), deny("*")),
            None,
            entry("db", allow("z"), deny("*"), allow("a")),
            entry("web", allow("q")),
        ],
    )
    assert [(one.source, one.destination, one.precedence) for one in found] == [
        ("a", "db", 9),
        ("z", "db", 9),
        ("*", "db", 8),
        ("web", "*", 6),
        ("*", "*", 5),
    ]


DECISIONS = [
    ("an exact allow under default deny", [entry("db", allow("web"))], "web", False, True),
    ("another source under default deny", [entry("db", allow("web"))], "api", False, False),
    ("nothing under default allow", [], "web", True, True),
    ("nothing under default deny", [], "web", False, False),
    ("a deny of all sources", [entry("db", deny("*"))], "web", True, False),
    ("exact beats any source", [entry("db", allow("web"), deny("*"))], "web", False, True),
    (
        "any source of the exact destination beats an exact source of any",
        [entry("*", allow("web")), entry("db", deny("*"))],
        "web",
        True,
        False,
    ),
    (
        "permissions count as deny",
        [entry("db", {"Name": "web", "Permissions": [permit("allow", PathPrefix="/")]})],
        "web",
        True,
        False,
    ),
]


@pytest.mark.parametrize(
    ("entries", "source", "default_allow", "allowed"), [row[1:] for row in DECISIONS], ids=[row[0] for row in DECISIONS]
)
def test_a_connection_is_decided_by_the_first_match(
    entries: list[ConfigEntryRow], source: str, default_allow: bool, allowed: bool
) -> None:
    assert decide(intentions_for("db", entries), source, default_allow=default_allow).allowed is allowed


UNENFORCEABLE = [
    ("a JWT of the entry", entry("db", allow("web"), JWT={"Providers": [{"Name": "p"}]}), "JWT"),
    (
        "a JWT of a permission",
        entry(
            "db",
            {
                "Name": "web",
                "Permissions": [{**permit("allow", PathPrefix="/"), "JWT": {"Providers": [{"Name": "p"}]}}],
            },
        ),
        "JWT",
    ),
    ("an unknown field", entry("db", {**allow("web"), "Mood": "good"}), "Mood"),
    ("neither action nor permissions", entry("db", {"Name": "web"}), "exactly one"),
    ("an unknown action", entry("db", {"Name": "web", "Action": "log"}), "exactly one"),
    (
        "both action and permissions",
        entry("db", {**allow("web"), "Permissions": [permit("allow", PathPrefix="/")]}),
        "exactly one",
    ),
    ("an empty permission", entry("db", {"Name": "web", "Permissions": [permit("allow")]}), "must not be empty"),
    (
        "two paths",
        entry("db", {"Name": "web", "Permissions": [permit("allow", PathPrefix="/", PathExact="/x")]}),
        "at most one",
    ),
    (
        "a header without a condition",
        entry("db", {"Name": "web", "Permissions": [permit("allow", Header=[{"Name": "x"}])]}),
        "exactly one condition",
    ),
]


@pytest.mark.parametrize(("row", "message"), [row[1:] for row in UNENFORCEABLE], ids=[row[0] for row in UNENFORCEABLE])
def test_what_cannot_be_enforced_is_denied_and_named(row: ConfigEntryRow, message: str) -> None:
    (found,) = intentions_for("db", [row])
    assert found.action == "deny"
    assert message in found.problem
    assert reduce([found], default_allow=True, http=True).policies[0].principals == (Principal("web"),)


def test_sources_of_peers_are_left_out() -> None:
    assert intentions_for("db", [entry("db", {**allow("web"), "Peer": "east"})]) == ()


REDUCTIONS = [
    ("default deny and nothing", [], False, True, DENY_ALL),
    ("default allow and nothing", [], True, True, AccessRules("deny")),
    ("an allow repeats default allow", [entry("db", allow("web"))], True, True, AccessRules("deny")),
    (
        "one allowed source",
        [entry("db", allow("web"))],
        False,
        True,
        AccessRules("allow", (Policy(LAYER4, (Principal("web"),)),)),
    ),
    (
        "all but one",
        [entry("db", deny("web"), allow("*"))],
        False,
        True,
        AccessRules("allow", (Policy(LAYER4, (Principal("*", ("web",)),)),)),
    ),
    (
        "what follows any source never matches",
        [entry("db", deny("*")), entry("*", allow("web"))],
        False,
        True,
        DENY_ALL,
    ),
    (
        "permissions on tcp deny",
        [entry("db", {"Name": "web", "Permissions": [permit("allow", PathPrefix="/")]})],
        True,
        False,
        AccessRules("deny", (Policy(LAYER4, (Principal("web"),)),)),
    ),
    (
        "each permission is taken out of the later ones",
        [
            entry(
                "db",
                {
                    "Name": "web",
                    "Permissions": [
                        permit("deny", PathExact="/admin"),
                        permit("allow", PathPrefix="/", Methods=["get"]),
                    ],
                },
            )
        ],
        False,
        True,
        AccessRules(
            "allow",
            (
                Policy(
                    "consul-intentions-layer7-0",
                    (Principal("web"),),
                    (Rule(HttpMatch("prefix", "/", (), ("GET",)), (HttpMatch("exact", "/admin"),)),),
                ),
            ),
        ),
    ),
]


@pytest.mark.parametrize(
    ("entries", "default_allow", "http", "rules"), [row[1:] for row in REDUCTIONS], ids=[row[0] for row in REDUCTIONS]
)
def test_reduction(entries: list[ConfigEntryRow], default_allow: bool, http: bool, rules: AccessRules) -> None:
    assert reduce(intentions_for("db", entries), default_allow=default_allow, http=http) == rules


# -- a naive reading of the rules, and an interpreter of what Envoy would do

Request = tuple[str, str, bool]  # path, method, whether the header x is there


def matches(match: HttpMatch, request: Request) -> bool:
    path, method, has_header = request
    right_path = {"": True, "exact": path == match.path, "prefix": path.startswith(match.path)}[match.path_kind]
    right_headers = all(has_header != header.invert for header in match.headers)
    return right_path and right_headers and (not match.methods or method in match.methods)


def naive(intentions: list[Intention], source: str, request: Request | None, default_allow: bool) -> bool:
    for intention in sorted(intentions, key=lambda one: -one.precedence):
        if intention.source in {source, "*"}:
            if intention.action is not None:
                return intention.action == "allow"
            if request is None:
                return False
            for permission in intention.permissions:
                if matches(permission.match, request):
                    return permission.action == "allow"
            return default_allow
    return default_allow


def interpret(rules: AccessRules, source: str, request: Request | None) -> bool:
    def policy_matches(policy: Policy) -> bool:
        principal = any(one.source in {source, "*"} and source not in one.excluded for one in policy.principals)
        rule = not policy.rules or any(
            request is not None
            and matches(one.match, request)
            and not any(matches(out, request) for out in one.excluded)
            for one in policy.rules
        )
        return principal and rule

    matched = any(policy_matches(policy) for policy in rules.policies)
    return matched if rules.action == "allow" else not matched


http_matches = st.builds(
    lambda path, methods, headers: HttpMatch(path[0], path[1], headers, methods),
    st.sampled_from([("", ""), ("exact", "/a"), ("prefix", "/"), ("prefix", "/a")]),
    st.sampled_from([(), ("GET",), ("GET", "PUT")]),
    st.sampled_from([(), (HeaderMatch("x", "present"),), (HeaderMatch("x", "present", invert=True),)]),
)
permissions = st.lists(
    st.builds(Permission, st.sampled_from(["allow", "deny"]), http_matches), min_size=1, max_size=4
).map(tuple)
outcomes = st.one_of(
    st.sampled_from(["allow", "deny"]).map(lambda action: (action, ())), permissions.map(lambda found: (None, found))
)
ixns = st.dictionaries(
    st.tuples(st.sampled_from(["*", "a", "b", "c"]), st.sampled_from(["db", "*"])), outcomes, max_size=6
).map(
    lambda found: [
        Intention(source, destination, precedence(source, destination), action, allowed)  # type: ignore[arg-type]  # drawn
        for (source, destination), (action, allowed) in found.items()
    ]
)


@settings(max_examples=300, deadline=None)
@given(ixns, st.booleans())
def test_the_reduced_rules_decide_every_request_as_first_match_by_precedence_does(
    found: list[Intention], default_allow: bool
) -> None:
    ordered = sorted(found, key=lambda one: (-one.precedence, one.source))
    http = reduce(ordered, default_allow=default_allow, http=True)
    tcp = reduce(ordered, default_allow=default_allow, http=False)
    for source in ("a", "b", "c", "d"):
        assert interpret(tcp, source, None) == naive(found, source, None, default_allow)
        for request in [(p, m, h) for p in ("/a", "/ab", "/b") for m in ("GET", "PUT", "POST") for h in (False, True)]:
            assert interpret(http, source, request) == naive(found, source, request, default_allow)


@pytest.mark.parametrize(
    ("source", "caller", "is_match"),
    [
        ("web", "web", True),
        ("web", "web2", False),
        ("w.b", "w.b", True),
        ("w.b", "wxb", False),
        ("a/b", "a/b", True),
        ("*", "anything", True),
        ("a+b", "aab", False),
    ],
)
def test_patterns_match_the_name_and_nothing_that_resembles_it(source: str, caller: str, is_match: bool) -> None:
    pattern = re.compile(principal_pattern(TD, source))
    assert (pattern.fullmatch(ServiceIdentity(TD, "dc9", caller).uri) is not None) is is_match
    assert pattern.fullmatch(ServiceIdentity(TD.replace(".", "x"), "dc1", caller).uri) is None


def test_an_entry_applies_to_its_destination_in_any_case() -> None:
    found = intentions_for("db", [entry("Db", deny("web")), entry("other", deny("web"))])
    assert [one.action for one in found] == ["deny"]
