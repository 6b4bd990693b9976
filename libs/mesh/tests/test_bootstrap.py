"""The bootstrap of a sidecar: where its control plane is, and who it is."""

import pytest

from lictor_mesh.bootstrap import XDS_CLUSTER, bootstrap
from lictor_state.rows import ProxyDefinition, ServiceRow

PROXY = ServiceRow(
    "n1",
    "web-sidecar-proxy",
    "web-sidecar-proxy",
    "connect-proxy",
    proxy=ProxyDefinition(destination_service_name="web"),
)


def made(xds_host="127.0.0.1", proxy=PROXY):
    return bootstrap(
        proxy,
        xds_host=xds_host,
        xds_port=8502,
        admin_host="127.0.0.1",
        admin_port=19000,
        node_name="n1",
        datacenter="dc1",
    )


def test_it_names_the_proxy_and_sends_the_node_once():
    boot = made()
    assert (boot["node"]["id"], boot["node"]["cluster"]) == ("web-sidecar-proxy", "web")
    assert boot["dynamic_resources"]["ads_config"]["set_node_on_first_message_only"] is True


@pytest.mark.parametrize(("host", "kind"), [("127.0.0.1", "STATIC"), ("::1", "STATIC"), ("edge", "STRICT_DNS")])
def test_a_control_plane_known_by_name_is_looked_up_again_and_again(host, kind):
    (cluster,) = made(host)["static_resources"]["clusters"]
    assert (cluster["name"], cluster["type"]) == (XDS_CLUSTER, kind)


def test_what_is_no_proxy_has_no_bootstrap():
    with pytest.raises(ValueError, match="not a connect-proxy"):
        made(proxy=ServiceRow("n1", "web", "web"))
