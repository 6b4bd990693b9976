"""Clients of the HTTP API that write, compare and set, delete and read, and note what they saw.

Each client is a thread that asks one catalog after the other. What it was answered becomes an `Operation` of a history
that `lictor_sim.linearizability` judges: a write whose answer was lost may have happened at any later time, or never.
Keys under `cell/` are shared by all clients; every key under `set/` is written once, only if it is not there, so that a
write that is lost or applied twice shows.
"""

import base64
import http.client
import itertools
import json
import random
import threading
import time
from urllib.parse import urlsplit

from lictor_sim.linearizability import UNKNOWN, Operation, check
from lictor_sim.linearizable_objects import VersionedCell
from tests.chaos.real_cluster import wait_until

REFUSED = object()
"""The result of a write that was refused."""

ANSWER_S = 15.0
"""Longer than a catalog waits for a leader, so that a client's silence is the store's."""

PAUSE_S = 0.005
NO_SPACE = b"No space left"
"""Of a store that refuses a write: such a write has not happened, and does not later."""

HEALED_S = 60.0
"""After a story everything is healed, and some catalog may still be on its way back."""


def at_work(seconds):
    """Let the clients work; what they do meanwhile is the point."""
    limit = time.monotonic() + seconds
    wait_until(lambda: time.monotonic() > limit, seconds + 1, "time passes")


class Client(threading.Thread):
    """One client; `stop` ends it after its operation."""

    def __init__(self, number, catalogs, cells, run, seed):
        super().__init__(name=f"client-{number}", daemon=True)
        self.number, self.catalogs, self.cells, self.story = number, catalogs, cells, run
        self.dice = random.Random(seed)
        self.history: list[Operation] = []
        self.added: dict[str, bool] = {}
        self.twice: list[str] = []
        self.wrote_at: list[float] = []
        self.ended = threading.Event()
        self.refused = 0
        self._turn = number
        self._count = 0

    def run(self):
        while not self.ended.is_set():
            self._count += 1
            what = self.dice.random()
            if what < 0.35:
                self._add()
            else:
                self._touch(what)
            self.ended.wait(PAUSE_S)

    def stop(self):
        self.ended.set()
        self.join(ANSWER_S + 5)

    def _add(self):
        key = f"set/{self.story}/{self.number}/{self._count}"
        answer = self._call("PUT", f"/v1/kv/{key}?cas=0", b"x")
        if _refused(*answer):
            return
        self.added[key] = answer == (200, b"true")
        if self.added[key]:
            self.wrote_at.append(time.monotonic())
        if answer == (200, b"false"):  # its only write found it there
            self.twice.append(key)

    def _touch(self, what):
        key = f"cell/{self.story}/{self.dice.randrange(self.cells)}"
        value = f"{self.number}.{self._count}"
        if what < 0.6:
            self._note(key, "read", None, lambda: self._read(key))
        elif what < 0.75:
            self._note(key, "set", value, lambda: self._write(key, "", value))
        elif what < 0.9:
            seen = self._read(key)
            if seen is not UNKNOWN:
                index = seen[1] if seen else 0
                self._note(key, "cas", (index, value), lambda: self._write(key, f"?cas={index}", value))
        else:
            self._note(key, "delete", None, lambda: self._delete(key))

    def _note(self, key, kind, argument, work):
        began = time.monotonic()
        result = work()
        ended = time.monotonic()
        if result is REFUSED:
            return
        if result is UNKNOWN:
            if kind != "read":
                self.history.append(Operation(self.number, kind, argument, UNKNOWN, began, key=key))
        else:
            if kind != "read":
                self.wrote_at.append(ended)
            self.history.append(Operation(self.number, kind, argument, result, began, ended, key))

    def _read(self, key):
        mode = "?consistent" if self.dice.random() < 0.5 else ""
        status, body = self._call("GET", f"/v1/kv/{key}{mode}")
        if status == 404:
            return None
        if status != 200:
            return UNKNOWN
        entry = json.loads(body)[0]
        return base64.b64decode(entry["Value"] or "").decode(), entry["ModifyIndex"]

    def _write(self, key, query, value):
        return _result(*self._call("PUT", f"/v1/kv/{key}{query}", value.encode()))

    def _delete(self, key):
        return _result(*self._call("DELETE", f"/v1/kv/{key}"))

    def _call(self, method, path, body=None):
        """Status and body; status 0 when nothing came. The next call goes to the next catalog."""
        host = urlsplit(self.catalogs[self._turn % len(self.catalogs)]).netloc
        connection = http.client.HTTPConnection(host, timeout=ANSWER_S)
        try:
            connection.request(method, path, body)
            answer = connection.getresponse()
            status, data = answer.status, answer.read()
        except (OSError, http.client.HTTPException):
            status, data = 0, b""
        finally:
            connection.close()
        if status not in (200, 404):
            self._turn += 1
            self.refused += 1
        return status, data


def _refused(status, body):
    return status == 500 and NO_SPACE in body


def _result(status, body):
    """What a write came to."""
    if status == 200:
        return json.loads(body)
    return REFUSED if _refused(status, body) else UNKNOWN


class Clients:
    """Several clients at once; leaves a verdict."""

    def __init__(self, catalogs, count=6, cells=4, seed=1):
        self.catalogs = catalogs
        self.story = f"{seed}"
        self.clients = [Client(number, catalogs, cells, self.story, seed * 1000 + number) for number in range(count)]

    def __enter__(self):
        for client in self.clients:
            client.start()
        return self

    def __exit__(self, *_error):
        for client in self.clients:
            client.stop()

    def go_on(self, timeout_s=20.0):
        """Wait until every client has had writes answered again since now."""
        before = [len(one.wrote_at) for one in self.clients]
        wait_until(
            lambda: all(len(one.wrote_at) > seen + 3 for one, seen in zip(self.clients, before, strict=True)),
            timeout_s,
            "all clients' writes are answered again",
        )

    def move(self, catalogs):
        """The catalogs have other addresses now."""
        self.catalogs = catalogs

    def longest_gap_s(self):
        """The longest time in which no write of any client was answered."""
        at = sorted(moment for client in self.clients for moment in client.wrote_at)
        return max((later - earlier for earlier, later in itertools.pairwise(at)), default=0.0)

    def writes(self):
        return sum(len(client.wrote_at) for client in self.clients)

    def judge(self):
        """Every acknowledged write is there, and what was read could come from one store that does one thing at a time."""
        for client in self.clients:
            assert not client.is_alive(), f"{client.name} hangs"
            assert not client.twice, f"applied twice: {client.twice[:5]}"
        reader = Client(99, self.catalogs, 1, self.story, 0)
        path = f"/v1/kv/set/{self.story}/?keys&consistent"
        body = wait_until(
            lambda: (found := reader._call("GET", path))[0] == 200 and found[1], HEALED_S, "a strong read"
        )
        there = set(json.loads(body))
        added = {key: sure for client in self.clients for key, sure in client.added.items()}
        lost = [key for key, sure in added.items() if sure and key not in there]
        assert not lost, f"{len(lost)} acknowledged writes are lost, the first {lost[:5]}"
        assert there <= set(added), "keys that nobody wrote"
        history = [one for client in self.clients for one in client.history]
        assert len(history) > 50, "the clients did next to nothing"
        verdict = check(history, VersionedCell())
        assert verdict.ok, verdict.text()
