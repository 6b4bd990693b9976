"""Three hosts, each with a NATS server, a raft-store and a catalog: links between them are cut while clients work."""

import json
import sys

import pytest

from tests.chaos import net_hosts
from tests.chaos.histories import Clients, at_work
from tests.chaos.net_hosts import NetHosts
from tests.chaos.real_cluster import Program, beside_python, get, wait_until

pytestmark = [
    pytest.mark.chaos,
    pytest.mark.skipif(bool(net_hosts.missing()), reason=f"no hosts of our own: {net_hosts.missing()}"),
]

HOSTS = (1, 2, 3)
STARTS_S = 60.0


class Site:
    """The suite's control plane on three hosts."""

    def __init__(self, hosts, folder):
        self.hosts, self.folder = hosts, folder
        self.programs = {}
        for host in HOSTS:
            others = ",".join(f"nats://{hosts.address(one)}:6222" for one in HOSTS if one != host)
            self._add(
                host,
                "nats",
                [
                    beside_python("nats-server"),
                    *("--addr", "0.0.0.0", "--port", "4222", "--http_port", "8222", "--server_name", f"nats-{host}"),
                    *("--cluster_name", "cuts", "--cluster", f"nats://{hosts.address(host)}:6222", "--routes", others),
                ],
                {},
            )
            self._role(host, "raft-store", 8570, {"LICTOR_RAFT_STORE_NAME": f"server-{host}"})
            self._role(host, "catalog", 8571, {"LICTOR_CATALOG_HTTP_PORT": "8500"})

    def _add(self, host, role, command, environment, port=0):
        name = f"{role}-{host}"
        log = self.folder / "logs" / f"{name}.log"
        inside = [*self.hosts.inside(host), *command]
        self.programs[name] = Program(name, inside, self.folder / name, log, environment, port)

    def _role(self, host, role, operations, own):
        nats = [self.hosts.address(one) for one in (host, *(one for one in HOSTS if one != host))]
        environment = {
            "LICTOR_NODE": f"node-{host}",
            "LICTOR_BIND": self.hosts.address(host),
            "LICTOR_NATS_URL": ",".join(f"nats://{address}:4222" for address in nats),
            "LICTOR_BOOTSTRAP_EXPECT": "3",
            "LICTOR_DATA_DIR": str(self.folder / f"{role}-{host}" / "data"),
            "LICTOR_LOG_FORMAT": "json",
            "LICTOR_OPERATIONS_PORT": str(operations),
            **own,
        }
        self._add(host, role, [sys.executable, "-m", f"lictor_{role.replace('-', '_')}"], environment, operations)

    def __enter__(self):
        for program in self.programs.values():
            program.start()
        for host in HOSTS:
            wait_until(lambda one=host: self.ready("catalog", one), STARTS_S, f"host {host} is ready")
        return self

    def __exit__(self, kind, *_error):
        for program in self.programs.values():
            program.end()
        if kind is not None:
            for program in self.programs.values():
                print(program.tail())

    def ready(self, role, host):
        port = self.programs[f"{role}-{host}"].port
        return get(f"http://{self.hosts.address(host)}:{port}/readyz") is not None

    def catalogs(self):
        return [f"http://{self.hosts.address(host)}:8500" for host in HOSTS]

    def leading(self, *asked):
        """The host that leads, as the catalogs of `asked` know it; 0 for none."""
        for host in asked or HOSTS:
            body = get(f"http://{self.hosts.address(host)}:8500/v1/internal/store")
            if body:
                leader = json.loads(body)["Leader"]
                if leader:
                    return int(leader.rsplit("-", 1)[1])
        return 0

    def leader(self, *asked, other_than=0, timeout_s=20.0):
        """Wait until the catalogs of `asked` know a leader, another than `other_than`; its host."""

        def found():
            host = self.leading(*asked)
            return host if host != other_than else 0

        return wait_until(found, timeout_s, "a leader")


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    with NetHosts(len(HOSTS)) as hosts, Site(hosts, tmp_path_factory.mktemp("cuts")) as running:
        yield running


@pytest.fixture(autouse=True)
def healed(request):
    yield
    request.getfixturevalue("site").hosts.heal()


def clients_of(site, seed):
    return Clients(site.catalogs(), seed=seed)


def test_the_leaders_host_is_unplugged_and_the_other_two_go_on(site):
    with clients_of(site, 11) as clients:
        at_work(1.0)
        leader = site.leader()
        others = [host for host in HOSTS if host != leader]
        site.hosts.unplug(leader)
        site.leader(*others, other_than=leader)
        clients.go_on()
        at_work(2.0)
        site.hosts.plug(leader)
        wait_until(lambda: site.ready("catalog", leader), 30.0, "the host is back")
        clients.go_on()
    clients.judge()


def test_two_hosts_that_only_the_third_can_see_do_not_stop_the_store(site):
    with clients_of(site, 12) as clients:
        at_work(1.0)
        leader = site.leader()
        one, _third = [host for host in HOSTS if host != leader]
        site.hosts.part(leader, one)
        clients.go_on()
        at_work(3.0)
        site.hosts.heal()
        clients.go_on()
    clients.judge()


def test_a_host_that_is_heard_and_hears_nothing_does_not_stop_the_store(site):
    with clients_of(site, 13) as clients:
        at_work(1.0)
        leader = site.leader()
        for other in HOSTS:
            if other != leader:
                site.hosts.deafen(leader, other)
        others = [host for host in HOSTS if host != leader]
        site.leader(*others, other_than=leader)
        clients.go_on()
        at_work(2.0)
        site.hosts.heal()
        clients.go_on()
    clients.judge()


def test_all_links_are_cut_writes_fail_in_bounded_time_and_everything_is_there_when_they_are_back(site):
    with clients_of(site, 14) as clients:
        at_work(1.0)
        for host in HOSTS:
            site.hosts.unplug(host)
        at_work(3.0)
        site.hosts.heal()
        clients.go_on(40.0)
        at_work(1.0)
    clients.judge()
