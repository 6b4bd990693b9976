"""What the zone and the replies are told, from the settings of the process."""

from lictor_dns.client_networks import Networks
from lictor_dns.replies import ReplySettings
from lictor_dns.settings import DnsSettings
from lictor_dns.zone import ServiceTtls, SoaTimes, ZoneSettings
from lictor_state.queries.usable import AnswerLimits


def zone_settings(settings: DnsSettings) -> ZoneSettings:
    """What compiled records depend on."""
    return ZoneSettings(
        domain=settings.domain,
        alt_domain=settings.dns_alt_domain,
        datacenter=settings.datacenter,
        node=settings.node,
        node_ttl_s=settings.dns_node_ttl_s,
        service_ttls=ServiceTtls.from_text(settings.dns_service_ttls, settings.dns_service_ttl_s),
        only_passing=settings.dns_only_passing,
        node_meta_txt=settings.dns_additional_node_meta_txt,
        soa=SoaTimes(
            settings.dns_soa_refresh_s, settings.dns_soa_retry_s, settings.dns_soa_expire_s, settings.dns_soa_minimum_s
        ),
    )


def reply_settings(settings: DnsSettings, *, recursion: bool) -> ReplySettings:
    """How replies are put together; `recursion`: there are recursors."""
    return ReplySettings(
        limits=AnswerLimits(settings.dns_udp_answer_limit, settings.dns_a_record_limit),
        enable_truncate=settings.dns_enable_truncate,
        compress=not settings.dns_disable_compression,
        recursion=recursion,
        recursion_for=Networks.from_text(settings.dns_recursion_from),
    )
