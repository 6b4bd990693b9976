"""The gRPC server with a client of our own: what a stream gets, when, and what is kept about it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import grpc
import grpc.aio
from envoy.config.core.v3.base_pb2 import Node
from envoy.service.discovery.v3 import discovery_pb2 as discovery
from google.rpc.status_pb2 import Status

from lictor_xds.ads_server import SERVICE
from lictor_xds.app import presence_record
from lictor_xds.proxy_state import LINGER_S
from lictor_xdsproto import CLUSTER, ENDPOINT, LISTENER, ROUTE, SECRET

SILENCE_S = 0.3  # longer than the pusher's longest wait: what has not come by then is not on its way


class Client:
    """One delta stream."""

    def __init__(self, call: Any) -> None:
        self.call = call
        self.reading: asyncio.Task[Any] | None = None

    async def ask(self, type_url: str, node: Node | None = None, **fields: Any) -> None:
        await self.call.write(discovery.DeltaDiscoveryRequest(node=node, type_url=type_url, **fields))

    async def next(self) -> Any:
        async with asyncio.timeout(5):
            answer = await (self.reading or self.call.read())
        self.reading = None
        assert answer is not grpc.aio.EOF, await self.call.details()
        return answer

    async def ack(self, answer: Any, error: str = "") -> None:
        detail = Status(code=3, message=error) if error else None
        await self.ask(answer.type_url, response_nonce=answer.nonce, error_detail=detail)

    async def silent(self) -> bool:
        # Cancelling a read would end the stream: it stays for `next`.
        self.reading = self.reading or asyncio.create_task(self.call.read())
        done, _ = await asyncio.wait([self.reading], timeout=SILENCE_S)
        return not done

    async def first_configuration(self, proxy_id: str) -> dict[str, Any]:
        """Ask for everything as Envoy does, accept it; the answers by type."""
        await self.ask(CLUSTER, node_of(proxy_id))
        got: dict[str, Any] = {}
        got[CLUSTER] = await self.next()
        clusters = [one.name for one in got[CLUSTER].resources if one.name != "local_app"]
        await self.ask(SECRET, resource_names_subscribe=["roots", f"leaf:{proxy_id.removesuffix('-proxy')}"])
        await self.ask(ENDPOINT, resource_names_subscribe=clusters)
        while set(got) < ({CLUSTER, SECRET, ENDPOINT} if clusters else {CLUSTER, SECRET}):
            answer = await self.next()
            got[answer.type_url] = answer
        for answer in list(got.values()):
            await self.ack(answer)
        await self.ask(LISTENER)
        got[LISTENER] = await self.next()
        await self.ack(got[LISTENER])
        return got


def node_of(proxy_id: str, name: str = "n1") -> Node:
    node = Node(id=proxy_id)
    if name:
        node.metadata["node_name"] = name
    return node


@contextlib.asynccontextmanager
async def client(plane: Any, method: str = "DeltaAggregatedResources") -> AsyncIterator[Client]:
    delta = method.startswith("Delta")
    request = discovery.DeltaDiscoveryRequest if delta else discovery.DiscoveryRequest
    answer = discovery.DeltaDiscoveryResponse if delta else discovery.DiscoveryResponse
    async with grpc.aio.insecure_channel(f"127.0.0.1:{plane.port}") as channel:
        call = channel.stream_stream(
            f"/{SERVICE}/{method}",
            request_serializer=request.SerializeToString,
            response_deserializer=answer.FromString,
        )()
        one = Client(call)
        try:
            yield one
        finally:
            call.cancel()
            if one.reading is not None:
                await asyncio.wait([one.reading])


def run(plane: Any, story: Callable[[Any], Awaitable[None]]) -> None:
    async def inside() -> None:
        async with plane.running():
            await story(plane)

    asyncio.run(inside())


def versions(answer: Any) -> dict[str, str]:
    return {one.name: one.version for one in answer.resources}


def test_an_unknown_proxy_waits_visibly_and_is_served_when_it_is_registered(control_plane: Any) -> None:
    async def story(plane: Any) -> None:
        plane.rotate()
        async with client(plane) as one:
            await one.ask(CLUSTER, node_of("web-proxy"))
            assert await one.silent()
            (report,) = plane.states.reports()
            assert (report.status, report.streams) == ("waiting", 1)
            assert "not registered" in report.reason
            assert presence_record([report])["first_troubled"][0]["proxy_id"] == "web-proxy"
            plane.sidecar("web", 21000, 8080)
            assert versions(await one.next()).keys() == {"local_app"}
            assert plane.states.reports()[0].status == "ready"

    run(control_plane, story)


def test_the_first_configuration_has_every_type_under_consuls_names(control_plane: Any) -> None:
    async def story(plane: Any) -> None:
        plane.rotate()
        plane.sidecar("web", 21000, 8080, ("db", 9191))
        async with client(plane) as one:
            got = await one.first_configuration("web-proxy")
        cluster = "db.default.dc1.internal.11111111-2222-3333-4444-555555555555.consul"
        assert versions(got[CLUSTER]).keys() == {"local_app", cluster}
        assert versions(got[ENDPOINT]).keys() == {cluster}
        assert versions(got[LISTENER]).keys() == {"public_listener:127.0.0.1:21000", "db:127.0.0.1:9191"}
        assert versions(got[SECRET]).keys() == {"roots", "leaf:web"}

    run(control_plane, story)


def test_a_proxy_that_reconnects_with_what_it_has_is_sent_nothing(control_plane: Any) -> None:
    async def story(plane: Any) -> None:
        plane.rotate()
        plane.sidecar("web", 21000, 8080)
        async with client(plane) as one:
            held = versions((await one.first_configuration("web-proxy"))[CLUSTER])
        async with client(plane) as again:
            await again.ask(CLUSTER, node_of("web-proxy"), initial_resource_versions=held)
            assert await again.silent()

    run(control_plane, story)


def test_a_change_reaches_only_the_types_that_it_changes(control_plane: Any) -> None:
    async def story(plane: Any) -> None:
        plane.rotate()
        plane.entry("service-defaults", "web", Protocol="http")
        plane.sidecar("web", 21000, 8080)
        async with client(plane) as one:
            await one.first_configuration("web-proxy")
            await one.ask(ROUTE, resource_names_subscribe=["public_listener"])
            await one.ack(await one.next())
            plane.intention("api", "web", "deny")
            changed = await one.next()
            assert (changed.type_url, list(versions(changed))) == (ROUTE, ["public_listener"])
            await one.ack(changed)
            plane.rotate()
            changed = await one.next()
            assert (changed.type_url, list(versions(changed))) == (SECRET, ["roots"])
            await one.ack(changed)
            plane.intention("x", "somebody-else", "deny")
            assert await one.silent()

    run(control_plane, story)


def test_a_rejection_is_kept_with_its_reason_until_something_newer_is_accepted(control_plane: Any) -> None:
    async def story(plane: Any) -> None:
        plane.rotate()
        plane.sidecar("web", 21000, 8080)
        async with client(plane) as one:
            await one.ask(CLUSTER, node_of("web-proxy"))
            await one.ack(await one.next(), error="no such thing")
            assert await one.silent()  # the same bytes are not sent in a loop
            (report,) = plane.states.reports()
            assert (report.rejected, report.types[0].nacks, report.types[0].reason) == (True, 1, "no such thing")
            assert presence_record([report])["first_troubled"][0]["rejected"] == {"cds": "no such thing"}
        async with client(plane) as one:
            await one.first_configuration("web-proxy")
            await asyncio.sleep(0.05)
            (report,) = plane.states.reports()
            assert not report.rejected

    run(control_plane, story)


def test_an_invalid_registration_never_replaces_a_valid_configuration(control_plane: Any) -> None:
    async def story(plane: Any) -> None:
        plane.rotate()
        plane.sidecar("web", 21000, 8080, ("db", 9191))
        async with client(plane) as one:
            await one.first_configuration("web-proxy")
            plane.sidecar("web", 21000, 8080, ("db", 9191), ("api", 9191))
            assert await one.silent()
            (report,) = plane.states.reports()
            assert (report.status, "already taken" in report.reason) == ("invalid", True)
        async with client(plane) as again:  # and who comes now still gets the last good one
            await again.ask(CLUSTER, node_of("web-proxy"))
            assert len(versions(await again.next())) == 2

    run(control_plane, story)


def test_without_a_signer_a_proxy_waits_and_says_for_what(control_plane: Any) -> None:
    async def story(plane: Any) -> None:
        plane.rotate()
        plane.signer_works = False
        plane.sidecar("web", 21000, 8080)
        async with client(plane) as one:
            await one.ask(CLUSTER, node_of("web-proxy"))
            assert await one.silent()
            (report,) = plane.states.reports()
            assert (report.status, report.reason) == ("waiting", "nobody answers")
            plane.signer_works = True
            assert versions(await one.next()).keys() == {"local_app"}

    run(control_plane, story)


def test_a_stream_that_breaks_a_rule_ends_with_its_status(control_plane: Any) -> None:
    async def story(plane: Any) -> None:
        for node, type_url, code in [
            (None, CLUSTER, grpc.StatusCode.INVALID_ARGUMENT),
            (node_of("x" * 600), CLUSTER, grpc.StatusCode.INVALID_ARGUMENT),
            (node_of("web-proxy"), "", grpc.StatusCode.INVALID_ARGUMENT),
        ]:
            async with client(plane) as one:
                await one.ask(type_url, node)
                assert await one.call.code() is code
        async with client(plane) as one:
            await one.ask(CLUSTER, node_of("web-proxy"))
            await one.ask("")
            assert await one.call.code() is grpc.StatusCode.INVALID_ARGUMENT
        plane.server._streams_max = 1
        async with client(plane) as one:
            await one.ask(CLUSTER, node_of("web-proxy"))
            assert await one.silent()
            async with client(plane) as two:
                assert await two.call.code() is grpc.StatusCode.RESOURCE_EXHAUSTED

    run(control_plane, story)


def test_the_state_of_the_world_variant_serves_the_same_resources(control_plane: Any) -> None:
    async def story(plane: Any) -> None:
        plane.rotate()
        plane.sidecar("web", 21000, 8080, ("db", 9191))
        async with client(plane, "StreamAggregatedResources") as one:
            await one.call.write(discovery.DiscoveryRequest(node=node_of("web-proxy", ""), type_url=CLUSTER))
            answer = await one.next()
            assert len(answer.resources) == 2
            assert all(resource.type_url == CLUSTER for resource in answer.resources)
            await one.call.write(
                discovery.DiscoveryRequest(
                    type_url=CLUSTER, version_info=answer.version_info, response_nonce=answer.nonce
                )
            )
            assert await one.silent()
            assert plane.states.reports()[0].types[0].acks == 1

    run(control_plane, story)


def test_a_proxys_state_is_forgotten_a_while_after_its_last_stream(make_control_plane: Any) -> None:
    now = [100.0]
    control_plane = make_control_plane(clock=lambda: now[0])

    async def story(plane: Any) -> None:
        plane.rotate()
        plane.sidecar("web", 21000, 8080)
        async with client(plane) as one:
            await one.ask(CLUSTER, node_of("web-proxy"))
            await one.next()
            now[0] += 1000
            plane.states.expire()
            assert plane.states.reports()[0].streams == 1
        await asyncio.sleep(0.05)
        plane.states.expire()
        assert plane.states.reports()[0].streams == 0
        assert len(plane.store.watches) == 1
        now[0] += LINGER_S + 1
        plane.states.expire()
        assert plane.states.reports() == []
        assert len(plane.store.watches) == 0

    run(control_plane, story)
