"""The fields of every kind of config entry (Consul's HTTP API, `/config`, one table a kind).

`Namespace`, `Partition` and what else only Consul Enterprise understands are no fields here: naming one is an error.
`Obj(…, always=True)` is shown even when it is empty, as Consul shows its plain structs.
"""

from collections.abc import Mapping

from lictor_catalog.config_entries.fields import (
    ListOf,
    MapOf,
    Obj,
    Read,
    duration,
    flag,
    integer,
    opaque,
    text,
)
from lictor_catalog.config_entries.parts import (
    BALANCER,
    BY_LOCALITY,
    CERTIFICATE,
    COMMON,
    FAILOVER_POLICY,
    HEADER_CHANGES,
    HTTP_RULE,
    INGRESS_LIMITS,
    JWT,
    MATCH,
    PARENTS,
    PROXIED,
    RATE_ROUTE,
    REFERENCE,
    REMOTE_KEYS,
    ROUTE_DESTINATION,
    SDS,
    SOURCE,
    SPLIT,
    STATUS,
    TARGET,
    TLS_RANGE,
    UPSTREAM,
    texts,
)


def _entry(fields: Mapping[str, Read], kept: Mapping[str, str | None] | None = None) -> Obj:
    """A kind's fields, with those that every kind has."""
    return Obj({**fields, **COMMON}, kept=kept)


_KINDS: dict[str, Obj] = {
    "service-defaults": _entry(
        {
            "Protocol": text,
            **PROXIED,
            "ExternalSNI": text,
            "UpstreamConfig": Obj({"Overrides": ListOf(UPSTREAM), "Defaults": UPSTREAM}),
            "Destination": Obj({"Addresses": texts, "Port": integer}),
            "MaxInboundConnections": integer,
            "LocalConnectTimeoutMs": integer,
            "LocalRequestTimeoutMs": integer,
            "BalanceInboundConnections": text,
            "RateLimits": Obj(
                {
                    "InstanceLevel": Obj(
                        {
                            "RequestsPerSecond": integer,
                            "RequestsMaxBurst": integer,
                            "Routes": ListOf(RATE_ROUTE),
                        }
                    )
                }
            ),
        },
        kept={"Protocol": ""},
    ),
    "proxy-defaults": _entry(
        {
            "Config": opaque,
            **PROXIED,
            "AccessLogs": Obj(
                {
                    "Enabled": flag,
                    "DisableListenerLogs": flag,
                    "Type": text,
                    "Path": text,
                    "JSONFormat": text,
                    "TextFormat": text,
                }
            ),
            "FailoverPolicy": FAILOVER_POLICY,
            "PrioritizeByLocality": BY_LOCALITY,
        },
        kept={"Config": None},
    ),
    "service-router": _entry({"Routes": ListOf(Obj({"Match": MATCH, "Destination": ROUTE_DESTINATION}))}),
    "service-splitter": _entry({"Splits": ListOf(SPLIT)}, kept={"Splits": None}),
    "service-resolver": _entry(
        {
            "DefaultSubset": text,
            "Subsets": MapOf(Obj({"Filter": text, "OnlyPassing": flag})),
            "Redirect": Obj(
                {"Service": text, "ServiceSubset": text, "Datacenter": text, "Peer": text, "SamenessGroup": text}
            ),
            "Failover": MapOf(
                Obj(
                    {
                        "Service": text,
                        "ServiceSubset": text,
                        "Datacenters": texts,
                        "Targets": ListOf(TARGET),
                        "Policy": FAILOVER_POLICY,
                        "SamenessGroup": text,
                    }
                )
            ),
            "PrioritizeByLocality": BY_LOCALITY,
            "ConnectTimeout": duration,
            "RequestTimeout": duration,
            "LoadBalancer": BALANCER,
        }
    ),
    "service-intentions": _entry({"Sources": ListOf(SOURCE), "JWT": JWT}),
    "mesh": _entry(
        {
            "TransparentProxy": Obj({"MeshDestinationsOnly": flag}, always=True, kept={"MeshDestinationsOnly": False}),
            "AllowEnablingPermissiveMutualTLS": flag,
            "ValidateClusters": flag,
            "TLS": Obj({"Incoming": Obj(TLS_RANGE), "Outgoing": Obj(TLS_RANGE)}),
            "HTTP": Obj(
                {
                    "SanitizeXForwardedClientCert": flag,
                    "Incoming": Obj(
                        {
                            "RequestNormalization": Obj(
                                {
                                    "InsecureDisablePathNormalization": flag,
                                    "MergeSlashes": flag,
                                    "PathWithEscapedSlashesAction": text,
                                    "HeadersWithUnderscoresAction": text,
                                }
                            )
                        }
                    ),
                }
            ),
            "Peering": Obj({"PeerThroughMeshGateways": flag}),
        }
    ),
    "exported-services": _entry(
        {"Services": ListOf(Obj({"Name": text, "Consumers": ListOf(Obj({"Peer": text, "SamenessGroup": text}))}))},
        kept={"Services": None},
    ),
    "ingress-gateway": _entry(
        {
            "TLS": Obj({"Enabled": flag, "SDS": SDS, **TLS_RANGE}, always=True, kept={"Enabled": False}),
            "Listeners": ListOf(
                Obj(
                    {
                        "Port": integer,
                        "Protocol": text,
                        "TLS": Obj({"Enabled": flag, "SDS": SDS, **TLS_RANGE}),
                        "Services": ListOf(
                            Obj(
                                {
                                    "Name": text,
                                    "Hosts": texts,
                                    "TLS": Obj({"SDS": SDS}),
                                    "RequestHeaders": HEADER_CHANGES,
                                    "ResponseHeaders": HEADER_CHANGES,
                                    **INGRESS_LIMITS,
                                    "Meta": MapOf(text),
                                },
                                kept={"Name": "", "Hosts": None},
                            )
                        ),
                    },
                    kept={"Port": 0, "Protocol": "", "Services": None},
                )
            ),
            "Defaults": Obj(INGRESS_LIMITS),
        },
        kept={"Listeners": None},
    ),
    "terminating-gateway": _entry(
        {
            "Services": ListOf(
                Obj(
                    {
                        "Name": text,
                        "CAFile": text,
                        "CertFile": text,
                        "KeyFile": text,
                        "SNI": text,
                        "DisableAutoHostRewrite": flag,
                    }
                )
            )
        },
        kept={"Services": None},
    ),
    "api-gateway": _entry(
        {
            "Listeners": ListOf(
                Obj(
                    {
                        "Name": text,
                        "Hostname": text,
                        "Port": integer,
                        "Protocol": text,
                        "TLS": Obj(
                            {
                                "Certificates": ListOf(Obj(REFERENCE)),
                                "MinVersion": text,
                                "MaxVersion": text,
                                "CipherSuites": texts,
                            },
                            always=True,
                        ),
                        "Override": Obj({"JWT": JWT}),
                        "Default": Obj({"JWT": JWT}),
                    }
                )
            ),
            "Status": STATUS,
        }
    ),
    "bound-api-gateway": _entry(
        {
            "Listeners": ListOf(Obj({"Name": text, "Routes": PARENTS, "Certificates": PARENTS})),
            "Services": opaque,
        }
    ),
    "http-route": _entry({"Parents": PARENTS, "Rules": ListOf(HTTP_RULE), "Hostnames": texts, "Status": STATUS}),
    "tcp-route": _entry({"Parents": PARENTS, "Services": ListOf(Obj({"Name": text})), "Status": STATUS}),
    "inline-certificate": _entry(CERTIFICATE),
    "file-system-certificate": _entry({**CERTIFICATE, "Status": STATUS}),
    "jwt-provider": _entry(
        {
            "Issuer": text,
            "Audiences": texts,
            "JSONWebKeySet": Obj({"Local": Obj({"JWKS": text, "Filename": text}), "Remote": REMOTE_KEYS}),
            "Locations": ListOf(
                Obj(
                    {
                        "Header": Obj({"Name": text, "ValuePrefix": text, "Forward": flag}),
                        "QueryParam": Obj({"Name": text}),
                        "Cookie": Obj({"Name": text}),
                    }
                )
            ),
            "Forwarding": Obj({"HeaderName": text, "PadForwardPayloadHeader": flag}),
            "ClockSkewSeconds": integer,
            "CacheConfig": Obj({"Size": integer}),
        }
    ),
    "sameness-group": _entry(
        {
            "DefaultForFailover": flag,
            "IncludeLocal": flag,
            "Members": ListOf(Obj({"Peer": text})),
        }
    ),
}


def fields_of(kind: str) -> Obj | None:
    """How a kind's body is read; None for a kind that does not exist."""
    return _KINDS.get(kind)


def every_kind() -> Mapping[str, Obj]:
    """All kinds by name."""
    return _KINDS
