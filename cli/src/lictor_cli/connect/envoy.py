"""`lictor connect envoy`: the bootstrap of a sidecar Envoy, printed or run."""

import os
import sys
import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec

from lictor_cli.http_api import Api, ApiError
from lictor_mesh.bootstrap import bootstrap
from lictor_state.rows import ProxyDefinition, ServiceRow


class ConnectError(Exception):
    """The bootstrap cannot be made; the message says why and what to do."""


def proxy_of(api: Api, service_id: str) -> str:
    """The id of the one sidecar registered for a service instance on this agent's node.

    Raises:
        ConnectError: there is none, or more than one.
    """
    found: list[str] = sorted(
        identity
        for identity, service in api.get("/v1/agent/services").items()
        if service.get("Kind") == "connect-proxy" and service.get("Proxy", {}).get("DestinationServiceID") == service_id
    )
    if len(found) != 1:
        what = (
            "no sidecar proxy is registered" if not found else f"several sidecars ({', '.join(found)}) are registered"
        )
        raise ConnectError(f"{what} for service ID {service_id!r} on this agent's node; choose with --proxy-id")
    return found[0]


def bootstrap_for(api: Api, proxy_id: str, *, grpc: str, admin: str) -> dict[str, Any]:
    """The bootstrap of a registered proxy.

    Args:
        api: the catalog of the proxy's node.
        proxy_id: the proxy's service id.
        grpc: `host:port` of the xDS server.
        admin: `host:port` for Envoy's admin page.

    Raises:
        ConnectError: the proxy is not registered.
    """
    try:
        proxy = api.get(f"/v1/agent/service/{quote(proxy_id, safe='')}")
        config = api.get("/v1/agent/self")["Config"]
    except ApiError as error:
        raise ConnectError(str(error)) from error
    if proxy.get("Kind") != "connect-proxy":
        raise ConnectError(f"service ID {proxy_id!r} is not a proxy")
    grpc_host, _, grpc_port = grpc.rpartition(":")
    admin_host, _, admin_port = admin.rpartition(":")
    row = ServiceRow(
        node=config["NodeName"],
        service_id=proxy["ID"],
        name=proxy["Service"],
        kind=proxy["Kind"],
        proxy=ProxyDefinition(destination_service_name=proxy["Proxy"]["DestinationServiceName"]),
    )
    made: dict[str, Any] = bootstrap(
        row,
        xds_host=grpc_host,
        xds_port=int(grpc_port),
        admin_host=admin_host,
        admin_port=int(admin_port),
        node_name=config["NodeName"],
        datacenter=config["Datacenter"],
    )
    return made


def run_envoy(made: dict[str, Any], envoy: str, arguments: list[str]) -> None:
    """Become Envoy with this bootstrap; does not return."""
    with tempfile.NamedTemporaryFile("wb", prefix="lictor-envoy-", suffix=".json", delete=False) as file:
        file.write(msgspec.json.encode(made))
    # A listener that changes drains its open connections: minutes of old access rules would surprise everyone.
    drain = [] if "--drain-time-s" in arguments else ["--drain-time-s", "5"]
    command = [envoy, "--config-path", file.name, "--disable-hot-restart", *drain, *arguments]
    os.execvp(command[0], command)  # noqa: S606  becoming Envoy is the point


def envoy_beside_python() -> str:
    """Envoy from the wheel in this environment, else whatever is on the path."""
    beside = Path(sys.executable).parent / "envoy"
    return str(beside) if beside.exists() else "envoy"
