"""Settings: what is read, what is refused, what is ignored."""

import re

import pytest
from pydantic import Field, SecretStr, field_validator

from lictor_kit.settings import Port, Settings, load, variable_name


class CatalogSettings(Settings):
    catalog_http_port: Port = Field(default=8500, description="TCP port; the HTTP API; Consul's")
    operations_port: Port = Field(default=8571, description="TCP port; operations; the first of the house's range")
    catalog_secret: SecretStr = Field(default=SecretStr(""), description="text; a secret; none, nobody needs one")

    @field_validator("catalog_secret")
    @classmethod
    def _must_not_be_wrong(cls, value: SecretStr) -> SecretStr:
        if value.get_secret_value().startswith("wrong"):
            raise ValueError("must not begin with what is wrong")
        return value


def refusal(capsys: pytest.CaptureFixture[str], environ: dict[str, str], argv: tuple[str, ...] = ()) -> str:
    with pytest.raises(SystemExit) as stop:
        load(CatalogSettings, argv, environ)
    assert stop.value.code == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.count("\n") == 1, "one clear line"
    return printed.err


def test_without_variables_every_setting_has_its_default() -> None:
    settings = load(CatalogSettings, (), {})
    assert (settings.datacenter, settings.domain, settings.bind) == ("dc1", "consul", "127.0.0.1")
    assert (settings.catalog_http_port, settings.operations_port) == (8500, 8571)
    assert settings.node != ""
    assert settings.nats_urls == ("nats://127.0.0.1:4222",)


def test_given_variables_win_and_are_typed() -> None:
    settings = load(
        CatalogSettings,
        (),
        {
            "LICTOR_CATALOG_HTTP_PORT": "18500",
            "LICTOR_NODE": "node-1",
            "LICTOR_LEAVE_ON_STOP": "on",
            "LICTOR_FAIL_BRAKE": "0.25",
            "LICTOR_NATS_URL": "nats://a:4222, nats://b:4222",
            "LICTOR_SOFT_STATE": "redis://:secret@redis:6379/0",
            "PATH": "/bin",
        },
    )
    assert settings.catalog_http_port == 18500
    assert settings.node == "node-1"
    assert settings.leave_on_stop is True
    assert settings.fail_brake == 0.25
    assert settings.nats_urls == ("nats://a:4222", "nats://b:4222")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("LICTOR_CATALOG_HTTP_PORT", "eighty"),
        ("LICTOR_CATALOG_HTTP_PORT", "65536"),
        ("LICTOR_OPERATIONS_PORT", "-1"),
        ("LICTOR_LOG_LEVEL", "loud"),
        ("LICTOR_LOG_FORMAT", "xml"),
        ("LICTOR_DATACENTER", "DC 1"),
        ("LICTOR_SOFT_STATE", "memcached://x"),
        ("LICTOR_LEAVE_ON_STOP", "maybe"),
        ("LICTOR_FAIL_BRAKE", "50"),
        ("LICTOR_BOOTSTRAP_EXPECT", "0"),
        ("LICTOR_NODE", "two words"),
    ],
)
def test_a_wrong_value_stops_the_start_with_one_line_that_names_it(
    capsys: pytest.CaptureFixture[str], name: str, value: str
) -> None:
    line = refusal(capsys, {name: value})
    assert line.startswith(f"lictor: {name}: ")
    assert f"got {value!r}" in line


def test_a_wrong_secret_is_refused_without_showing_it(capsys: pytest.CaptureFixture[str]) -> None:
    line = refusal(capsys, {"LICTOR_CATALOG_SECRET": "wrong-hunter2"})
    assert line.startswith("lictor: LICTOR_CATALOG_SECRET: ")
    assert "hunter2" not in line


def test_a_wrong_url_is_refused_without_showing_its_password(capsys: pytest.CaptureFixture[str]) -> None:
    assert "hunter2" not in refusal(capsys, {"LICTOR_SOFT_STATE": "http://:hunter2@redis"})


def test_an_unknown_variable_is_refused_and_the_nearest_name_offered(capsys: pytest.CaptureFixture[str]) -> None:
    assert "LICTOR_NODES is not a known setting (did you mean LICTOR_NODE?)" in refusal(capsys, {"LICTOR_NODES": "x"})


def test_an_unknown_variable_with_the_own_role_s_prefix_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert "LICTOR_CATALOG_HTP_PORT" in refusal(capsys, {"LICTOR_CATALOG_HTP_PORT": "1"})


def test_a_variable_in_lower_case_is_not_the_setting(capsys: pytest.CaptureFixture[str]) -> None:
    assert "LICTOR_node" in refusal(capsys, {"LICTOR_node": "x"})


def test_every_fault_is_told_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    line = refusal(capsys, {"LICTOR_X": "1", "LICTOR_LOG_LEVEL": "loud"})
    assert "LICTOR_X" in line
    assert "LICTOR_LOG_LEVEL" in line


@pytest.mark.parametrize(
    "name",
    [
        "LICTOR_GOSSIP_PORT",
        "LICTOR_DNS_PORT",
        "LICTOR_RAFT_STORE_SLOTS",
        "LICTOR_XDS_GRPC_PORT",
        "LICTOR_HEALTHCHECK_PROBES_MAX",
    ],
)
def test_another_role_s_variable_is_ignored(name: str) -> None:
    assert load(CatalogSettings, (), {name: "anything"}) == load(CatalogSettings, (), {})


def test_an_empty_variable_counts_as_not_given() -> None:
    assert load(CatalogSettings, (), {"LICTOR_CATALOG_HTTP_PORT": ""}).catalog_http_port == 8500


def test_arguments_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert "--port" in refusal(capsys, {}, ("--port", "1"))


def test_help_lists_every_setting_with_its_default_and_its_reason(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        load(CatalogSettings, ("--help",), {"LICTOR_NONSENSE": "1"})
    assert stop.value.code == 0
    table = capsys.readouterr().out
    for field in CatalogSettings.model_fields:
        assert re.search(rf"^{variable_name(field)}  ", table, re.MULTILINE), field
    row = next(line for line in table.splitlines() if line.startswith("LICTOR_CATALOG_HTTP_PORT"))
    assert re.search(r"\s8500\s+TCP port; the HTTP API; Consul's", row)


def test_every_setting_gives_unit_meaning_and_reason() -> None:
    for field, info in Settings.model_fields.items():
        assert info.description is not None, field
        assert info.description.count(";") >= 1, field


def test_settings_are_frozen() -> None:
    with pytest.raises(ValueError, match="frozen"):
        load(CatalogSettings, (), {}).node = "other"


def test_the_real_environment_never_leaks_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LICTOR_DATACENTER", "leaked")
    assert load(CatalogSettings, (), {}).datacenter == "dc1"
