"""The gRPC server: Envoy's aggregated discovery service, incremental and state-of-the-world.

The only module that imports grpc. Requests are parsed with the generated classes, responses are put together from
resources that are encoded already and leave as bytes. Everything that is decided is decided in `lictor_xdsproto` (what
to send on this stream) and `proxy_state` (what this proxy should have); here one task per stream reads, one writes.

A stream belongs to the proxy that its first request names (`node.id`, and `node.metadata.node_name` for its catalog
node); later requests need not repeat it and cannot change it.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any, Protocol

import grpc
import grpc.aio
import structlog
from envoy.service.discovery.v3 import discovery_pb2 as discovery
from google.protobuf.any_pb2 import Any as AnyMessage

from lictor_xds.metrics import XdsMetrics, short_name
from lictor_xds.proxy_state import ProxyKey, ProxyStates, TooManyProxiesError
from lictor_xdsproto import (
    DeltaRequest,
    DeltaStream,
    Nack,
    Outcome,
    RequestError,
    Resource,
    Snapshot,
    SotwRequest,
    SotwStream,
    SubscriptionLimit,
)

SERVICE = "envoy.service.discovery.v3.AggregatedDiscoveryService"
# A reconnecting proxy lists a version of about 170 bytes for each resource it holds; gRPC's 4 MiB would be 25,000.
RECEIVE_BYTES_MAX = 50 * 1024 * 1024
NAME_MAX = 512  # bytes of a node's id or name; longer ones are no names of this catalog
STOP_GRACE_S = 0.5  # streams never end by themselves; Envoys reconnect to another replica
_OPTIONS = (
    ("grpc.max_receive_message_length", RECEIVE_BYTES_MAX),
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    ("grpc.http2.min_ping_interval_without_data_ms", 15_000),
    ("grpc.so_reuseport", 0),
)

log = structlog.get_logger()


class _Variant(Protocol):
    """One stream of either variant: parsed messages in, bytes out."""

    name: str

    def take(self, message: Any) -> tuple[Outcome, Nack | None]: ...
    def snapshot(self, snapshot: Snapshot) -> None: ...
    def responses(self) -> list[tuple[str, bytes]]: ...


class _Delta:
    name = "delta"

    def __init__(self) -> None:
        self._stream = DeltaStream()

    def take(self, message: Any) -> tuple[Outcome, Nack | None]:
        nack = _nack(message)
        request = DeltaRequest(
            type_url=message.type_url,
            nonce=message.response_nonce,
            subscribe=tuple(message.resource_names_subscribe),
            unsubscribe=tuple(message.resource_names_unsubscribe),
            initial_versions=dict(message.initial_resource_versions),
            error=nack,
        )
        return self._stream.on_request(request), nack

    def snapshot(self, snapshot: Snapshot) -> None:
        self._stream.on_snapshot(snapshot)

    def responses(self) -> list[tuple[str, bytes]]:
        return [
            (
                response.type_url,
                discovery.DeltaDiscoveryResponse(
                    system_version_info=response.system_version_info,
                    type_url=response.type_url,
                    nonce=response.nonce,
                    resources=[_delta_resource(response.type_url, one) for one in response.resources],
                    removed_resources=response.removed_resources,
                ).SerializeToString(),
            )
            for response in self._stream.responses()
        ]


class _Sotw:
    name = "sotw"

    def __init__(self) -> None:
        self._stream = SotwStream()

    def take(self, message: Any) -> tuple[Outcome, Nack | None]:
        nack = _nack(message)
        request = SotwRequest(
            type_url=message.type_url,
            version_info=message.version_info,
            nonce=message.response_nonce,
            resource_names=tuple(message.resource_names),
            error=nack,
        )
        return self._stream.on_request(request), nack

    def snapshot(self, snapshot: Snapshot) -> None:
        self._stream.on_snapshot(snapshot)

    def responses(self) -> list[tuple[str, bytes]]:
        return [
            (
                response.type_url,
                discovery.DiscoveryResponse(
                    version_info=response.version_info,
                    type_url=response.type_url,
                    nonce=response.nonce,
                    resources=[AnyMessage(type_url=response.type_url, value=one.body) for one in response.resources],
                ).SerializeToString(),
            )
            for response in self._stream.responses()
        ]


class _Refusal(Exception):  # noqa: N818  an end that the protocol foresees
    """The stream ends with this gRPC status."""

    def __init__(self, code: grpc.StatusCode, reason: str) -> None:
        super().__init__(reason)
        self.code, self.reason = code, reason


class AdsServer:
    """Serves proxies until stopped.

    Args:
        states: what each proxy should have.
        metrics: counts streams, responses and answers.
        streams_max: streams served at once; more are refused, and Envoy tries another replica.
        clock: seconds that never go back.
        wall_clock: Unix time, for what people read.
    """

    def __init__(
        self,
        states: ProxyStates,
        metrics: XdsMetrics,
        *,
        streams_max: int,
        clock: Callable[[], float],
        wall_clock: Callable[[], float],
    ) -> None:
        self._states, self._metrics = states, metrics
        self._streams_max, self._clock, self._wall_clock = streams_max, clock, wall_clock
        self._open = 0
        self._server: grpc.aio.Server | None = None

    async def start(self, host: str, port: int) -> int:
        """Listen; returns the port, which differs from `port` when that is 0. Raises OSError when it is taken."""
        self._server = grpc.aio.server(options=_OPTIONS)
        self._server.add_generic_rpc_handlers((self._handlers(),))
        try:
            bound = self._server.add_insecure_port(f"[{host}]:{port}" if ":" in host else f"{host}:{port}")
        except RuntimeError as error:
            raise OSError(f"gRPC port {host}:{port} cannot be bound: {error}") from error
        await self._server.start()
        return int(bound)

    async def stop(self) -> None:
        """End every stream; proxies keep what they have and connect elsewhere."""
        if self._server is not None:
            await self._server.stop(STOP_GRACE_S)

    def _handlers(self) -> grpc.GenericRpcHandler:
        methods = {
            "DeltaAggregatedResources": (self._delta, discovery.DeltaDiscoveryRequest),
            "StreamAggregatedResources": (self._sotw, discovery.DiscoveryRequest),
        }
        return grpc.method_handlers_generic_handler(
            SERVICE,
            {
                name: grpc.stream_stream_rpc_method_handler(behavior, request_deserializer=message.FromString)
                for name, (behavior, message) in methods.items()
            },
        )

    async def _delta(self, requests: AsyncIterator[Any], context: Any) -> None:
        await self._serve(requests, context, _Delta())

    async def _sotw(self, requests: AsyncIterator[Any], context: Any) -> None:
        await self._serve(requests, context, _Sotw())

    async def _serve(self, requests: AsyncIterator[Any], context: Any, variant: _Variant) -> None:
        gauge = self._metrics.streams.labels(variant.name)
        self._open += 1
        gauge.inc()
        refusal: _Refusal | None = None
        try:
            self._check_room()
            first = await anext(requests, None)
            if first is not None:
                await self._converse(first, requests, context, variant)
        except _Refusal as error:
            refusal = error
        finally:
            self._open -= 1
            gauge.dec()
        if refusal is not None:
            self._metrics.streams_refused.labels(refusal.code.name.lower()).inc()
            await context.abort(refusal.code, refusal.reason)

    def _check_room(self) -> None:
        if self._open > self._streams_max:
            raise _Refusal(
                grpc.StatusCode.RESOURCE_EXHAUSTED, "this server has too many xDS streams open, please try another"
            )

    async def _converse(self, first: Any, requests: AsyncIterator[Any], context: Any, variant: _Variant) -> None:
        key = _proxy_key(first)
        session = _Session(self._states, self._metrics, key, variant, self._clock, self._wall_clock)
        session.take(first)
        try:
            self._states.attach(key, session.deliver)
        except TooManyProxiesError as error:
            raise _Refusal(grpc.StatusCode.RESOURCE_EXHAUSTED, str(error)) from error
        log.info("proxy connected", proxy=key.proxy_id, proxy_node=key.node, variant=variant.name, peer=context.peer())
        try:
            async with asyncio.TaskGroup() as group:
                reading = group.create_task(session.read(requests), name=f"read {key.proxy_id}")
                await session.write(context)
                reading.cancel()
        finally:
            self._states.detach(key, session.deliver)
            log.info("proxy disconnected", proxy=key.proxy_id, proxy_node=key.node)
        if session.refusal is not None:
            raise session.refusal


class _Session:
    """One stream of one proxy."""

    def __init__(
        self,
        states: ProxyStates,
        metrics: XdsMetrics,
        key: ProxyKey,
        variant: _Variant,
        clock: Callable[[], float],
        wall_clock: Callable[[], float],
    ) -> None:
        self._states, self._metrics, self._key, self._variant = states, metrics, key, variant
        self._clock, self._wall_clock = clock, wall_clock
        self._sent_at: dict[str, float] = {}
        self._work = asyncio.Event()
        self._ended = False
        self.refusal: _Refusal | None = None

    def deliver(self, snapshot: Snapshot) -> None:
        """There is a new snapshot; an older one that was not sent yet is skipped."""
        self._variant.snapshot(snapshot)
        self._work.set()

    def take(self, message: Any) -> None:
        """Take one request."""
        try:
            outcome, nack = self._variant.take(message)
        except RequestError as error:
            raise _Refusal(grpc.StatusCode.INVALID_ARGUMENT, str(error)) from error
        except SubscriptionLimit as error:
            raise _Refusal(grpc.StatusCode.RESOURCE_EXHAUSTED, str(error)) from error
        if outcome is not Outcome.NO_ANSWER:
            name = short_name(message.type_url)
            self._metrics.answers.labels(name, outcome.name.lower()).inc()
            sent_at = self._sent_at.pop(message.type_url, None)
            if sent_at is not None:
                self._metrics.answer_seconds.labels(name).observe(self._clock() - sent_at)
            self._states.answered(self._key, message.type_url, outcome, nack, self._wall_clock())
        self._work.set()

    async def read(self, requests: AsyncIterator[Any]) -> None:
        """Take requests until the client ends the stream or breaks a rule."""
        try:
            async for message in requests:
                self.take(message)
        except _Refusal as error:
            self.refusal = error
        self._ended = True
        self._work.set()

    async def write(self, context: Any) -> None:
        """Send what is due until the stream has ended."""
        while not self._ended:
            self._work.clear()
            for type_url, response in self._variant.responses():
                self._sent_at[type_url] = self._clock()
                self._metrics.responses.labels(short_name(type_url)).inc()
                await context.write(response)
            await self._work.wait()


def _proxy_key(message: Any) -> ProxyKey:
    proxy_id = message.node.id
    node = message.node.metadata.fields["node_name"].string_value if message.node.HasField("metadata") else ""
    if not 0 < len(proxy_id) <= NAME_MAX or len(node) > NAME_MAX:
        raise _Refusal(
            grpc.StatusCode.INVALID_ARGUMENT,
            f"node.id: the first request must name the proxy's service id, at most {NAME_MAX} characters",
        )
    return ProxyKey(node, proxy_id)


def _nack(message: Any) -> Nack | None:
    if not message.HasField("error_detail"):
        return None
    return Nack(message.error_detail.code, message.error_detail.message)


def _delta_resource(type_url: str, resource: Resource) -> discovery.Resource:
    return discovery.Resource(
        name=resource.name, version=resource.version, resource=AnyMessage(type_url=type_url, value=resource.body)
    )
