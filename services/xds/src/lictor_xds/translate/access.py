"""Access rules as Envoy's RBAC messages (`config.rbac.v3`).

Callers are matched by the URI of their certificate with a whole-string expression whose names are escaped.
"""

import functools
import re

from envoy.config.rbac.v3.rbac_pb2 import RBAC, Permission, Policy, Principal
from envoy.config.route.v3.route_components_pb2 import HeaderMatcher
from envoy.type.matcher.v3.path_pb2 import PathMatcher
from envoy.type.matcher.v3.regex_pb2 import RegexMatcher
from envoy.type.matcher.v3.string_pb2 import StringMatcher

from lictor_mesh import AccessRules, principal_pattern
from lictor_mesh import Principal as Caller
from lictor_mesh.intentions import HeaderMatch, HttpMatch
from lictor_mesh.rbac import Rule


@functools.lru_cache(maxsize=4096)  # one per destination; its proxies share it
def rbac(rules: AccessRules, trust_domain: str) -> RBAC:
    """The rules for one destination; never modified by those who get it."""
    action = RBAC.ALLOW if rules.action == "allow" else RBAC.DENY
    policies = {
        policy.name: Policy(
            principals=[_principal(caller, trust_domain) for caller in policy.principals],
            permissions=[_permission(rule) for rule in policy.rules] or [Permission(any=True)],
        )
        for policy in rules.policies
    }
    return RBAC(action=action, policies=policies)


def _principal(caller: Caller, trust_domain: str) -> Principal:
    included = _authenticated(caller.source, trust_domain)
    if not caller.excluded:
        return included
    excluded = [Principal(not_id=_authenticated(source, trust_domain)) for source in caller.excluded]
    return Principal(and_ids=Principal.Set(ids=[included, *excluded]))


def _authenticated(source: str, trust_domain: str) -> Principal:
    name = StringMatcher(safe_regex=RegexMatcher(regex=principal_pattern(trust_domain, source)))
    return Principal(authenticated=Principal.Authenticated(principal_name=name))


def _permission(rule: Rule) -> Permission:
    included = _match(rule.match)
    if not rule.excluded:
        return included
    excluded = [Permission(not_rule=_match(match)) for match in rule.excluded]
    return Permission(and_rules=Permission.Set(rules=[included, *excluded]))


def _match(match: HttpMatch) -> Permission:
    parts = [Permission(header=_header(header)) for header in match.headers]
    if match.path_kind:
        parts.insert(0, Permission(url_path=PathMatcher(path=_string(match.path_kind, match.path))))
    if match.methods:
        methods = RegexMatcher(regex="|".join(re.escape(method) for method in match.methods))
        parts.append(Permission(header=HeaderMatcher(name=":method", string_match=StringMatcher(safe_regex=methods))))
    return parts[0] if len(parts) == 1 else Permission(and_rules=Permission.Set(rules=parts))


def _header(header: HeaderMatch) -> HeaderMatcher:
    if header.kind == "present":
        return HeaderMatcher(name=header.name, present_match=True, invert_match=header.invert)
    condition = _string(header.kind, header.value, ignore_case=header.ignore_case)
    return HeaderMatcher(name=header.name, string_match=condition, invert_match=header.invert)


def _string(kind: str, value: str, *, ignore_case: bool = False) -> StringMatcher:
    if kind == "regex":
        return StringMatcher(safe_regex=RegexMatcher(regex=value))
    return StringMatcher(**{kind: value}, ignore_case=ignore_case)
