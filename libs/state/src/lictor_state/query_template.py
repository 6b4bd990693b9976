"""Templates of prepared queries: `${name.suffix}` and its like in any text of a query (Consul's prepared queries).

| | |
|---|---|
| `${name.full}`, `${name.prefix}`, `${name.suffix}` | the name asked for, the template's own, the rest |
| `${match(N)}` | the group N of the template's regular expression, empty if there is none or it does not match |
| `${agent.segment}` | empty: network segments are Consul Enterprise's |
| `$${` | `${` itself |

Consul's language for what stands between the braces also computes; that is refused. A template is judged when it is
defined, from the definition alone.
"""

import re
from collections.abc import Callable, Iterator
from functools import lru_cache

import msgspec
from msgspec.structs import replace

from lictor_state.prepared_query_rows import (
    NAME_PREFIX_MATCH,
    QueryDefinition,
    QueryFailover,
    QueryService,
    QueryTarget,
)
from lictor_state.regexp_syntax import RegexpError
from lictor_state.submatches import compile_submatches

TEXTS_KEPT_MAX = 4096

_UNREADABLE = "parse error: "
_VARIABLES = frozenset({"name.full", "name.prefix", "name.suffix", "agent.segment"})
_PIECE = re.compile(r"\$\$\{|\$\{")
_EXPRESSION = re.compile(r"(\s*)([A-Za-z_][A-Za-z0-9_.-]*)\s*(?:(\()([^(){}]*)\)\s*)?\}")
_NUMBER = re.compile(r"-?\d{1,9}")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")


class TemplateError(ValueError):
    """A template that cannot be one, in Consul's words."""


class _Variable(msgspec.Struct, frozen=True):
    """A variable, or a group of the match if `name` is empty."""

    name: str
    group: int = 0


def judge_template(definition: QueryDefinition) -> None:
    """Raises `TemplateError` if a template's type, regular expression or texts are wrong; what is none is fine."""
    template = definition.template
    if not template.type:
        return
    if template.type != NAME_PREFIX_MATCH:
        raise TemplateError(f"Bad Template.Type '{template.type}'")
    try:
        compile_submatches(template.regexp)
    except RegexpError as error:
        raise TemplateError(f"Bad Regexp: {error}") from None
    for where, text in _texts(definition.service):
        try:
            _parsed(text)
        except TemplateError as error:
            what = "Bad format" if str(error).startswith(_UNREADABLE) else "Bad evaluation for"
            raise TemplateError(f"{what} '{text}' in Service.{where}: {error}") from None


def rendered(definition: QueryDefinition, name: str) -> QueryDefinition:
    """The query that a template stands for when it is asked for by `name`."""
    groups: tuple[str, ...] = ()
    if definition.template.regexp:
        try:
            groups = compile_submatches(definition.template.regexp)(name)
        except RegexpError:  # a later build took it
            groups = ()
    values = {
        "name.full": name,
        "name.prefix": definition.name,
        "name.suffix": name.removeprefix(definition.name),
        "agent.segment": "",
    }

    def fill(text: str) -> str:
        try:
            parts = _parsed(text)
        except TemplateError:  # as above
            return text
        return "".join(part if isinstance(part, str) else _value(part, values, groups) for part in parts)

    service = _mapped(definition.service, fill)
    if definition.template.remove_empty_tags and service.tags is not None:
        service = replace(service, tags=tuple(tag for tag in service.tags if tag))
    return replace(definition, service=service)


def _value(part: _Variable, values: dict[str, str], groups: tuple[str, ...]) -> str:
    if part.name:
        return values[part.name]
    return groups[part.group] if 0 <= part.group < len(groups) else ""


def _mapped(service: QueryService, fill: Callable[[str], str]) -> QueryService:
    """The service part with every text replaced."""

    def each(texts: tuple[str, ...] | None) -> tuple[str, ...] | None:
        return None if texts is None else tuple(map(fill, texts))

    def values(pairs: dict[str, str] | None) -> dict[str, str] | None:
        return None if pairs is None else {key: fill(value) for key, value in pairs.items()}

    failover = service.failover
    targets = failover.targets
    return QueryService(
        service=fill(service.service),
        failover=QueryFailover(
            failover.nearest_n,
            each(failover.datacenters),
            None if targets is None else tuple(QueryTarget(fill(one.peer), fill(one.datacenter)) for one in targets),
        ),
        only_passing=service.only_passing,
        ignore_check_ids=each(service.ignore_check_ids),
        near=fill(service.near),
        tags=each(service.tags),
        node_meta=values(service.node_meta),
        service_meta=values(service.service_meta),
        connect=service.connect,
    )


def _texts(service: QueryService) -> Iterator[tuple[str, str]]:
    """Every text of the service part, with its place as Consul names it."""
    yield "Service", service.service
    for number, text in enumerate(service.failover.datacenters or ()):
        yield f"Failover.Datacenters[{number}]", text
    for number, target in enumerate(service.failover.targets or ()):
        yield f"Failover.Targets[{number}].Peer", target.peer
        yield f"Failover.Targets[{number}].Datacenter", target.datacenter
    for number, text in enumerate(service.ignore_check_ids or ()):
        yield f"IgnoreCheckIDs[{number}]", text
    yield "Near", service.near
    for number, text in enumerate(service.tags or ()):
        yield f"Tags[{number}]", text
    for key, text in sorted((service.node_meta or {}).items()):
        yield f"NodeMeta[{key}]", text
    for key, text in sorted((service.service_meta or {}).items()):
        yield f"ServiceMeta[{key}]", text


@lru_cache(TEXTS_KEPT_MAX)
def _parsed(text: str) -> tuple[str | _Variable, ...]:
    parts: list[str | _Variable] = []
    at = 0
    while True:
        piece = _PIECE.search(text, at)
        if piece is None:
            parts.append(text[at:])
            return tuple(parts)
        parts.append(text[at : piece.start()])
        at = piece.end()
        if piece[0] == "$${":
            parts.append("${")
            continue
        found = _EXPRESSION.match(text, at)
        if found is None:
            raise TemplateError(f"{_UNREADABLE}syntax error")
        parts.append(_expression(found))
        at = found.end()


def _expression(found: re.Match[str]) -> _Variable:
    where, name = f"1:{found.start(2) + 1}", found[2]
    if not found[3]:
        if name not in _VARIABLES:
            raise TemplateError(f"{where}: unknown variable accessed: {name}")
        return _Variable(name)
    if name != "match":
        raise TemplateError(f"{where}: unknown function called: {name}")
    given = [one.strip() for one in found[4].split(",")] if found[4].strip() else []
    if len(given) != 1:
        raise TemplateError(f"{where}: match: expected 1 arguments, got {len(given)}")
    if _NUMBER.fullmatch(given[0]):
        return _Variable("", int(given[0]))
    if _NAME.fullmatch(given[0]) and given[0] not in _VARIABLES:
        column = found.start(4) + found[4].index(given[0]) + 1
        raise TemplateError(f"1:{column}: unknown variable accessed: {given[0]}")
    raise TemplateError(f"{_UNREADABLE}match takes the number of a group")
