"""Hosts of a network of their own, as network namespaces on one switch: cut off, cut apart, or cut in one direction.

Each host has an address, 10.77.0.1 and up, and loopback; the test itself is on the switch too, as 10.77.0.254. Needs
root, `ip` and `iptables`. Everything is named after the test's process, and gone at the end.
"""

import contextlib
import os
import shutil
import subprocess

NETWORK = "10.77.0"
TEST_ADDRESS = f"{NETWORK}.254"


def missing():
    """Why hosts cannot be made here, or nothing."""
    if os.geteuid() != 0:
        return "not root"
    for tool in ("ip", "iptables"):
        if shutil.which(tool) is None:
            return f"no {tool}"
    name = f"lx{os.getpid()}probe"
    made = subprocess.run(["ip", "netns", "add", name], capture_output=True, text=True, check=False)
    if made.returncode != 0:
        return f"ip netns add: {made.stderr.strip()}"
    blocked = subprocess.run(
        ["ip", "netns", "exec", name, "iptables", "-A", "INPUT", "-s", "10.9.9.9", "-j", "DROP"],
        capture_output=True,
        text=True,
        check=False,
    )
    subprocess.run(["ip", "netns", "del", name], check=False)
    return "" if blocked.returncode == 0 else f"iptables: {blocked.stderr.strip()}"


def run(*command):
    subprocess.run(command, check=True, capture_output=True, text=True)


class NetHosts:
    """`count` hosts on one switch."""

    def __init__(self, count):
        self.prefix = f"lx{os.getpid()}"
        self.numbers = range(1, count + 1)
        self.switch = f"{self.prefix}s"

    def name(self, host):
        return f"{self.prefix}h{host}"

    @staticmethod
    def address(host):
        return f"{NETWORK}.{host}"

    def inside(self, host):
        """The words before a command that make it run on a host."""
        return ["ip", "netns", "exec", self.name(host)]

    def __enter__(self):
        run("ip", "netns", "add", self.switch)
        self._in(self.switch, "ip", "link", "add", "br0", "type", "bridge")
        self._in(self.switch, "ip", "link", "set", "br0", "up")
        for host in self.numbers:
            run("ip", "netns", "add", self.name(host))
            self._in(self.name(host), "ip", "link", "set", "lo", "up")
            self._plug(host, self.name(host), self.address(host))
        self._plug(254, None, TEST_ADDRESS)
        return self

    def __exit__(self, *_error):
        for name in [*(self.name(host) for host in self.numbers), self.switch]:
            subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True)
        with contextlib.suppress(subprocess.CalledProcessError):
            run("ip", "link", "del", f"{self.prefix}e254")

    def _plug(self, number, namespace, address):
        """A cable between the switch and a host, or the test."""
        here, there = f"{self.prefix}e{number}", f"p{number}"
        run("ip", "link", "add", here, "type", "veth", "peer", "name", there, "netns", self.switch)
        self._in(self.switch, "ip", "link", "set", there, "master", "br0")
        self._in(self.switch, "ip", "link", "set", there, "up")
        if namespace is None:
            run("ip", "addr", "add", f"{address}/24", "dev", here)
            run("ip", "link", "set", here, "up")
        else:
            run("ip", "link", "set", here, "netns", namespace)
            self._in(namespace, "ip", "addr", "add", f"{address}/24", "dev", here)
            self._in(namespace, "ip", "link", "set", here, "up")

    def _in(self, namespace, *command):
        run("ip", "netns", "exec", namespace, *command)

    # -- faults

    def unplug(self, host):
        """Pull a host's cable."""
        self._in(self.switch, "ip", "link", "set", f"p{host}", "down")

    def plug(self, host):
        """Put it back."""
        self._in(self.switch, "ip", "link", "set", f"p{host}", "up")

    def deafen(self, host, to):
        """Drop what `host` receives from `to`: one direction of one link."""
        self._in(self.name(host), "iptables", "-A", "INPUT", "-s", self.address(to), "-j", "DROP")

    def part(self, one, other):
        """Cut the link between two hosts, both directions; others still see both."""
        self.deafen(one, other)
        self.deafen(other, one)

    def heal(self):
        """Undo every `deafen` and `part`, and plug every host in."""
        for host in self.numbers:
            self._in(self.name(host), "iptables", "-F", "INPUT")
            self.plug(host)
