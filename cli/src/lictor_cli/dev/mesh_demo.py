"""What the demo writes into the catalog: three services with sidecars, and who may call whom."""

from typing import Any

from lictor_cli.dev.plan import HOST, Ports
from lictor_cli.http_api import Api

CHECK_EVERY = "2s"


def services(ports: Ports) -> list[dict[str, Any]]:
    """The registrations of frontend and the two backends, http, each with a sidecar."""

    def service(identity: str, name: str, port: int, upstreams: list[dict[str, Any]]) -> dict[str, Any]:
        proxy: dict[str, Any] = {"Config": {"protocol": "http"}, "Upstreams": upstreams}
        return {
            "ID": identity,
            "Name": name,
            "Address": HOST,
            "Port": port,
            "Check": {"HTTP": f"http://{HOST}:{port}/health", "Interval": CHECK_EVERY, "Timeout": "1s"},
            "Connect": {"SidecarService": {"Proxy": proxy}},
        }

    to_backend = {
        "DestinationName": "backend",
        "LocalBindAddress": HOST,
        "LocalBindPort": ports.upstream,
        "Config": {"protocol": "http"},
    }
    return [
        service("frontend", "frontend", ports.frontend, [to_backend]),
        service("backend-1", "backend", ports.backend, []),
        service("backend-2", "backend", ports.backend + 1, []),
    ]


def register(api: Api, ports: Ports) -> None:
    """Write the demo's services and intentions; writing them again changes nothing."""
    for body in services(ports):
        api.put("/v1/agent/service/register", body)
    api.put("/v1/connect/intentions/exact?source=*&destination=backend", {"Action": "deny"})
    api.put("/v1/connect/intentions/exact?source=frontend&destination=backend", {"Action": "allow"})


def deregister(api: Api) -> None:
    """Take the demo's services out of the catalog."""
    for identity in ("frontend", "backend-1", "backend-2"):
        api.put(f"/v1/agent/service/deregister/{identity}")
