"""Prepared queries: rules of defining, looking up, templates, and what they find."""

import itertools
import random
from typing import Any

import pytest

from lictor_state import Store, dump, restore
from lictor_state import commands as c
from lictor_state.prepared_query_rows import (
    QueryDefinition,
    QueryFailover,
    QueryService,
    QueryTarget,
    QueryTemplate,
)
from lictor_state.queries.prepared_execution import OWN_NODE_DEPTH, Asker, execute
from lictor_state.queries.prepared_query import (
    TEMPLATED_NAME_MAX,
    TemplateByIdError,
    prepared_queries,
    prepared_query,
    resolve,
)
from lictor_state.query_template import TemplateError, judge_template, rendered
from lictor_state.rows import ProxyDefinition

TEMPLATE = QueryTemplate("name_prefix_match")
HERE = Asker("n1", "10.0.0.9")


def define(query_id: str, name: str = "", service: str = "web", *, create: bool = True, **more: Any) -> Any:
    return c.PreparedQuerySet(query_id, QueryDefinition(name, QueryService(service), **more), create)


@pytest.fixture
def named(state: Any) -> Any:
    state.register()
    state.do(define("q-1", "one"))
    state.do(define("q-2", "Geo-", "${name.suffix}", template=TEMPLATE))
    return state


def test_a_query_is_kept_with_its_indexes_and_moves_the_tables(named: Any) -> None:
    row = named.store.prepared_query("q-1")
    assert (row.create_index, row.modify_index, named.index("prepared-queries")) == (2, 2, 3)
    assert named.do(define("q-1", "one", "db", create=False)).value == "q-1"
    row = named.store.prepared_query("q-1")
    assert (row.definition.service.service, row.create_index, row.modify_index) == ("db", 2, 4)
    assert [one.query_id for one in prepared_queries(named.store).value] == ["q-1", "q-2"]
    assert prepared_queries(named.store).index == prepared_query(named.store, "q-2").index == 4
    assert prepared_query(named.store, "q-9").absent


def test_the_same_definition_again_moves_no_index(named: Any) -> None:
    assert named.do(define("q-1", "one", create=False)).value == "q-1"
    assert named.last.changes == ()


@pytest.mark.parametrize(
    ("command", "error"),
    [
        (define("q-3", "ONE"), "raft apply failed: name 'ONE' aliases an existing query name"),
        (define("q-3", "geo-"), "raft apply failed: name 'geo-' aliases an existing query name"),
        (define("q-2", "one", create=False), "raft apply failed: name 'one' aliases an existing query name"),
        (define("q-3", "q-1"), "raft apply failed: name 'q-1' aliases an existing query ID"),
        (define("q-1", "q-1", create=False), "raft apply failed: name 'q-1' aliases an existing query ID"),
        (define("q-3", "x", session="s-9"), 'raft apply failed: invalid session "s-9"'),
        (define("q-1", "x"), "raft apply failed: query id 'q-1' is taken"),
        (define("q-9", "x", create=False), "Cannot modify non-existent prepared query: 'q-9'"),
        (c.PreparedQueryDelete("q-9"), "Cannot modify non-existent prepared query: 'q-9'"),
    ],
)
def test_a_definition_that_breaks_a_rule_is_refused_in_consuls_words(named: Any, command: Any, error: str) -> None:
    result = named.do(command)
    assert (result.error, result.status) == (error, 500)
    assert named.last.changes == ()


def test_only_one_template_has_an_empty_name_but_any_number_of_queries(state: Any) -> None:
    assert state.do(define("q-1", "", template=TEMPLATE)).value == "q-1"
    error = "raft apply failed: a query template with an empty name already exists"
    assert state.do(define("q-2", "", template=TEMPLATE)).error == error
    assert state.do(define("q-1", "", "db", template=TEMPLATE, create=False)).value == "q-1"
    state.register()
    for number in (1, 2):
        state.do(c.SessionCreate(f"s-{number}", "n1"))
        assert state.do(define(f"q-1{number}", session=f"s-{number}")).value == f"q-1{number}"
    assert state.do(c.PreparedQueryDelete("q-1")).value is True
    assert state.do(define("q-2", "", template=TEMPLATE)).value == "q-2"


def test_a_query_ends_with_the_session_that_it_is_bound_to(named: Any) -> None:
    named.do(c.SessionCreate("s-1", "n1"))
    named.do(define("q-3", session="s-1"))
    named.do(define("q-1", "one", session="s-1", create=False))
    named.do(c.CatalogDeregister("n1"))
    assert [one.query_id for one in prepared_queries(named.store).value] == ["q-2"]
    assert named.index("prepared-queries") == named.last.index
    assert named.store.by.queries_of_session == {}


def test_a_name_is_free_again_once_its_query_has_another_one_or_is_gone(named: Any) -> None:
    named.do(define("q-1", "two", create=False))
    assert named.do(define("q-3", "one")).value == "q-3"
    named.do(c.PreparedQueryDelete("q-3"))
    assert named.do(define("q-4", "One")).value == "q-4"
    assert resolve(named.store, "one").query_id == "q-4"  # type: ignore[union-attr]  # it is there


def test_rows_and_lookups_come_back_from_a_snapshot_and_over_the_feed(named: Any, follower: Any) -> None:
    for applied in named.applied:
        follower.follow(applied)
    for store in (restore(dump(named.store)), follower.store):
        assert list(dump(store))[1:] == list(dump(named.store))[1:]
        assert resolve(store, "GEO-x") == resolve(named.store, "GEO-x") is not None
        assert store.digest() == named.store.digest()


@pytest.mark.parametrize(
    ("asked", "query_id", "service"),
    [
        ("exact", "q-1", "x"),
        ("EXACT", "q-1", "x"),
        ("q-1", "q-1", "x"),
        ("ab", "q-3", "ab:ab:"),
        ("ABx", "q-3", "ABx:ab:ABx"),
        ("abc", "q-4", "abc"),
        ("abcd", "q-3", "abcd:ab:cd"),
        ("a", "q-2", "a::a"),
        ("", "q-2", "::"),
    ],
)
def test_an_id_wins_then_an_exact_name_then_the_longest_template(
    state: Any, asked: str, query_id: str, service: str
) -> None:
    text = "${name.full}:${name.prefix}:${name.suffix}"
    for command in (
        define("q-1", "exact", "x"),
        define("q-2", "", text, template=TEMPLATE),
        define("q-3", "ab", text, template=TEMPLATE),
        define("q-4", "abc", "abc"),
    ):
        assert state.do(command).error == ""
    found = resolve(state.store, asked)
    assert found is not None
    assert (found.query_id, found.definition.service.service) == (query_id, service)
    with pytest.raises(TemplateByIdError, match="by name, not by ID"):
        resolve(state.store, "q-3")
    assert resolve(state.store, "x" * (TEMPLATED_NAME_MAX + 1)) is None


def test_an_unknown_name_is_nothing(named: Any) -> None:
    assert resolve(named.store, "none") is None
    assert resolve(named.store, "") is None


FILLED: list[tuple[str, str, str, str]] = [
    ("${name.full}", "", "geo-a-b", "geo-a-b"),
    ("x${ name.suffix }y", "", "geo-a-b", "xa-by"),
    ("${agent.segment}", "", "geo-a-b", ""),
    ("${match(0)}|${match(1)}|${match( 2 )}|${match(9)}|${match(-1)}", "^geo-(.*)-(.*)$", "geo-a-b", "geo-a-b|a|b||"),
    ("${match(1)}", "^nomatch-(.*)$", "geo-a-b", ""),
    ("${match(0)}", "", "geo-a-b", ""),
    ("$${name.full}", "", "geo-a-b", "${name.full}"),
    ("a$b}", "", "geo-a-b", "a$b}"),
    ("${name.full}}", "", "geo-a-b", "geo-a-b}"),
]


@pytest.mark.parametrize(("text", "regexp", "name", "filled"), FILLED)
def test_a_text_is_filled_in(text: str, regexp: str, name: str, filled: str) -> None:
    definition = QueryDefinition("geo-", QueryService(text), template=QueryTemplate("name_prefix_match", regexp))
    judge_template(definition)
    assert rendered(definition, name).service.service == filled


def test_every_text_of_the_service_part_is_filled_in_and_nothing_else() -> None:
    some = "${name.suffix}"
    service = QueryService(
        some,
        QueryFailover(1, (some, "dc2"), (QueryTarget(some, some),)),
        only_passing=True,
        ignore_check_ids=(some,),
        near=some,
        tags=(some, "${match(1)}", "t"),
        node_meta={some: some},
        service_meta={"k": some},
        connect=True,
    )
    definition = QueryDefinition("geo-", service, "s", some, TEMPLATE, some)
    done = rendered(definition, "geo-x")
    assert (done.token, done.dns_ttl, done.name) == (some, some, "geo-")
    assert done.service == QueryService(
        "x",
        QueryFailover(1, ("x", "dc2"), (QueryTarget("x", "x"),)),
        only_passing=True,
        ignore_check_ids=("x",),
        near="x",
        tags=("x", "", "t"),
        node_meta={some: "x"},
        service_meta={"k": "x"},
        connect=True,
    )
    without = QueryDefinition("geo-", service, template=QueryTemplate("name_prefix_match", "", remove_empty_tags=True))
    assert rendered(without, "geo-x").service.tags == ("x", "t")


FAULTS: list[tuple[QueryService, QueryTemplate, str]] = [
    (QueryService("w"), QueryTemplate("bogus"), "Bad Template.Type 'bogus'"),
    (QueryService("w"), QueryTemplate("name_prefix_match", "("), "Bad Regexp: error parsing regexp: missing closing ): `(`"),
    (QueryService("${x}"), TEMPLATE, "Bad evaluation for '${x}' in Service.Service: 1:3: unknown variable accessed: x"),
    (QueryService("a${ x}"), TEMPLATE, "Bad evaluation for 'a${ x}' in Service.Service: 1:5: unknown variable accessed: x"),
    (QueryService("${name.full"), TEMPLATE, "Bad format '${name.full' in Service.Service: parse error: syntax error"),
    (QueryService("${}"), TEMPLATE, "Bad format '${}' in Service.Service: parse error: syntax error"),
    (QueryService("${"), TEMPLATE, "Bad format '${' in Service.Service: parse error: syntax error"),
    (QueryService("${1+2}"), TEMPLATE, "Bad format '${1+2}' in Service.Service: parse error: syntax error"),
    (QueryService("${no(1)}"), TEMPLATE, "Bad evaluation for '${no(1)}' in Service.Service: 1:3: unknown function called: no"),
    (QueryService("${match()}"), TEMPLATE, "Bad evaluation for '${match()}' in Service.Service: 1:3: match: expected 1 arguments, got 0"),
    (QueryService("${match(1,2)}"), TEMPLATE, "Bad evaluation for '${match(1,2)}' in Service.Service: 1:3: match: expected 1 arguments, got 2"),
    (QueryService("${match(a)}"), TEMPLATE, "Bad evaluation for '${match(a)}' in Service.Service: 1:9: unknown variable accessed: a"),
    (QueryService("${match(name.full)}"), TEMPLATE, "Bad format '${match(name.full)}' in Service.Service: parse error: match takes the number of a group"),
    (QueryService("w", tags=("a", "${x}")), TEMPLATE, "Bad evaluation for '${x}' in Service.Tags[1]: 1:3: unknown variable accessed: x"),
    (QueryService("w", near="${x}"), TEMPLATE, "Bad evaluation for '${x}' in Service.Near: 1:3: unknown variable accessed: x"),
    (QueryService("w", ignore_check_ids=("${x}",)), TEMPLATE, "Bad evaluation for '${x}' in Service.IgnoreCheckIDs[0]: 1:3: unknown variable accessed: x"),
    (QueryService("w", node_meta={"k": "${x}"}), TEMPLATE, "Bad evaluation for '${x}' in Service.NodeMeta[k]: 1:3: unknown variable accessed: x"),
    (QueryService("w", service_meta={"k": "${x}"}), TEMPLATE, "Bad evaluation for '${x}' in Service.ServiceMeta[k]: 1:3: unknown variable accessed: x"),
    (QueryService("w", QueryFailover(0, ("a", "${x}"))), TEMPLATE, "Bad evaluation for '${x}' in Service.Failover.Datacenters[1]: 1:3: unknown variable accessed: x"),
]  # fmt: skip


@pytest.mark.parametrize(("service", "template", "said"), FAULTS)
def test_a_template_that_cannot_be_one_is_refused_in_consuls_words(service: Any, template: Any, said: str) -> None:
    with pytest.raises(TemplateError) as caught:
        judge_template(QueryDefinition("t-", service, template=template))
    assert str(caught.value) == said
    judge_template(QueryDefinition("plain", service))


# --- what a query finds


def fixed() -> float:
    return 0.999999


@pytest.fixture
def running(state: Any) -> Store:
    """n1 to n4 with one instance each; n2's has a warning, n3's is critical, n4 is unwell itself."""
    for number, status in (("1", "passing"), ("2", "warning"), ("3", "critical"), ("4", "passing")):
        node = f"n{number}"
        spec = c.ServiceSpec("w", "web", tags=("V1", node), meta={"m": number})
        checks = (c.CheckSpec("c", "c", status, service_id="w"),)
        state.do(c.CatalogRegister(node, f"10.0.0.{number}", "dc1", node_meta={"r": node}, service=spec, checks=checks))
    own = (c.CheckSpec("own", "own", "critical"),)
    state.do(c.CatalogRegister("n4", "", "dc1", checks=own, skip_node_update=True))
    return state.store  # type: ignore[no-any-return]  # the history is untyped


def nodes(store: Store, query: QueryService, **more: Any) -> list[str]:
    return [one.node.node for one in execute(store, query, more.pop("asker", HERE), more.pop("dice", fixed), **more)]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        (QueryService("web"), ["n1", "n2"]),
        (QueryService("WEB"), ["n1", "n2"]),
        (QueryService("none"), []),
        (QueryService("web", only_passing=True), ["n1"]),
        (QueryService("web", ignore_check_ids=("c",)), ["n1", "n2", "n3"]),
        (QueryService("web", ignore_check_ids=("c", "own"), only_passing=True), ["n1", "n2", "n3", "n4"]),
        (QueryService("web", tags=("v1",)), ["n1", "n2"]),
        (QueryService("web", tags=("v1", "N2")), ["n2"]),
        (QueryService("web", tags=("!N2",)), ["n1"]),
        (QueryService("web", tags=("!v1",)), []),
        (QueryService("web", tags=("n1", "!n1")), []),
        (QueryService("web", node_meta={"r": "n2"}), ["n2"]),
        (QueryService("web", node_meta={"r": "n2", "x": "y"}), []),
        (QueryService("web", service_meta={"m": "1"}), ["n1"]),
        (QueryService("web", failover=QueryFailover(3, ("dc2",))), ["n1", "n2"]),
        (QueryService("none", failover=QueryFailover(3, ("dc2",), (QueryTarget("p"),))), []),
    ],
)
def test_a_query_finds_what_is_usable_and_matches(running: Store, query: QueryService, found: Any) -> None:
    assert nodes(running, query) == found


def test_a_limit_cuts_and_zero_or_less_does_not(running: Store) -> None:
    query = QueryService("web")
    assert [len(nodes(running, query, limit=limit)) for limit in (1, 2, 5, 0, -1)] == [1, 2, 2, 2, 2]


def test_every_order_comes_from_the_dice_and_each_as_often_as_the_others(running: Store) -> None:
    query, seen = QueryService("web", ignore_check_ids=("c", "own")), dict[tuple[str, ...], int]()
    dice = random.Random(7).random
    for _ in range(2400):
        order = tuple(nodes(running, query, dice=dice))
        seen[order] = seen.get(order, 0) + 1
    assert set(seen) == set(itertools.permutations(("n1", "n2", "n3", "n4")))
    assert all(50 < count < 160 for count in seen.values())


def test_connect_asks_for_proxies(state: Any) -> None:
    proxy = c.ServiceSpec("px", "px", kind="connect-proxy", proxy=ProxyDefinition("web"))
    state.do(c.CatalogRegister("n1", "10.0.0.1", "dc1", service=c.ServiceSpec("w", "web")))
    state.do(c.CatalogRegister("n1", "10.0.0.1", "dc1", service=proxy))
    found = [
        [one.service.service_id for one in execute(state.store, query, HERE, fixed, connect=connect)]
        for query, connect in (
            (QueryService("web"), False),
            (QueryService("web"), True),
            (QueryService("web", connect=True), False),
        )
    ]
    assert found == [["w"], ["px"], ["px"]]


def at(state: Any, node: str, x: float) -> None:
    state.do(c.CoordinatesUpdate((c.CoordinateSpec(node, "", (x, *[0.0] * 7), 1.0, 0.0, 0.0),)))


ALL = QueryService("web", ignore_check_ids=("c", "own"))


@pytest.mark.parametrize(
    ("near", "asker", "found"),
    [
        ("n4", HERE, ["n4", "n3", "n2", "n1"]),
        ("N4", HERE, ["n4", "n3", "n2", "n1"]),
        ("_agent", HERE, ["n1", "n2", "n3", "n4"]),
        ("_agent", Asker("n3"), ["n3", "n2", "n4", "n1"]),
        ("_ip", Asker("n1", "10.0.0.4"), ["n4", "n3", "n2", "n1"]),
        ("_ip", Asker("n1", "10.9.9.9"), ["n1", "n2", "n3", "n4"]),
        ("_ip", Asker("n1"), ["n1", "n2", "n3", "n4"]),
        ("unknown", HERE, ["n1", "n2", "n3", "n4"]),
    ],
)
def test_nearest_first_where_it_is_known_who_asks(
    state: Any, running: Store, near: str, asker: Any, found: Any
) -> None:
    for node, place in (("n1", 0.0), ("n2", 0.011), ("n3", 0.020), ("n4", 0.030)):
        at(state, node, place)
    assert nodes(running, ALL, near=near, asker=asker) == found
    own = QueryService("web", ignore_check_ids=("c", "own"), near=near)
    assert nodes(running, own, asker=asker) == found
    assert nodes(running, own, asker=asker, near="n4") == ["n4", "n3", "n2", "n1"], "the request's own word wins"


def test_the_asking_nodes_own_instance_is_first_even_without_coordinates(running: Store) -> None:
    assert nodes(running, ALL, near="_agent", asker=Asker("n3")) == ["n3", "n2", "n1", "n4"]


def test_the_own_instance_is_only_looked_for_among_the_first(state: Any) -> None:
    for number in range(OWN_NODE_DEPTH + 2):
        state.register(f"n{number:02}", service="web")
    for number, first in ((OWN_NODE_DEPTH - 1, True), (OWN_NODE_DEPTH, False)):
        asked = f"n{number:02}"
        assert (nodes(state.store, QueryService("web"), near=asked)[0] == asked) is first
