"""The settings of a dns process."""

from pathlib import Path

from pydantic import Field, field_validator

from lictor_dns.client_networks import PRIVATE, Networks
from lictor_dns.rate_limit import RATE_MAX
from lictor_dns.recursor import Strategy, parse_recursors
from lictor_dns.zone.settings import ServiceTtls
from lictor_kit import Port, Settings


class DnsSettings(Settings):
    """What a dns is told beside what every process is told."""

    operations_port: Port = Field(
        default=8577, description="TCP port; /livez, /readyz and /metrics; the house's port for this role"
    )
    dns_port: Port = Field(
        default=8600, description="UDP and TCP port; the DNS interface; Consul's port, so that forwarders find it"
    )
    dns_addresses: str = Field(
        default="",
        description="addresses, comma separated; where names are answered, such as 127.0.0.1,::1; LICTOR_BIND alone",
    )
    dns_node_ttl_s: int = Field(
        default=0, ge=0, le=86_400, description="seconds; TTL of nodes' records; 0, so that no change is hidden"
    )
    dns_service_ttl_s: int = Field(
        default=0, ge=0, le=86_400, description="seconds; TTL of services' records; 0, so that no change is hidden"
    )
    dns_service_ttls: str = Field(
        default="",
        description="NAME=seconds, comma separated, a name or its beginning with a star; TTLs of some services; none",
    )
    dns_alt_domain: str = Field(
        default="",
        pattern=r"^[A-Za-z0-9.-]{0,253}$",
        description="DNS name; another zone with the same names; none, as in Consul",
    )
    dns_only_passing: bool = Field(
        default=True,
        description="true or false; leave out instances with a warning too; critical ones are always left out",
    )
    dns_udp_answer_limit: int = Field(
        default=3, ge=1, le=8, description="records; in an answer over UDP to a client without EDNS; as in Consul"
    )
    dns_a_record_limit: int = Field(
        default=0, ge=0, description="records; in any answer with addresses; 0 for no limit; as in Consul"
    )
    dns_enable_truncate: bool = Field(
        default=False,
        description="true or false; set TC when some instances were left out; false, as in Consul: some are enough",
    )
    dns_disable_compression: bool = Field(
        default=False, description="true or false; spell out every name; false, as in Consul: replies are smaller"
    )
    dns_additional_node_meta_txt: bool = Field(
        default=True,
        description="true or false; add the meta of nodes as TXT to answers about them; as in Consul",
    )
    dns_soa_refresh_s: int = Field(
        default=3600, ge=0, le=2**31 - 1, description="seconds; in the SOA; as in Consul, like the next three"
    )
    dns_soa_retry_s: int = Field(default=600, ge=0, le=2**31 - 1, description="seconds; in the SOA; as in Consul")
    dns_soa_expire_s: int = Field(default=86_400, ge=0, le=2**31 - 1, description="seconds; in the SOA; as in Consul")
    dns_soa_minimum_s: int = Field(
        default=0,
        ge=0,
        le=86_400,
        description="seconds; how long resolvers may keep that a name is absent; 0, so that a first instance is found",
    )
    dns_tcp_connections_max: int = Field(
        default=1024, ge=1, description="connections; open at once over TCP; more are closed at once"
    )
    dns_tcp_connections_per_client: int = Field(
        default=256, ge=1, description="connections; of one client address; a forwarder needs tens, and others a place"
    )
    dns_cookies: bool = Field(
        default=True, description="true or false; DNS cookies (RFC 7873); whoever shows a good one has no rate limit"
    )
    dns_cookie_secrets: str = Field(
        default="",
        description="32 hex digits each, comma separated; the first makes cookies, all are accepted; made up at the "
        "start; replicas behind one address need the same",
    )
    dns_cookie_secrets_file: Path | None = Field(
        default=None,
        description="file; cookie secrets, read again when it changes; none, so that LICTOR_DNS_COOKIE_SECRETS counts",
    )
    dns_rate_limit_answers: int = Field(
        default=0,
        ge=0,
        le=RATE_MAX,
        description="replies/s; answers over UDP to one network (/24, /56); 0 for no limit, since forwarders in front "
        "ask for thousands of clients; set it where strangers can reach the port",
    )
    dns_rate_limit_errors: int = Field(
        default=0,
        ge=0,
        le=RATE_MAX,
        description="replies/s; negative replies and errors, each, otherwise as answers; 0",
    )
    dns_rate_limit_slip: int = Field(
        default=2,
        ge=0,
        le=10,
        description="replies; every so many-th over the rate is sent empty and truncated, so that a true client can "
        "ask over TCP; 0 for none; 2, as elsewhere",
    )
    dns_recursors: str = Field(
        default="",
        description="addresses, comma separated, a port other than 53 behind a colon; who is asked about names outside "
        "the domain; none, so that nobody runs an open resolver by accident",
    )
    dns_recursor_timeout_s: float = Field(
        default=2.0, gt=0, le=10, description="seconds; how long one recursor may take, then the next one is asked"
    )
    dns_recursor_strategy: Strategy = Field(
        default="sequential", description="sequential or random; which recursor is asked first; as in Consul"
    )

    dns_recursion_from: str = Field(
        default=PRIVATE,
        description="networks, comma separated; whose questions go to recursors, others are refused; loopback, private "
        "ones, so that a port that is open to the world is no open resolver",
    )
    dns_stale_max_s: float = Field(
        default=315_360_000,
        gt=0,
        description="seconds; the age of what is held up to which answers go on without the store, then SERVFAIL; ten "
        "years, as Consul's max_stale: an outage of the store is to be none of the services",
    )
    dns_save_view: bool = Field(
        default=False,
        description="true or false; keep the view in LICTOR_DATA_DIR/dns, for a start without the store; off, because "
        "a dns needs no disk otherwise",
    )

    @field_validator("dns_service_ttls")
    @classmethod
    def _check_ttls(cls, text: str) -> str:
        ServiceTtls.from_text(text)
        return text

    @field_validator("dns_recursion_from")
    @classmethod
    def _check_networks(cls, text: str) -> str:
        Networks.from_text(text)
        return text

    @field_validator("dns_recursors")
    @classmethod
    def _check_recursors(cls, text: str) -> str:
        parse_recursors(text)
        return text
