"""Intentions reduced to policies in the shape of Envoy's role-based access control.

Envoy knows one action for all policies and no order among them, so order has to be turned into exclusions (Envoy's
`config.rbac.v3.RBAC`): each source that decides earlier is taken out of the wider ones behind it, each permission out
of those behind it, and whatever does what the default does anyway is left out. With default deny the policies say who
is allowed, and none means nobody; with default allow they say who is denied, and none means nobody is.

These are values; turning them into Envoy's messages is not done here.
"""

import re
from collections.abc import Iterable

import msgspec

from lictor_mesh.identity import escape
from lictor_mesh.intentions import WILDCARD, Action, HttpMatch, Intention, Permission

LAYER4 = "consul-intentions-layer4"
LAYER7 = "consul-intentions-layer7"


class Principal(msgspec.Struct, frozen=True):
    """The callers named `source` (or any, with `*`) except those in `excluded`."""

    source: str
    excluded: tuple[str, ...] = ()


class Rule(msgspec.Struct, frozen=True):
    """The requests that match `match` and none of `excluded`."""

    match: HttpMatch
    excluded: tuple[HttpMatch, ...] = ()


class Policy(msgspec.Struct, frozen=True):
    """Any of the principals with any of the rules; no rules mean every request."""

    name: str
    principals: tuple[Principal, ...]
    rules: tuple[Rule, ...] = ()


class AccessRules(msgspec.Struct, frozen=True):
    """What Envoy enforces: `allow` lets in only what a policy matches, `deny` keeps out exactly that."""

    action: Action
    policies: tuple[Policy, ...] = ()


DENY_ALL = AccessRules("allow")


def reduce(intentions: Iterable[Intention], *, default_allow: bool, http: bool) -> AccessRules:
    """The rules that have the same effect as `intentions` (of one destination, in order of precedence).

    Without `http` a request cannot be told from another, so an intention with permissions denies its source.
    """
    default: Action = "allow" if default_allow else "deny"
    layer4: list[Principal] = []
    layer7: list[Policy] = []
    for position, (intention, excluded) in enumerate(_without_order(intentions)):
        principal = Principal(intention.source, excluded)
        action: Action | None = intention.action if intention.action or http else "deny"
        if action is None:
            rules = _rules(intention.permissions, default)
            if rules:
                layer7.append(Policy(f"{LAYER7}-{position}", (principal,), rules))
        elif action != default:
            layer4.append(principal)
    policies = [Policy(LAYER4, tuple(layer4))] if layer4 else []
    return AccessRules("deny" if default_allow else "allow", tuple(policies + layer7))


def principal_pattern(trust_domain: str, source: str) -> str:
    """The RE2 expression (matched whole) of the SPIFFE ids that `source` stands for, in any datacenter.

    Names are escaped: a dot in a name matches a dot only.
    """
    name = "[^/]+" if source == WILDCARD else re.escape(escape(source))
    return rf"^spiffe://{re.escape(trust_domain)}/ns/default/dc/[^/]+/svc/{name}$"


def _without_order(intentions: Iterable[Intention]) -> list[tuple[Intention, tuple[str, ...]]]:
    """The intentions that can decide anything, each with the sources that are decided before it."""
    decisive: list[tuple[Intention, tuple[str, ...]]] = []
    seen: list[str] = []
    for intention in intentions:
        if intention.source == WILDCARD:
            decisive.append((intention, tuple(sorted(seen))))
            break  # any source is decided by now: what follows never matches
        if intention.source not in seen:
            seen.append(intention.source)
            decisive.append((intention, ()))
    return decisive


def _rules(permissions: tuple[Permission, ...], default: Action) -> tuple[Rule, ...]:
    rules = []
    earlier: list[HttpMatch] = []
    for permission in permissions:
        if permission.action != default:
            rules.append(Rule(permission.match, tuple(earlier)))
        earlier.append(permission.match)
    return tuple(rules)
