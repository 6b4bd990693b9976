"""What `dig` and `kdig` print when they ask Lictor: transcripts that a reader can follow and a test repeats.

A transcript is a file of commands, each behind `$ `, with what was printed below it. What differs from run to run is
left out or written as a word: ids, times, cookies, the SOA's serial; records of one list stand sorted, for answers take
turns. Run as a script it records them anew (read them before you commit them): `python tests/clients/dig_transcripts.py`.
"""

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

FOLDER = Path(__file__).parent / "transcripts"
PORT = "8600"
NODES = {
    "north": ("10.40.0.1", {"rack": "r1"}),
    "south": ("10.40.0.2", {}),
    "six": ("fd00:40::3", {}),
}
INSTANCES = (
    ("north", "shop-1", {"Service": "shop", "Port": 8081, "Tags": ["blue"]}, "passing"),
    ("south", "shop-2", {"Service": "shop", "Port": 8082, "Address": "10.41.0.2", "Weights": {"Passing": 5, "Warning": 1}}, "passing"),
    ("south", "shop-3", {"Service": "shop", "Port": 8083, "Address": "10.41.0.3"}, "critical"),
    ("six", "six-1", {"Service": "sixth", "Port": 443}, "passing"),
    ("north", "alias-1", {"Service": "alias", "Port": 80, "Address": "shop.service.consul"}, "passing"),
)  # fmt: skip

_LEFT_OUT = re.compile(
    r"^; <<>> DiG|^; \(1 server|^;; (?:global options|Query time|WHEN|SERVER|MSG SIZE|From|Received|Time)"
)
_WORDS = (
    (re.compile(r"\bid: \d+"), "id: N"),
    (re.compile(r"COOKIE: [0-9A-Fa-f]+"), "COOKIE: C"),
    (re.compile(r"(\tSOA\tns\.\S+ \S+) \d+"), r"\1 SERIAL"),
)


def fill(suite):
    """Register what the transcripts ask for; returns once it is there."""
    for node, (address, meta) in NODES.items():
        assert suite.put("/v1/catalog/register", {"Node": node, "Address": address, "NodeMeta": meta}).status == 200
    for node, service_id, service, status in INSTANCES:
        check = {"CheckID": service_id, "Name": "c", "Status": status, "ServiceID": service_id}
        body = {"Node": node, "SkipNodeUpdate": True, "Service": {"ID": service_id, **service}, "Check": check}
        assert suite.put("/v1/catalog/register", body).status == 200


def empty(suite):
    """Take it back."""
    for node in NODES:
        suite.put("/v1/catalog/deregister", {"Node": node})


def commands(path):
    """The commands of a transcript, each with what it printed."""
    found = []
    for line in path.read_text().splitlines():
        if line.startswith("$ "):
            found.append((line.removeprefix("$ "), []))
        else:
            found[-1][1].append(line)
    return [(command, "\n".join(lines).strip()) for command, lines in found]


def run(command, port):
    """What a command prints when Lictor listens at `port`, in the words of the transcripts."""
    program, *arguments = command.split()
    asked = [str(port) if one == PORT else one for one in arguments]
    done = subprocess.run([program, *asked], capture_output=True, text=True, timeout=20, check=False)
    return normal(done.stdout + done.stderr)


def normal(text):
    """A printed answer without what differs from run to run."""
    lines, records = [], []
    for line in text.splitlines():
        if _LEFT_OUT.search(line):
            continue
        spaced = re.sub(r"[ \t]*\t[ \t]*|(?<=\S) {2,}(?=\S)", "\t", line) if not line.startswith(";;") else line
        for pattern, word in _WORDS:
            spaced = pattern.sub(word, spaced)
        if spaced and not spaced.startswith(";"):
            records.append(spaced)
            continue
        lines += [*sorted(records), spaced]
        records = []
    return re.sub(r"\n{3,}", "\n\n", "\n".join([*lines, *sorted(records)])).strip()


def record():
    """Ask everything anew of a suite of its own, and write what it printed."""
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
    from tests.running_suite import Suite, wait_until  # noqa: PLC0415  a script finds it only now

    with tempfile.TemporaryDirectory() as folder:
        suite = Suite(Path(folder), demo=False)
        try:
            suite.start()
            fill(suite)
            last = f"dig +short @127.0.0.1 -p {PORT} alias.service.consul"
            wait_until(lambda: "10.4" in run(last, suite.port(8600)), 5, "all that is registered")
            for path in sorted(FOLDER.glob("*.txt")):
                if shutil.which(path.stem):
                    told = [f"$ {command}\n{run(command, suite.port(8600))}\n" for command, _ in commands(path)]
                    path.write_text("\n".join(told))
        finally:
            suite.stop()


if __name__ == "__main__":
    record()
