"""Settings: one frozen object per process, read once from `LICTOR_…` variables.

The base class holds what every role knows and the names that have no role in them (`LICTOR_NODE`,
`LICTOR_BOOTSTRAP_EXPECT`, …), because one environment is often shared by all roles. A role adds fields whose names
begin with its own name, e.g. `catalog_http_port` for `LICTOR_CATALOG_HTTP_PORT`; another role's variables are
ignored, any other unknown `LICTOR_` variable stops the start. An empty variable counts as not given (compose files
pass empty ones). Nothing here reads `os.environ` by itself and no value is changed after the start.
"""

import difflib
import socket
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from lictor_kit.settings_table import settings_table

ENV_PREFIX = "LICTOR_"
# The parts of the house that have variables of their own: the six roles and the development launcher.
ROLE_PREFIXES = ("CATALOG_", "RAFT_STORE_", "GOSSIP_", "HEALTHCHECK_", "DNS_", "XDS_", "DEV_")

Port = Annotated[int, Field(ge=0, le=65535)]


class Settings(BaseSettings):
    """What every Lictor process is told; roles subclass it and add fields that begin with their own name."""

    model_config = SettingsConfigDict(env_prefix=ENV_PREFIX, frozen=True, extra="forbid")

    datacenter: str = Field(
        default="dc1",
        pattern=r"^[a-z0-9_-]{1,64}$",
        description="name; the datacenter this process belongs to, part of DNS names and identities",
    )
    domain: str = Field(
        default="consul",
        pattern=r"^[A-Za-z0-9.-]{1,253}$",
        description="DNS name; the zone that DNS answers for; Consul's default, so that existing names resolve",
    )
    node: str = Field(
        default_factory=socket.gethostname,
        pattern=r"^\S{1,128}$",
        description="name; the node this process speaks for; the host name, because an agent's localhost is its host",
    )
    nats_url: str = Field(
        default="nats://127.0.0.1:4222",
        min_length=1,
        description="URLs, comma separated; the NATS servers; the first that answers is used",
    )
    direct: bool = Field(
        default=False,
        description="on or off; Raft, proposals and read asks go over direct TCP where they can; half the latency, one "
        "more port; off, because one way is simpler to run",
    )
    bind: str = Field(
        default="127.0.0.1",
        min_length=1,
        description="address; where every port listens; loopback, because nothing is exposed unless told so",
    )
    operations_port: Port = Field(
        default=0,
        description="TCP port; /livez, /readyz and /metrics; 0 takes a free one and logs it",
    )
    workers: int = Field(
        default=1,
        ge=1,
        le=64,
        description="processes; that share one role's port, each with all of its memory; catalog and dns have several; "
        "1, since replicas can also be scaled by who runs them",
    )
    data_dir: Path = Field(
        default=Path(".lictor"),
        description="directory; what must survive a restart; under the working directory, so that tries stay together",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info",
        description="level; the least severe event written; info is one line per change, not per request",
    )
    log_format: Literal["auto", "json", "console"] = Field(
        default="auto", description="format; auto writes JSON unless standard output is a terminal"
    )
    soft_state: str = Field(
        default="memory",
        pattern=r"^(memory|rediss?://.+|unix://.+)$",
        description="memory, or a Redis URL; where what may be lost is shared; no role shares any in this version",
    )
    cluster: str = Field(
        default="", description="cluster id; pins this process to one cluster; empty adopts the first one heard"
    )
    leave_on_stop: bool = Field(
        default=False, description="true or false; leave the cluster on SIGTERM; a stop is a restart unless told so"
    )
    bootstrap_expect: int = Field(
        default=3, ge=1, le=7, description="members; how many raft-stores found a cluster; 3 survive the loss of one"
    )
    fail_brake: float = Field(
        default=0.5,
        gt=0,
        le=1,
        description="fraction of alive nodes; more failing within 30 s waits for an operator; half is rarely the truth",
    )
    default_intention_policy: Literal["allow", "deny"] = Field(
        default="allow",
        description="allow or deny; callers that no intention names; Consul's default while there are no ACLs",
    )
    config_dir: Path | None = Field(
        default=None,
        description="directory; a catalog registers the services and checks of its .json and .hcl files for its node; "
        "none, because registrations come through the API unless told so",
    )
    consul_version: str = Field(
        default="1.21.4",
        pattern=r"^\d+\.\d+\.\d+$",
        description="version; the Consul version reported to clients; the one whose interfaces are followed",
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003  the signature is pydantic's
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003  the signature is pydantic's
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003  the signature is pydantic's
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003  the signature is pydantic's
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Only what `load` passes in counts, so that a test's environment never leaks into a settings object."""
        return (init_settings,)

    @property
    def nats_urls(self) -> tuple[str, ...]:
        """The NATS servers, in the order given."""
        return tuple(part.strip() for part in self.nats_url.split(",") if part.strip())


S = TypeVar("S", bound=Settings)


def load(settings_class: type[S], argv: Sequence[str], environ: Mapping[str, str]) -> S:
    """Read the settings of one process.

    Args:
        settings_class: the role's settings.
        argv: the arguments after the program's name; only `--help` is known.
        environ: the environment, usually `os.environ`.

    Raises:
        SystemExit: 0 after `--help`; 2 after one line on stderr that names every wrong or unknown variable.
    """
    if "--help" in argv or "-h" in argv:
        print(settings_table(settings_class, ENV_PREFIX))  # noqa: T201  --help is for a person at a terminal
        raise SystemExit(0)
    if argv:
        raise _refusal(f"argument {argv[0]!r} is not known: settings are environment variables, --help lists them")
    given = {name: value for name, value in environ.items() if name.startswith(ENV_PREFIX) and value != ""}
    fields = settings_class.model_fields
    values: dict[str, Any] = {}
    faults: list[str] = []
    for name, value in sorted(given.items()):
        field = name.removeprefix(ENV_PREFIX).lower()
        if field in fields and name == variable_name(field):
            values[field] = value
        elif not _belongs_to_another_role(name, settings_class):
            faults.append(_unknown(name, settings_class))
    try:
        settings = settings_class(**values)
    except ValidationError as error:
        faults += [_wrong(fault["loc"], fault["msg"], given, settings_class) for fault in error.errors()]
    if faults:
        raise _refusal("; ".join(faults))
    return settings


def variable_name(field: str) -> str:
    """The environment variable of a settings field."""
    return ENV_PREFIX + field.upper()


def _belongs_to_another_role(name: str, settings_class: type[Settings]) -> bool:
    own = {
        prefix
        for prefix in ROLE_PREFIXES
        if any(field.upper().startswith(prefix) for field in settings_class.model_fields)
    }
    rest = name.removeprefix(ENV_PREFIX)
    return any(rest.startswith(prefix) for prefix in ROLE_PREFIXES if prefix not in own)


def _unknown(name: str, settings_class: type[Settings]) -> str:
    known = [variable_name(field) for field in settings_class.model_fields]
    close = difflib.get_close_matches(name, known, n=1)
    return f"{name} is not a known setting" + (f" (did you mean {close[0]}?)" if close else "")


def _wrong(
    location: tuple[int | str, ...], message: str, given: Mapping[str, str], settings_class: type[Settings]
) -> str:
    field = str(location[0]) if location else ""
    name = variable_name(field) if field else "settings"
    value = given.get(name)
    # This line ends up in logs: a secret is never shown, and a URL may carry a password.
    secret = field in settings_class.model_fields and settings_class.model_fields[field].annotation is SecretStr
    shown = "" if value is None or secret or "@" in value else f" (got {value!r})"
    return f"{name}: {message}{shown}"


def _refusal(reason: str) -> SystemExit:
    print(f"lictor: {reason}", file=sys.stderr)  # noqa: T201  logging is not configured before settings are
    return SystemExit(2)
