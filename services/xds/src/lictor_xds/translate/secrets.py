"""Certificates as secrets (SDS), and the TLS contexts that refer to them by name.

The leaf and the roots travel as two small resources of their own, so that a renewal or a rotation touches neither
clusters nor listeners. Whoever uses them waits for them: a listener or cluster without its secrets stays unused, it
never comes up without TLS.
"""

import functools

from envoy.config.core.v3.base_pb2 import DataSource, TransportSocket
from envoy.config.core.v3.config_source_pb2 import AggregatedConfigSource, ApiVersion, ConfigSource
from envoy.extensions.transport_sockets.tls.v3.common_pb2 import (
    CertificateValidationContext,
    SubjectAltNameMatcher,
    TlsCertificate,
)
from envoy.extensions.transport_sockets.tls.v3.secret_pb2 import SdsSecretConfig, Secret
from envoy.extensions.transport_sockets.tls.v3.tls_pb2 import CommonTlsContext, DownstreamTlsContext, UpstreamTlsContext
from envoy.type.matcher.v3.string_pb2 import StringMatcher
from google.protobuf.duration_pb2 import Duration
from google.protobuf.wrappers_pb2 import BoolValue

from lictor_xds.translate.encoding import packed, resource
from lictor_xdsproto import Resource

ROOTS = "roots"
_ALPN = {"http": ("http/1.1",), "http2": ("h2", "http/1.1"), "grpc": ("h2", "http/1.1")}


def leaf_secret_name(service: str) -> str:
    """The name of the secret with a service's leaf and key."""
    return f"leaf:{service}"


@functools.lru_cache(maxsize=4096)  # one per service with a proxy here; an evicted one is encoded again
def leaf_secret(service: str, cert_pem: str, key_pem: str) -> Resource:
    """A service's certificate chain and key."""
    name = leaf_secret_name(service)
    certificate = TlsCertificate(
        certificate_chain=DataSource(inline_string=cert_pem),
        private_key=DataSource(inline_string=key_pem),
    )
    return resource(name, Secret(name=name, tls_certificate=certificate))


@functools.lru_cache(maxsize=8)  # there is one bundle at a time; rotations leave the last few behind
def roots_secret(bundle: str) -> Resource:
    """The trust bundle."""
    context = CertificateValidationContext(trusted_ca=DataSource(inline_string=bundle))
    return resource(ROOTS, Secret(name=ROOTS, validation_context=context))


def ads_source(*, wait: bool = False) -> ConfigSource:
    """Over the aggregated stream; with `wait`, for as long as it takes and not for Envoy's 15 s."""
    source = ConfigSource(ads=AggregatedConfigSource(), resource_api_version=ApiVersion.V3)
    if wait:
        source.initial_fetch_timeout.CopyFrom(Duration())
    return source


def upstream_tls(service: str, server_name: str, spiffe_uri: str) -> TransportSocket:
    """TLS as a client with `service`'s leaf, towards exactly the identity `spiffe_uri`."""
    names = [SubjectAltNameMatcher(san_type=SubjectAltNameMatcher.URI, matcher=StringMatcher(exact=spiffe_uri))]
    context = CommonTlsContext(
        tls_certificate_sds_secret_configs=[_secret(leaf_secret_name(service))],
        combined_validation_context=CommonTlsContext.CombinedCertificateValidationContext(
            default_validation_context=CertificateValidationContext(match_typed_subject_alt_names=names),
            validation_context_sds_secret_config=_secret(ROOTS),
        ),
    )
    return TransportSocket(
        name="tls", typed_config=packed(UpstreamTlsContext(common_tls_context=context, sni=server_name))
    )


def public_tls(service: str, protocol: str) -> TransportSocket:
    """TLS as a server with `service`'s leaf, for clients with a certificate of the mesh only."""
    context = CommonTlsContext(
        tls_certificate_sds_secret_configs=[_secret(leaf_secret_name(service))],
        validation_context_sds_secret_config=_secret(ROOTS),
        alpn_protocols=_ALPN.get(protocol, ()),
    )
    server = DownstreamTlsContext(common_tls_context=context, require_client_certificate=BoolValue(value=True))
    return TransportSocket(name="tls", typed_config=packed(server))


def _secret(name: str) -> SdsSecretConfig:
    return SdsSecretConfig(name=name, sds_config=ads_source(wait=True))
