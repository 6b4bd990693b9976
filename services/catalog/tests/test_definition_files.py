"""Definition files: what they define, in which form they may be written, and how a wrong one is named."""

from typing import Any

import pytest

from lictor_catalog.definition_files import DefinitionError, Definitions, read
from lictor_catalog.service_definition import AGENT_SERVICE, agent_registration
from lictor_state.rows import Weights


def one(text: str, name: str = "a.hcl") -> Definitions:
    return read([(name, text)])


def test_hcl_json_and_the_api_give_the_same_service() -> None:
    hcl = one(
        """
        service {
          name = "web"
          id = "web-1"
          port = 80
          tags = ["a", "b"]
          meta { version = "1" }
          enable_tag_override = true
          weights { passing = 5 warning = 2 }
          tagged_addresses { lan { address = "10.0.0.1" port = 81 } }
          check { id = "alive" name = "alive" tcp = "127.0.0.1:80" interval = "10s"
                  deregister_critical_service_after = "90m" }
          checks = [{ ttl = "5s" notes = "n" }]
          connect { sidecar_service {
            proxy { upstreams { destination_name = "db" local_bind_port = 9000 config { connect_timeout_ms = 5 } } }
          } }
        }
        """
    )
    json = one(
        """{"services": [{"Name": "web", "ID": "web-1", "Port": 80, "Tags": ["a", "b"], "Meta": {"version": "1"},
        "EnableTagOverride": true, "Weights": {"Passing": 5, "Warning": 2},
        "TaggedAddresses": {"lan": {"Address": "10.0.0.1", "Port": 81}},
        "Check": {"CheckID": "alive", "Name": "alive", "TCP": "127.0.0.1:80", "Interval": "10s",
                  "DeregisterCriticalServiceAfter": "90m"},
        "Checks": [{"TTL": "5s", "Notes": "n"}],
        "Connect": {"SidecarService": {"Proxy": {"Upstreams": [
            {"DestinationName": "db", "LocalBindPort": 9000, "Config": {"connect_timeout_ms": 5}}]}}}}]}""",
        "a.json",
    )
    api = agent_registration(
        AGENT_SERVICE(
            {
                "Name": "web",
                "ID": "web-1",
                "Port": 80,
                "Tags": ["a", "b"],
                "Meta": {"version": "1"},
                "EnableTagOverride": True,
                "Weights": {"Passing": 5, "Warning": 2},
                "TaggedAddresses": {"lan": {"Address": "10.0.0.1", "Port": 81}},
                "Checks": [
                    {"TTL": "5s", "Notes": "n"},
                    {
                        "CheckID": "alive",
                        "Name": "alive",
                        "TCP": "127.0.0.1:80",
                        "Interval": "10s",
                        "DeregisterCriticalServiceAfter": "90m",
                    },
                ],
                "Connect": {
                    "SidecarService": {
                        "Proxy": {
                            "Upstreams": [
                                {
                                    "DestinationName": "db",
                                    "LocalBindPort": 9000,
                                    "Config": {"connect_timeout_ms": 5},
                                }
                            ]
                        }
                    }
                },
            },
            "",
        )
    )
    assert hcl.services == json.services == {"web-1": api}
    assert hcl.service_ids() == {"web-1", "web-1-sidecar-proxy"}
    assert hcl.check_ids() == {
        "alive",
        "service:web-1:1",
        "service:web-1-sidecar-proxy:1",
        "service:web-1-sidecar-proxy:2",
    }


def test_blocks_stand_alone_in_lists_and_several_times() -> None:
    found = one(
        """
        service { name = "a" }
        service { name = "b" }
        services { name = "c" }
        services = [{ name = "d" }, { Name = "e" }]
        check { name = "x" ttl = "5s" }
        checks = [{ id = "y" name = "why" ttl = "5s" service_id = "a" status = "passing" }]
        """
    )
    assert list(found.services) == ["a", "b", "c", "d", "e"]
    assert list(found.checks) == ["x", "y"]
    assert (found.checks["y"].service_id, found.checks["y"].status) == ("a", "passing")


def test_of_two_definitions_with_one_id_the_last_file_counts() -> None:
    found = read([("a.hcl", 'service { name = "w" port = 1 }'), ("b.json", '{"service": {"name": "w", "port": 2}}')])
    assert found.services["w"].service.port == 2
    assert found.services["w"].service.weights == Weights()


def test_other_keys_of_an_agent_are_named_and_not_used() -> None:
    found = read([("a.hcl", 'log_level = "warn"\nports { http = 1 }'), ("b.json", '{"server": true}')])
    assert found == Definitions(unused=("log_level (a.hcl)", "ports (a.hcl)", "server (b.json)"))
    assert one("", "e.json") == Definitions()


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.hcl", "service {\n  name = \n}", "a.hcl:3:1: a value is expected here, not }"),
        ("a.json", '{"service":\n {"name" "x"}}', "a.json:2:10: Expecting ':' delimiter"),
        ("a.json", "[]", "a.json: an object is expected"),
        ("a.json", '{"service": NaN}', "a.json: NaN is no number"),
        ("a.json", "[" * 100_000, "a.json: nested too deep"),
        ("a.hcl", 'service { name = "w"\n\n  bogus = 5\n}', 'a.hcl:3: service "w": unknown key "bogus"'),
        ("a.hcl", 'service { na_me = "w" }', 'a.hcl:1: service: unknown key "na_me"'),
        ("a.hcl", 'service "w" { port = 5 }', 'a.hcl:1: service: unknown key "w"'),
        (
            "a.hcl",
            'service {\n name = "w"\n check { tttl = "5s" } }',
            'a.hcl:3: service "w": unknown key "tttl" in Check',
        ),
        (
            "a.hcl",
            'service {\n name = "w"\n connect {\n sidecar { } } }',
            'a.hcl:4: service "w": unknown key "sidecar" in Connect',
        ),
        ("a.json", '{"service": {"Name": "w", "Bogus": 1}}', 'a.json: service "w": unknown key "Bogus"'),
        ("a.hcl", '\nservice { name = "w" port = "80" }', 'a.hcl:2: service "w": Port: int is expected, not string'),
        ("a.hcl", 'service { name = "w" tags = "x" }', 'a.hcl:1: service "w": Tags: list is expected, not string'),
        (
            "a.hcl",
            'service { name = "w" meta { a = "1" } meta { b = "1" } }',
            'a.hcl:1: service "w": Meta: map is expected, not array',
        ),
        ("a.hcl", "service { port = 1 }", "a.hcl:1: service: Missing service name"),
        ("a.hcl", "service = 5", "a.hcl: service: a block is expected"),
        ("a.hcl", 'check { name = "x" }', 'a.hcl:1: check "x": Invalid check: TTL must be > 0 for TTL checks'),
        (
            "a.hcl",
            'check { name = "x" ttl = "5x" }',
            'a.hcl:1: check "x": time: unknown unit "x" in duration "5x"',
        ),
    ],
)
def test_a_wrong_file_is_named_with_the_line_and_the_key(name: Any, text: Any, message: Any) -> None:
    with pytest.raises(DefinitionError) as raised:
        read([("ok.hcl", 'service { name = "ok" }'), (name, text)])
    assert str(raised.value).startswith(message), str(raised.value)
    assert "\n" not in str(raised.value)
