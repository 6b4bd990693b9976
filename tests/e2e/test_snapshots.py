"""A backup is saved, restored under writes, and is what every process and every restart sees."""

import subprocess
import threading

import pytest

pytestmark = pytest.mark.e2e


def test_a_restored_state_is_seen_by_all_and_survives_kill_9_of_everything(own_suite, wait_until, tmp_path):
    suite = own_suite().start()
    address = suite.http.removeprefix("http://")
    file = str(tmp_path / "backup.tgz")
    for number in range(200):
        suite.put(f"/v1/kv/old/{number}", b"x" * 1000)
    assert suite.put("/v1/agent/service/register", {"ID": "web-1", "Name": "web", "Port": 8080}).status == 200
    wait_until(lambda: suite.put("/v1/session/create").status == 200, 20, "every store knows sessions")
    session = suite.put("/v1/session/create").json()["ID"]
    assert suite.put(f"/v1/kv/lock?acquire={session}", b"me").text.strip() == "true"
    assert suite.lictor("snapshot", "save", file, "--http-addr", address).startswith("saved index")

    for number in range(50):
        suite.put(f"/v1/kv/new/{number}", b"1")
    suite.put("/v1/agent/service/deregister/web-1")
    suite.put("/v1/kv/old/0", b"changed")
    seen = int(suite.get("/v1/kv/old/0").headers["x-consul-index"])
    answers = []
    waiting = threading.Thread(
        target=lambda: answers.append(suite.get(f"/v1/kv/old/0?index={seen}&wait=60s", timeout_s=60))
    )
    waiting.start()
    suite.lictor("snapshot", "restore", file, "--http-addr", address)
    waiting.join(10)
    assert len(answers) == 1, "the waiter slept on"
    assert int(answers[0].headers["x-consul-index"]) > seen

    def restored():
        return (
            suite.get("/v1/kv/new/?keys").status == 404
            and len(suite.get("/v1/kv/old/?keys").json()) == 200
            and suite.get("/v1/kv/lock").json()[0]["Session"] == session
            and [one["ServiceID"] for one in suite.get("/v1/catalog/service/web").json()] == ["web-1"]
        )

    assert restored()
    assert suite.put("/v1/kv/after", b"1").text.strip() == "true"
    stores = [name for name in suite.pids() if name.startswith("raft-store")]
    suite.kill(*stores)
    wait_until(lambda: suite.get("/v1/kv/after").status == 200, 20, "the stores are back")
    assert restored()
    assert "epoch 2" in suite.lictor("store", "--http-addr", address)


def test_a_damaged_backup_is_refused_before_anything_changes(own_suite, tmp_path):
    suite = own_suite("--servers", "1").start()
    suite.put("/v1/kv/a", b"1")
    file = tmp_path / "backup.tgz"
    suite.lictor("snapshot", "save", str(file), "--http-addr", suite.http)
    file.write_bytes(file.read_bytes()[:-30])
    with pytest.raises(subprocess.CalledProcessError):
        suite.lictor("snapshot", "restore", str(file), "--http-addr", suite.http)
    assert suite.put("/v1/snapshot", file.read_bytes()).text == "snapshot refused: the archive is cut off"
    assert suite.get("/v1/kv/a").status == 200
