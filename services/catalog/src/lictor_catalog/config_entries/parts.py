"""What config entries are made of: records that several kinds, or several places of one kind, share (Consul 1.21)."""

from lictor_catalog.config_entries.fields import (
    ListOf,
    MapOf,
    Obj,
    Read,
    duration,
    flag,
    integer,
    nanoseconds,
    number,
    opaque,
    text,
)

texts = ListOf(text)
COMMON: dict[str, Read] = {
    "Kind": text,
    "Name": text,
    "Meta": MapOf(text),
    "Hash": integer,
    "CreateIndex": integer,
    "ModifyIndex": integer,
}
MESH_GATEWAY = Obj({"Mode": text}, always=True)
TRANSPARENT = Obj({"OutboundListenerPort": integer, "DialedDirectly": flag}, always=True)
EXPOSE_PATH = Obj(
    {"ListenerPort": integer, "Path": text, "LocalPathPort": integer, "Protocol": text, "ParsedFromCheck": flag},
    kept={"ParsedFromCheck": False},
)
EXPOSE = Obj({"Checks": flag, "Paths": ListOf(EXPOSE_PATH)}, always=True)
PASSIVE = Obj(
    {
        "Interval": nanoseconds,
        "MaxFailures": integer,
        "EnforcingConsecutive5xx": integer,
        "MaxEjectionPercent": integer,
        "BaseEjectionTime": nanoseconds,
    },
    aliases={"enforcing_consecutive_5xx": "EnforcingConsecutive5xx"},
)
LIMITS = Obj({"MaxConnections": integer, "MaxPendingRequests": integer, "MaxConcurrentRequests": integer})
UPSTREAM = Obj(
    {
        "Name": text,
        "Peer": text,
        "EnvoyListenerJSON": text,
        "EnvoyClusterJSON": text,
        "Protocol": text,
        "ConnectTimeoutMs": integer,
        "Limits": LIMITS,
        "PassiveHealthCheck": PASSIVE,
        "MeshGateway": MESH_GATEWAY,
        "BalanceOutboundConnections": text,
    }
)
EXTENSIONS = ListOf(
    Obj(
        {"Name": text, "Required": flag, "Arguments": opaque, "ConsulVersion": text, "EnvoyVersion": text},
        kept={"Name": "", "Required": False, "Arguments": None, "ConsulVersion": "", "EnvoyVersion": ""},
    )
)
HEADER_CHANGES = Obj({"Add": MapOf(text), "Set": MapOf(text), "Remove": texts})
FAILOVER_POLICY = Obj({"Mode": text, "Regions": texts})
BY_LOCALITY = Obj({"Mode": text})
RATE_ROUTE = Obj(
    {
        "PathExact": text,
        "PathPrefix": text,
        "PathRegex": text,
        "RequestsPerSecond": integer,
        "RequestsMaxBurst": integer,
    }
)
PROXIED: dict[str, Read] = {
    "Mode": text,
    "TransparentProxy": TRANSPARENT,
    "MutualTLSMode": text,
    "MeshGateway": MESH_GATEWAY,
    "Expose": EXPOSE,
    "EnvoyExtensions": EXTENSIONS,
}
MATCH = Obj(
    {
        "HTTP": Obj(
            {
                "PathExact": text,
                "PathPrefix": text,
                "PathRegex": text,
                "CaseInsensitive": flag,
                "Header": ListOf(
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
                "QueryParam": ListOf(Obj({"Name": text, "Present": flag, "Exact": text, "Regex": text})),
                "Methods": texts,
            }
        )
    }
)
ROUTE_DESTINATION = Obj(
    {
        "Service": text,
        "ServiceSubset": text,
        "PrefixRewrite": text,
        "RequestTimeout": duration,
        "IdleTimeout": duration,
        "NumRetries": integer,
        "RetryOnConnectFailure": flag,
        "RetryOn": texts,
        "RetryOnStatusCodes": ListOf(integer),
        "RequestHeaders": HEADER_CHANGES,
        "ResponseHeaders": HEADER_CHANGES,
    }
)
SPLIT = Obj(
    {
        "Weight": number,
        "Service": text,
        "ServiceSubset": text,
        "RequestHeaders": HEADER_CHANGES,
        "ResponseHeaders": HEADER_CHANGES,
    },
    kept={"Weight": 0},
)
TARGET = Obj({"Service": text, "ServiceSubset": text, "Datacenter": text, "Peer": text})
HASH_POLICY = Obj(
    {
        "Field": text,
        "FieldValue": text,
        "CookieConfig": Obj({"Session": flag, "TTL": nanoseconds, "Path": text}),
        "SourceIP": flag,
        "Terminal": flag,
    }
)
BALANCER = Obj(
    {
        "Policy": text,
        "RingHashConfig": Obj({"MinimumRingSize": integer, "MaximumRingSize": integer}),
        "LeastRequestConfig": Obj({"ChoiceCount": integer}),
        "HashPolicies": ListOf(HASH_POLICY),
    }
)
JWT = Obj({"Providers": ListOf(Obj({"Name": text, "VerifyClaims": ListOf(Obj({"Path": texts, "Value": text}))}))})
PERMISSION = Obj(
    {
        "Action": text,
        "HTTP": Obj(
            {
                "PathExact": text,
                "PathPrefix": text,
                "PathRegex": text,
                "Header": ListOf(
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
        "JWT": JWT,
    }
)
SOURCE = Obj(
    {
        "Name": text,
        "Action": text,
        "Permissions": ListOf(PERMISSION),
        "Precedence": integer,
        "Type": text,
        "Description": text,
        "Peer": text,
        "SamenessGroup": text,
        "LegacyID": text,
        "LegacyMeta": MapOf(text),
        "LegacyCreateTime": text,
        "LegacyUpdateTime": text,
    }
)
TLS_RANGE: dict[str, Read] = {"TLSMinVersion": text, "TLSMaxVersion": text, "CipherSuites": texts}
SDS = Obj({"ClusterName": text, "CertResource": text})
INGRESS_LIMITS: dict[str, Read] = {
    "MaxConnections": integer,
    "MaxPendingRequests": integer,
    "MaxConcurrentRequests": integer,
    "PassiveHealthCheck": PASSIVE,
}
REFERENCE: dict[str, Read] = {"Kind": text, "Name": text, "SectionName": text}
PARENTS = ListOf(Obj(REFERENCE))
STATUS = Obj(
    {
        "Conditions": ListOf(
            Obj(
                {
                    "Type": text,
                    "Status": text,
                    "Reason": text,
                    "Message": text,
                    "Resource": Obj(REFERENCE),
                    "LastTransitionTime": text,
                }
            )
        )
    },
    always=True,
)
ROUTE_FILTERS = Obj(
    {
        "Headers": ListOf(HEADER_CHANGES),
        "URLRewrite": Obj({"Path": text}),
        "RetryFilter": Obj(
            {
                "NumRetries": integer,
                "RetryOn": texts,
                "RetryOnStatusCodes": ListOf(integer),
                "RetryOnConnectFailure": flag,
            }
        ),
        "TimeoutFilter": Obj({"RequestTimeout": nanoseconds, "IdleTimeout": nanoseconds}),
        "JWT": JWT,
    }
)
RESPONSE_FILTERS = Obj({"Headers": ListOf(HEADER_CHANGES)})
NAMED_MATCH = Obj({"Match": text, "Name": text, "Value": text})
HTTP_RULE = Obj(
    {
        "Matches": ListOf(
            Obj(
                {
                    "Headers": ListOf(NAMED_MATCH),
                    "Method": text,
                    "Path": Obj({"Match": text, "Value": text}),
                    "Query": ListOf(NAMED_MATCH),
                }
            )
        ),
        "Filters": ROUTE_FILTERS,
        "ResponseFilters": RESPONSE_FILTERS,
        "Services": ListOf(
            Obj({"Name": text, "Weight": integer, "Filters": ROUTE_FILTERS, "ResponseFilters": RESPONSE_FILTERS})
        ),
    }
)
REMOTE_KEYS = Obj(
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
CERTIFICATE: dict[str, Read] = {"Certificate": text, "PrivateKey": text}
