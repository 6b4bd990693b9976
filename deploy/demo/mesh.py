"""The demo mesh in containers: who may call whom, and a sidecar that registers the application it stands beside.

`mesh.py setup` writes the intentions once. `mesh.py sidecar ID` registers one service under this container's present
address and becomes its Envoy; containers get other addresses when they are made anew, so each start registers again.
Both wait until the API answers: nothing here depends on the order in which containers start.
"""

# ruff: noqa: INP001, S108, S310, S606, T201  a script of its own in a container: prints, http only, becomes Envoy
import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

API = os.environ.get("CONSUL_HTTP_ADDR", "edge:8500")
XDS = os.environ.get("CONSUL_GRPC_ADDR", "edge:8502")
ADMIN_PORT = 19000
BOOTSTRAP = "/tmp/envoy.json"
APPLICATION_PORT = 9090
UPSTREAM_PORT = 9190
RETRY_S = 1.0
TIMEOUT_S = 10.0
NAMES = {"frontend": "frontend", "backend-1": "backend", "backend-2": "backend"}


def call(method: str, path: str, body: Any = None) -> Any:
    """One call of the API, repeated until it is taken: every call made here may be repeated without harm."""
    data = None if body is None else json.dumps(body).encode()
    while True:
        request = urllib.request.Request(f"http://{API}{path}", data=data, method=method)
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:
                text = answer.read()
            return json.loads(text) if text.strip() else None
        except urllib.error.HTTPError as error:
            said = f"{error.code} {error.read().decode(errors='replace').strip()}"
            if error.code < 500:
                sys.exit(f"{method} {path}: {said}")
        except OSError as error:
            said = str(error)
        print(f"{method} {path}: {said}; again in {RETRY_S:.0f} s", flush=True)
        time.sleep(RETRY_S)


def setup() -> None:
    """Only the frontend may call the backend."""
    call("PUT", "/v1/connect/intentions/exact?source=*&destination=backend", {"Action": "deny"})
    call("PUT", "/v1/connect/intentions/exact?source=frontend&destination=backend", {"Action": "allow"})
    print("intentions written", flush=True)


def sidecar(identity: str) -> None:
    """Register the application of this network namespace, then become its Envoy."""
    address = socket.gethostbyname(socket.gethostname())
    call("PUT", "/v1/agent/service/register", definition(identity, address))
    print(f"{identity} registered at {address}", flush=True)
    Path(BOOTSTRAP).write_text(json.dumps(bootstrap(identity)))
    envoy = [
        "envoy",
        "--config-path",
        BOOTSTRAP,
        "--disable-hot-restart",
        "--concurrency",
        "1",
        "--log-level",
        "warning",
    ]
    os.execvp(envoy[0], envoy)


def bootstrap(identity: str) -> Any:
    """What `lictor connect envoy` gives, with the control plane found by name: containers move, names stay."""
    command = ["lictor", "connect", "envoy", "--bootstrap", "--sidecar-for", identity]
    command += ["--http-addr", API, "--grpc-addr", XDS, "--admin-bind", f"127.0.0.1:{ADMIN_PORT}"]
    # The answer may come from another catalog than the one that took the registration, a moment behind it.
    while (done := subprocess.run(command, capture_output=True, text=True, check=False)).returncode != 0:
        print(f"{done.stderr.strip()}; again in {RETRY_S:.0f} s", flush=True)
        time.sleep(RETRY_S)
    return json.loads(done.stdout)


def definition(identity: str, address: str) -> dict[str, Any]:
    """The registration of one of the demo's services with its sidecar."""
    proxy: dict[str, Any] = {"Config": {"protocol": "http"}}
    if identity == "frontend":
        upstream = {"DestinationName": "backend", "LocalBindAddress": "127.0.0.1", "LocalBindPort": UPSTREAM_PORT}
        proxy["Upstreams"] = [{**upstream, "Config": {"protocol": "http"}}]
    return {
        "ID": identity,
        "Name": NAMES[identity],
        "Address": address,
        "Port": APPLICATION_PORT,
        "Check": {"HTTP": f"http://{address}:{APPLICATION_PORT}/health", "Interval": "2s", "Timeout": "1s"},
        "Connect": {"SidecarService": {"Proxy": proxy}},
    }


if __name__ == "__main__":
    if sys.argv[1:] == ["setup"]:
        setup()
    elif len(sys.argv) == 3 and sys.argv[1] == "sidecar" and sys.argv[2] in NAMES:
        sidecar(sys.argv[2])
    else:
        sys.exit("usage: mesh.py setup | mesh.py sidecar frontend|backend-1|backend-2")
