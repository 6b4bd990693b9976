"""The `lictor` command."""

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from lictor_cli import dns_explain, members_view, snapshot, store_view
from lictor_cli.connect.envoy import ConnectError, bootstrap_for, envoy_beside_python, proxy_of, run_envoy
from lictor_cli.consul_import import command as consul_import
from lictor_cli.dev import control
from lictor_cli.dev.launcher import StartError, launch
from lictor_cli.dev.plan import Options
from lictor_cli.http_api import Api, ApiError

app = typer.Typer(no_args_is_help=True, help="Lictor: a service-networking control plane.", add_completion=False)
dev_app = typer.Typer(help="The whole suite and the demo mesh on this machine.", invoke_without_command=True)
connect_app = typer.Typer(no_args_is_help=True, help="The mesh.")
app.add_typer(dev_app, name="dev")
app.add_typer(connect_app, name="connect")
snapshot_app = typer.Typer(no_args_is_help=True, help="Backups of the whole state.")
app.add_typer(snapshot_app, name="snapshot")
store_app = typer.Typer(help="The members of the store.", invoke_without_command=True)
app.add_typer(store_app, name="store")
dns_app = typer.Typer(no_args_is_help=True, help="Names.")
app.add_typer(dns_app, name="dns")

DataDir = Annotated[Path, typer.Option("--data-dir", help="Where the suite keeps its data.")]
HttpAddress = Annotated[
    str, typer.Option("--http-addr", envvar="CONSUL_HTTP_ADDR", help="The HTTP API, host:port or URL.")
]
DEFAULT_DATA_DIR = Path(".lictor")
DEFAULT_HTTP = "127.0.0.1:8500"


def _fail(message: str, code: int = 1) -> typer.Exit:
    typer.echo(f"lictor: {message}", err=True)
    return typer.Exit(code)


@dev_app.callback()
def dev(
    context: typer.Context,
    servers: Annotated[int, typer.Option(min=1, max=7, help="How many raft-stores.")] = 3,
    demo: Annotated[bool, typer.Option("--demo/--no-demo", help="Start the demo applications and sidecars.")] = True,
    direct: Annotated[
        bool, typer.Option("--direct", help="Raft, proposals and read asks go over TCP beside NATS.")
    ] = False,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    fresh: Annotated[bool, typer.Option("--fresh", help="Forget the data of earlier runs first.")] = False,
    http_port: Annotated[int | None, typer.Option(help="HTTP API (8500).")] = None,
    dns_port: Annotated[int | None, typer.Option(help="DNS, UDP and TCP (8600).")] = None,
    grpc_port: Annotated[int | None, typer.Option(help="xDS gRPC (8502).")] = None,
    serf_port: Annotated[int | None, typer.Option(help="Serf gossip, UDP and TCP (8301).")] = None,
    nats_port: Annotated[int | None, typer.Option(help="NATS (4222).")] = None,
    port_offset: Annotated[int, typer.Option(min=0, max=40000, help="Moves every port.")] = 0,
) -> None:
    """Start everything on this machine and keep it running until Ctrl-C."""
    if context.invoked_subcommand is not None:
        return
    options = Options(
        servers=servers,
        demo=demo,
        direct=direct,
        data_dir=data_dir,
        port_offset=port_offset,
        http_port=http_port,
        dns_port=dns_port,
        grpc_port=grpc_port,
        serf_port=serf_port,
        nats_port=nats_port,
    )
    try:
        code = launch(options, fresh=fresh)
    except StartError as error:
        raise _fail(str(error)) from error
    raise typer.Exit(code)


@dev_app.command()
def restart(name: str, data_dir: DataDir = DEFAULT_DATA_DIR) -> None:
    """Start a process that is down, or restart one that runs."""
    try:
        answer = control.ask(data_dir, {"do": "restart", "name": name})
    except OSError as error:
        raise _fail(f"no lictor dev runs on {data_dir}") from error
    if not answer["ok"]:
        raise _fail(f"no process is called {name!r}; there are: {', '.join(answer['names'])}")


@dev_app.command()
def status(data_dir: DataDir = DEFAULT_DATA_DIR) -> None:
    """The supervised processes and their process ids (0: down)."""
    try:
        answer = control.ask(data_dir, {"do": "status"})
    except OSError as error:
        raise _fail(f"no lictor dev runs on {data_dir}") from error
    for name, pid in answer["processes"].items():
        typer.echo(f"{pid:>8}  {name}")


@connect_app.command()
def envoy(
    sidecar_for: Annotated[str, typer.Option(help="The service instance whose sidecar this is.")] = "",
    proxy_id: Annotated[str, typer.Option(help="The proxy's own service id.")] = "",
    http_addr: HttpAddress = DEFAULT_HTTP,
    grpc_addr: Annotated[str, typer.Option(envvar="CONSUL_GRPC_ADDR", help="The xDS server.")] = "127.0.0.1:8502",
    admin_bind: Annotated[str, typer.Option(help="Envoy's admin page.")] = "127.0.0.1:19000",
    bootstrap: Annotated[
        bool, typer.Option("--bootstrap", help="Print the bootstrap instead of running Envoy.")
    ] = False,
    envoy_binary: Annotated[str, typer.Option(help="Which Envoy to run.")] = "",
    arguments: Annotated[list[str] | None, typer.Argument(help="Passed on to Envoy, after --.")] = None,
) -> None:
    """Run the sidecar Envoy of a registered service, or print its bootstrap."""
    if bool(sidecar_for) == bool(proxy_id):
        raise _fail("give one of --sidecar-for and --proxy-id", 2)
    api = Api(http_addr)
    try:
        made = bootstrap_for(api, proxy_id or proxy_of(api, sidecar_for), grpc=grpc_addr, admin=admin_bind)
    except (ConnectError, ApiError) as error:
        raise _fail(str(error)) from error
    if bootstrap:
        typer.echo(json.dumps(made, indent=2))
    else:
        run_envoy(made, envoy_binary or envoy_beside_python(), arguments or [])


@snapshot_app.command()
def save(
    file: Path,
    http_addr: HttpAddress = DEFAULT_HTTP,
    stale: Annotated[
        bool, typer.Option("--stale", help="Also without a leader, as far as this replica knows.")
    ] = False,
) -> None:
    """Save the whole state to a file. It holds everything, the CA's private key included: keep it safe."""
    try:
        contents = snapshot.save(Api(http_addr, snapshot.TIMEOUT_S), file, stale=stale)
    except (ApiError, snapshot.SnapshotError) as error:
        raise _fail(str(error)) from error
    typer.echo(f"saved index {contents.index}, {contents.bytes} bytes of rows, to {file}")


@snapshot_app.command(name="inspect")
def inspect_file(file: Path) -> None:
    """Check an archive to its last byte and show what it holds."""
    try:
        snapshot.show(snapshot.read(file), Console())
    except snapshot.SnapshotError as error:
        raise _fail(str(error)) from error


@snapshot_app.command()
def restore(file: Path, http_addr: HttpAddress = DEFAULT_HTTP) -> None:
    """Replace the whole state of the cluster by a file's. What was written since it was saved is gone."""
    try:
        contents = snapshot.restore(Api(http_addr, snapshot.TIMEOUT_S), file)
    except (ApiError, snapshot.SnapshotError) as error:
        raise _fail(str(error)) from error
    typer.echo(f"restored the state of index {contents.index}")


@store_app.callback()
def store(context: typer.Context, http_addr: HttpAddress = DEFAULT_HTTP) -> None:
    """The members of the store: who leads, who votes, how far each has come, how well it is, who waits to join."""
    if context.invoked_subcommand is not None:
        return
    try:
        store_view.show(Api(http_addr).get("/v1/internal/store"), store_view.wide_enough())
    except ApiError as error:
        raise _fail(str(error)) from error


@store_app.command(name="confirm-failures")
def confirm_failures(http_addr: HttpAddress = DEFAULT_HTTP) -> None:
    """Say that the failures which the brake holds are real: the nodes are marked failed now, not after 5 minutes."""
    try:
        Api(http_addr).put("/v1/internal/store/confirm-failures")
    except ApiError as error:
        raise _fail(str(error)) from error
    typer.echo("confirmed")


@dns_app.callback()
def dns() -> None:
    """Names."""


@dns_app.command()
def explain(
    name: Annotated[str, typer.Argument(help="The whole name, e.g. web.service.consul.")],
    qtype: Annotated[str, typer.Option("--type", help="The type of records: A, AAAA, SRV, ANY, …")] = "A",
    http_addr: HttpAddress = DEFAULT_HTTP,
    only_passing: Annotated[
        bool,
        typer.Option(
            "--only-passing/--warnings",
            envvar="LICTOR_DNS_ONLY_PASSING",
            help="Whether dns leaves out instances with a warning.",
        ),
    ] = True,
    domain: Annotated[str, typer.Option(help="The domain, where it is not the catalog's.")] = "",
) -> None:
    """What a DNS name is answered, which instances are in the answer, which are out, and why each is."""
    asked = dns_explain.path(name, qtype, only_passing=only_passing, domain=domain)
    try:
        found = Api(http_addr).get(asked)
    except ApiError as error:
        raise _fail(str(error)) from error
    dns_explain.show(found, Console())


@app.command(name="import")
def import_from(
    source: Annotated[str, typer.Option("--from", help="The Consul to copy from, e.g. http://consul:8500.")],
    http_addr: HttpAddress = DEFAULT_HTTP,
    token_file: Annotated[Path | None, typer.Option(help="A file with a token that may read the Consul.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be written.")] = False,
) -> None:
    """Copy a running Consul's nodes, services, checks, keys, config entries, intentions and prepared queries.

    Nothing is deleted, what is equal is not written, and it may be repeated. Exits 1 if Lictor refused something.
    """
    try:
        whole = consul_import.run(source, http_addr, token_file, Console(), dry_run=dry_run)
    except (ApiError, OSError) as error:
        raise _fail(str(error)) from error
    if not whole:
        raise typer.Exit(1)


@app.command()
def members(
    http_addr: HttpAddress = DEFAULT_HTTP,
    why: Annotated[
        str, typer.Option(metavar="NODE", help="Who suspected this node, who confirmed, and how well.")
    ] = "",
    as_json: Annotated[bool, typer.Option("--json", help="As JSON, for programs.")] = False,
) -> None:
    """The gossip pool as the catalog, this node's gossip and the leader see it; or why one node failed."""
    try:
        api = Api(http_addr)
        told = members_view.why(api, why) if why else members_view.members(api)
    except ApiError as error:
        raise _fail(str(error)) from error
    if as_json:
        typer.echo(json.dumps(told, indent=2))
    elif why:
        members_view.show_why(told, store_view.wide_enough())
    else:
        members_view.show(told, store_view.wide_enough())


@app.command()
def leave(http_addr: HttpAddress = DEFAULT_HTTP) -> None:
    """Take this agent's node and its services out of the cluster until its gossip starts again."""
    try:
        Api(http_addr).put("/v1/agent/leave")
    except ApiError as error:
        raise _fail(str(error)) from error
    typer.echo("left")


if __name__ == "__main__":
    app()
