"""Questions to a resolver, and a `dns` of a test's own beside the suite's.

Shared by tests/clients and tests/e2e.
"""

import contextlib
import json
import os
import subprocess
import sys
import urllib.error
import urllib.request

import dns.exception
import dns.message
import dns.query
import dns.rcode

from tests.conformance.real_consul import free_ports

ANSWER_S = 5
UP_S = 20


class Resolver:
    """Whatever answers DNS at a port of this machine."""

    def __init__(self, port):
        self.port = port

    def ask(self, name, rtype="A", *, tcp=False, timeout_s=ANSWER_S):
        over = dns.query.tcp if tcp else dns.query.udp
        query = dns.message.make_query(name, rtype, use_edns=0, payload=1232)
        return over(query, "127.0.0.1", timeout=timeout_s, port=self.port)

    def texts(self, name, rtype="A", **how):
        """The records of an answer as text, sorted; the response code's name for an answer that is none."""
        reply = self.ask(name, rtype, **how)
        if reply.rcode():
            return dns.rcode.to_text(reply.rcode())
        return sorted(str(rdata) for rrset in reply.answer for rdata in rrset)

    def up(self):
        try:
            return self.ask("consul.", "SOA", timeout_s=0.3).rcode() == 0
        except (OSError, dns.exception.DNSException):
            return False


class OwnDns(Resolver):
    """A `dns` process on a suite's bus, with settings of its own."""

    def __init__(self, suite, data_dir, **settings):
        port, self.operations = free_ports(2)
        super().__init__(port)
        own = {
            "NATS_URL": f"nats://127.0.0.1:{suite.port(4222)}",
            "DNS_PORT": str(port),
            "OPERATIONS_PORT": str(self.operations),
            "DATA_DIR": str(data_dir),
            **settings,
        }
        kept = {name: text for name, text in os.environ.items() if not name.startswith("LICTOR_")}
        environment = kept | {f"LICTOR_{name}": text for name, text in own.items()}
        self.process = subprocess.Popen([sys.executable, "-m", "lictor_dns"], env=environment)

    def readiness(self):
        """The body of `/readyz`, whatever its status; nothing while the port is not open."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.operations}/readyz", timeout=ANSWER_S) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            return json.load(error)
        except OSError:
            return {}

    def metric(self, name):
        """One metric without labels."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.operations}/metrics", timeout=ANSWER_S) as answer:
            lines = answer.read().decode().splitlines()
        (found,) = (line.split()[1] for line in lines if line.startswith(f"lictor_dns_{name} "))
        return float(found)

    def stop(self):
        """SIGTERM; its exit code."""
        self.process.terminate()
        return self.process.wait(12)


@contextlib.contextmanager
def own_dns(suite, data_dir, **settings):
    """An `OwnDns` until the end of the block."""
    running = OwnDns(suite, data_dir, **settings)
    try:
        yield running
    finally:
        running.stop()
