"""`lictor snapshot`, against a small server that keeps what it is sent."""

import http.server
import threading

import pytest
from typer.testing import CliRunner

from lictor_cli.main import app
from lictor_state import Envelope, Store, apply, apply_noop, dump_stream
from lictor_state.archive_file import about, state_file, write
from lictor_state.commands import KVSet


def archive():
    store = Store("cluster")
    apply_noop(store, 1)
    for number in range(20):
        apply(store, number + 2, Envelope(0, 0, 0, KVSet(f"k{number}", b"v" * 100)))
    header, *rest = dump_stream(store, "all")
    state = b"".join(state_file([header, *rest]))
    return b"".join(write(about(header, len(state)), [state]))


class Catalog:
    """Serves `saved`, keeps `restored`."""

    def __init__(self):
        self.saved = archive()
        self.restored = b""
        self.refusal = ""
        self.address = ""


@pytest.fixture
def catalog():
    kept = Catalog()

    class Handler(http.server.BaseHTTPRequestHandler):
        def answer(self, status, body):
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_GET(self):
            self.answer(500 if kept.refusal else 200, kept.refusal.encode() or kept.saved)

        def do_PUT(self):
            kept.restored = self.rfile.read(int(self.headers["Content-Length"]))
            self.answer(400 if kept.refusal else 200, kept.refusal.encode())

        def log_message(self, *_):
            return

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    kept.address = f"127.0.0.1:{server.server_address[1]}"
    yield kept
    server.shutdown()
    server.server_close()
    thread.join()


def run(*arguments):
    return CliRunner().invoke(app, ["snapshot", *map(str, arguments)])


def test_what_is_saved_can_be_inspected_and_restored(catalog, tmp_path):
    file = tmp_path / "backup.tgz"
    done = run("save", file, "--http-addr", catalog.address)
    assert done.exit_code == 0, done.output
    assert done.output.startswith("saved index 21, ")
    assert [one.name for one in tmp_path.iterdir()] == ["backup.tgz"]
    assert file.stat().st_mode & 0o777 == 0o600
    shown = run("inspect", file).output
    assert "index 21, epoch 1, level " in shown
    assert "of cluster cluster" in shown
    assert "kv" in shown
    done = run("restore", file, "--http-addr", catalog.address)
    assert done.exit_code == 0, done.output
    assert catalog.restored == file.read_bytes() == catalog.saved


def test_a_save_that_fails_leaves_the_last_one_and_nothing_else(catalog, tmp_path):
    file = tmp_path / "backup.tgz"
    run("save", file, "--http-addr", catalog.address)
    before = file.read_bytes()
    catalog.saved = catalog.saved[:-20]
    done = run("save", file, "--http-addr", catalog.address)
    assert done.exit_code == 1
    assert "cut off" in done.output
    catalog.refusal = "No cluster leader"
    done = run("save", file, "--http-addr", catalog.address)
    assert "No cluster leader" in done.output
    assert [one.read_bytes() for one in tmp_path.iterdir()] == [before]


def test_what_is_not_sound_is_not_sent(catalog, tmp_path):
    file = tmp_path / "damaged.tgz"
    file.write_bytes(catalog.saved[:-20])
    for order in (("inspect", file), ("restore", file, "--http-addr", catalog.address)):
        done = run(*order)
        assert done.exit_code == 1
        assert "cut off" in done.output
    assert catalog.restored == b""
    assert run("inspect", tmp_path / "none").exit_code == 1


def test_a_refusal_is_told(catalog, tmp_path):
    file = tmp_path / "backup.tgz"
    file.write_bytes(catalog.saved)
    catalog.refusal = "snapshot refused: no"
    done = run("restore", file, "--http-addr", catalog.address)
    assert done.exit_code == 1
    assert "snapshot refused: no" in done.output
    assert run("save", tmp_path / "x" / "y", "--http-addr", "127.0.0.1:1").exit_code == 1
