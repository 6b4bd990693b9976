"""A row begins when both systems are at rest, or says that one was not."""

import subprocess
import sys
import time

from benchmarks.quiet import wait_until_quiet


class Worked:
    """A system of one process that works for so long."""

    name = "worked"

    def __init__(self, seconds: float) -> None:
        work = f"import time\nwhile time.process_time() < {seconds}: pass\ntime.sleep(60)"
        self.process = subprocess.Popen([sys.executable, "-c", work])

    def processes(self) -> dict[str, int]:
        return {"one": self.process.pid}

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()


def test_a_row_waits_for_a_system_that_still_works() -> None:
    said: list[str] = []
    system, began = Worked(1.2), time.monotonic()
    try:
        assert wait_until_quiet([system], said.append, limit_s=60)
        assert time.monotonic() - began > 1.2
    finally:
        system.stop()
    assert said == []


def test_one_that_works_on_is_named_and_the_row_goes_on() -> None:
    said: list[str] = []
    system = Worked(60)
    try:
        assert not wait_until_quiet([system], said.append, limit_s=2)
    finally:
        system.stop()
    assert len(said) == 1
    assert said[0].startswith("not at rest after 2 s: worked uses")
