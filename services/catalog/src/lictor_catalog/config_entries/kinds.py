"""The fields of every kind of config entry (Consul's HTTP API, `/config`, one table a kind).

`Namespace`, `Partition` and what else only Consul Enterprise understands are no fields here: naming one is an error.
`Obj(…, always=True)` is shown even when it is empty, as Consul shows its plain structs.
"""

from collections.abc import Mapping

from lictor_catalog.config_entries.fields import (
    Obj,
    Read,
    duration,
    flag,
    integer,
    list_of,
    map_of,
    nanoseconds,
    number,
    opaque,
    text,
)

texts = list_of(text)
_COMMON: dict[str, Read] = {
    "Kind": text,
    "Name": text,
    "Meta": map_of(text),
    "Hash": integer,
    "CreateIndex": integer,
    "ModifyIndex": integer,
}
_MESH_GATEWAY = Obj({"Mode": text}, always=True)
_TRANSPARENT = Obj({"OutboundListenerPort": integer, "DialedDirectly": flag}, always=True)
_EXPOSE_PATH = Obj(
    {"ListenerPort": integer, "Path": text, "LocalPathPort": integer, "Protocol": text, "ParsedFromCheck": flag},
    kept={"ParsedFromCheck": False},
)
_EXPOSE = Obj({"Checks": flag, "Paths": list_of(_EXPOSE_PATH)}, always=True)
_PASSIVE = Obj(
    {
        "Interval": nanoseconds,
        "MaxFailures": integer,
        "EnforcingConsecutive5xx": integer,
        "MaxEjectionPercent": integer,
        "BaseEjectionTime": nanoseconds,
    },
    aliases={"enforcing_consecutive_5xx": "EnforcingConsecutive5xx"},
)
_LIMITS = Obj({"MaxConnections": integer, "MaxPendingRequests": integer, "MaxConcurrentRequests": integer})
_UPSTREAM = Obj(
    {
        "Name": text,
        "Peer": text,
        "EnvoyListenerJSON": text,
        "EnvoyClusterJSON": text,
        "Protocol": text,
        "ConnectTimeoutMs": integer,
        "Limits": _LIMITS,
        "PassiveHealthCheck": _PASSIVE,
        "MeshGateway": _MESH_GATEWAY,
        "BalanceOutboundConnections": text,
    }
)
_EXTENSIONS = list_of(
    Obj({"Name": text, "Required": flag, "Arguments": opaque, "ConsulVersion": text, "EnvoyVersion": text})
)
_HEADER_CHANGES = Obj({"Add": map_of(text), "Set": map_of(text), "Remove": texts})
_FAILOVER_POLICY = Obj({"Mode": text, "Regions": texts})
_BY_LOCALITY = Obj({"Mode": text})
_RATE_ROUTE = Obj(
    {
        "PathExact": text,
        "PathPrefix": text,
        "PathRegex": text,
        "RequestsPerSecond": integer,
        "RequestsMaxBurst": integer,
    }
)
_PROXIED: dict[str, Read] = {
    "Mode": text,
    "TransparentProxy": _TRANSPARENT,
    "MutualTLSMode": text,
    "MeshGateway": _MESH_GATEWAY,
    "Expose": _EXPOSE,
    "EnvoyExtensions": _EXTENSIONS,
}
_MATCH = Obj(
    {
        "HTTP": Obj(
            {
                "PathExact": text,
                "PathPrefix": text,
                "PathRegex": text,
                "CaseInsensitive": flag,
                "Header": list_of(
                    Obj(
                        {
                            "Name": text,
                            "Present": flag,
                            "Exact": text,
                            "Prefix": text,
                            "Suffix": text,
                            "Regex": text,
                            "Invert": flag,
                        }
                    )
                ),
                "QueryParam": list_of(Obj({"Name": text, "Present": flag, "Exact": text, "Regex": text})),
                "Methods": texts,
            }
        )
    }
)
_ROUTE_DESTINATION = Obj(
    {
        "Service": text,
        "ServiceSubset": text,
        "PrefixRewrite": text,
        "RequestTimeout": duration,
        "IdleTimeout": duration,
        "NumRetries": integer,
        "RetryOnConnectFailure": flag,
        "RetryOn": texts,
        "RetryOnStatusCodes": list_of(integer),
        "RequestHeaders": _HEADER_CHANGES,
        "ResponseHeaders": _HEADER_CHANGES,
    }
)
_SPLIT = Obj(
    {
        "Weight": number,
        "Service": text,
        "ServiceSubset": text,
        "RequestHeaders": _HEADER_CHANGES,
        "ResponseHeaders": _HEADER_CHANGES,
    },
    kept={"Weight": 0},
)
_TARGET = Obj({"Service": text, "ServiceSubset": text, "Datacenter": text, "Peer": text})
_HASH_POLICY = Obj(
    {
        "Field": text,
        "FieldValue": text,
        "CookieConfig": Obj({"Session": flag, "TTL": nanoseconds, "Path": text}),
        "SourceIP": flag,
        "Terminal": flag,
    }
)
_BALANCER = Obj(
    {
        "Policy": text,
        "RingHashConfig": Obj({"MinimumRingSize": integer, "MaximumRingSize": integer}),
        "LeastRequestConfig": Obj({"ChoiceCount": integer}),
        "HashPolicies": list_of(_HASH_POLICY),
    }
)
_JWT = Obj({"Providers": list_of(Obj({"Name": text, "VerifyClaims": list_of(Obj({"Path": texts, "Value": text}))}))})
_PERMISSION = Obj(
    {
        "Action": text,
        "HTTP": Obj(
            {
                "PathExact": text,
                "PathPrefix": text,
                "PathRegex": text,
                "Header": list_of(
                    Obj(
                        {
                            "Name": text,
                            "Present": flag,
                            "Exact": text,
                            "Prefix": text,
                            "Suffix": text,
                            "Contains": text,
                            "Regex": text,
                            "Invert": flag,
                            "IgnoreCase": flag,
                        }
                    )
                ),
                "Methods": texts,
            }
        ),
        "JWT": _JWT,
    }
)
_SOURCE = Obj(
    {
        "Name": text,
        "Action": text,
        "Permissions": list_of(_PERMISSION),
        "Precedence": integer,
        "Type": text,
        "Description": text,
        "Peer": text,
        "SamenessGroup": text,
        "LegacyID": text,
        "LegacyMeta": map_of(text),
        "LegacyCreateTime": text,
        "LegacyUpdateTime": text,
    }
)
_TLS_RANGE: dict[str, Read] = {"TLSMinVersion": text, "TLSMaxVersion": text, "CipherSuites": texts}
_SDS = Obj({"ClusterName": text, "CertResource": text})
_INGRESS_LIMITS: dict[str, Read] = {
    "MaxConnections": integer,
    "MaxPendingRequests": integer,
    "MaxConcurrentRequests": integer,
    "PassiveHealthCheck": _PASSIVE,
}
_REFERENCE: dict[str, Read] = {"Kind": text, "Name": text, "SectionName": text}
_PARENTS = list_of(Obj(_REFERENCE))
_STATUS = Obj(
    {
        "Conditions": list_of(
            Obj(
                {
                    "Type": text,
                    "Status": text,
                    "Reason": text,
                    "Message": text,
                    "Resource": Obj(_REFERENCE),
                    "LastTransitionTime": text,
                }
            )
        )
    },
    always=True,
)
_ROUTE_FILTERS = Obj(
    {
        "Headers": list_of(_HEADER_CHANGES),
        "URLRewrite": Obj({"Path": text}),
        "RetryFilter": Obj(
            {
                "NumRetries": integer,
                "RetryOn": texts,
                "RetryOnStatusCodes": list_of(integer),
                "RetryOnConnectFailure": flag,
            }
        ),
        "TimeoutFilter": Obj({"RequestTimeout": nanoseconds, "IdleTimeout": nanoseconds}),
        "JWT": _JWT,
    }
)
_RESPONSE_FILTERS = Obj({"Headers": list_of(_HEADER_CHANGES)})
_NAMED_MATCH = Obj({"Match": text, "Name": text, "Value": text})
_HTTP_RULE = Obj(
    {
        "Matches": list_of(
            Obj(
                {
                    "Headers": list_of(_NAMED_MATCH),
                    "Method": text,
                    "Path": Obj({"Match": text, "Value": text}),
                    "Query": list_of(_NAMED_MATCH),
                }
            )
        ),
        "Filters": _ROUTE_FILTERS,
        "ResponseFilters": _RESPONSE_FILTERS,
        "Services": list_of(
            Obj({"Name": text, "Weight": integer, "Filters": _ROUTE_FILTERS, "ResponseFilters": _RESPONSE_FILTERS})
        ),
    }
)
_REMOTE_KEYS = Obj(
    {
        "URI": text,
        "RequestTimeoutMs": integer,
        "CacheDuration": nanoseconds,
        "FetchAsynchronously": flag,
        "UseSNI": flag,
        "RetryPolicy": Obj(
            {
                "NumRetries": integer,
                "RetryPolicyBackOff": Obj({"BaseInterval": nanoseconds, "MaxInterval": nanoseconds}),
            }
        ),
        "JWKSCluster": Obj(
            {
                "DiscoveryType": text,
                "TLSCertificates": Obj(
                    {
                        "CaCertificateProviderInstance": Obj({"InstanceName": text, "CertificateName": text}),
                        "TrustedCA": Obj(
                            {"Filename": text, "EnvironmentVariable": text, "InlineString": text, "InlineBytes": text}
                        ),
                    }
                ),
                "ConnectTimeout": nanoseconds,
            }
        ),
    }
)
_CERTIFICATE: dict[str, Read] = {"Certificate": text, "PrivateKey": text}


def _entry(fields: Mapping[str, Read], kept: Mapping[str, str | None] | None = None) -> Obj:
    """A kind's fields, with those that every kind has."""
    return Obj({**fields, **_COMMON}, kept=kept)


_KINDS: dict[str, Obj] = {
    "service-defaults": _entry(
        {
            "Protocol": text,
            **_PROXIED,
            "ExternalSNI": text,
            "UpstreamConfig": Obj({"Overrides": list_of(_UPSTREAM), "Defaults": _UPSTREAM}),
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
                            "Routes": list_of(_RATE_ROUTE),
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
            **_PROXIED,
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
            "FailoverPolicy": _FAILOVER_POLICY,
            "PrioritizeByLocality": _BY_LOCALITY,
        },
        kept={"Config": None},
    ),
    "service-router": _entry({"Routes": list_of(Obj({"Match": _MATCH, "Destination": _ROUTE_DESTINATION}))}),
    "service-splitter": _entry({"Splits": list_of(_SPLIT)}, kept={"Splits": None}),
    "service-resolver": _entry(
        {
            "DefaultSubset": text,
            "Subsets": map_of(Obj({"Filter": text, "OnlyPassing": flag})),
            "Redirect": Obj(
                {"Service": text, "ServiceSubset": text, "Datacenter": text, "Peer": text, "SamenessGroup": text}
            ),
            "Failover": map_of(
                Obj(
                    {
                        "Service": text,
                        "ServiceSubset": text,
                        "Datacenters": texts,
                        "Targets": list_of(_TARGET),
                        "Policy": _FAILOVER_POLICY,
                        "SamenessGroup": text,
                    }
                )
            ),
            "PrioritizeByLocality": _BY_LOCALITY,
            "ConnectTimeout": duration,
            "RequestTimeout": duration,
            "LoadBalancer": _BALANCER,
        }
    ),
    "service-intentions": _entry({"Sources": list_of(_SOURCE), "JWT": _JWT}),
    "mesh": _entry(
        {
            "TransparentProxy": Obj({"MeshDestinationsOnly": flag}, always=True, kept={"MeshDestinationsOnly": False}),
            "AllowEnablingPermissiveMutualTLS": flag,
            "ValidateClusters": flag,
            "TLS": Obj({"Incoming": Obj(_TLS_RANGE), "Outgoing": Obj(_TLS_RANGE)}),
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
        {"Services": list_of(Obj({"Name": text, "Consumers": list_of(Obj({"Peer": text, "SamenessGroup": text}))}))},
        kept={"Services": None},
    ),
    "ingress-gateway": _entry(
        {
            "TLS": Obj({"Enabled": flag, "SDS": _SDS, **_TLS_RANGE}, always=True, kept={"Enabled": False}),
            "Listeners": list_of(
                Obj(
                    {
                        "Port": integer,
                        "Protocol": text,
                        "TLS": Obj({"Enabled": flag, "SDS": _SDS, **_TLS_RANGE}),
                        "Services": list_of(
                            Obj(
                                {
                                    "Name": text,
                                    "Hosts": texts,
                                    "TLS": Obj({"SDS": _SDS}),
                                    "RequestHeaders": _HEADER_CHANGES,
                                    "ResponseHeaders": _HEADER_CHANGES,
                                    **_INGRESS_LIMITS,
                                    "Meta": map_of(text),
                                },
                                kept={"Name": "", "Hosts": None},
                            )
                        ),
                    },
                    kept={"Port": 0, "Protocol": "", "Services": None},
                )
            ),
            "Defaults": Obj(_INGRESS_LIMITS),
        },
        kept={"Listeners": None},
    ),
    "terminating-gateway": _entry(
        {
            "Services": list_of(
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
            "Listeners": list_of(
                Obj(
                    {
                        "Name": text,
                        "Hostname": text,
                        "Port": integer,
                        "Protocol": text,
                        "TLS": Obj(
                            {
                                "Certificates": list_of(Obj(_REFERENCE)),
                                "MinVersion": text,
                                "MaxVersion": text,
                                "CipherSuites": texts,
                            },
                            always=True,
                        ),
                        "Override": Obj({"JWT": _JWT}),
                        "Default": Obj({"JWT": _JWT}),
                    }
                )
            ),
            "Status": _STATUS,
        }
    ),
    "bound-api-gateway": _entry(
        {
            "Listeners": list_of(Obj({"Name": text, "Routes": _PARENTS, "Certificates": _PARENTS})),
            "Services": opaque,
        }
    ),
    "http-route": _entry({"Parents": _PARENTS, "Rules": list_of(_HTTP_RULE), "Hostnames": texts, "Status": _STATUS}),
    "tcp-route": _entry({"Parents": _PARENTS, "Services": list_of(Obj({"Name": text})), "Status": _STATUS}),
    "inline-certificate": _entry(_CERTIFICATE),
    "file-system-certificate": _entry({**_CERTIFICATE, "Status": _STATUS}),
    "jwt-provider": _entry(
        {
            "Issuer": text,
            "Audiences": texts,
            "JSONWebKeySet": Obj({"Local": Obj({"JWKS": text, "Filename": text}), "Remote": _REMOTE_KEYS}),
            "Locations": list_of(
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
            "Members": list_of(Obj({"Peer": text})),
        }
    ),
}


def fields_of(kind: str) -> Obj | None:
    """How a kind's body is read; None for a kind that does not exist."""
    return _KINDS.get(kind)
