"""Reading along in the log: levels, bounds, threads, and the process's own output left as it was."""

import asyncio
import io
import json
import threading
from collections.abc import Iterator

import pytest
import structlog

from lictor_kit import logs
from lictor_kit.log_taps import LINES_MAX, NUMBERS, TAPS, LogTap


@pytest.fixture
def out() -> Iterator[io.StringIO]:
    written = io.StringIO()
    logs.configure("catalog", "node-1", "info", stream=written)
    yield written
    structlog.reset_defaults()


def test_a_tap_sees_its_level_and_above_and_the_output_stays_at_its_own(out: io.StringIO) -> None:
    async def told() -> None:
        log = structlog.get_logger()
        async with LogTap(TAPS, NUMBERS["debug"]) as low, LogTap(TAPS, NUMBERS["warning"]) as high:
            log.debug("small", index=1)
            log.warning("large")
            assert [(await low.next())["event"] for _ in range(2)] == ["small", "large"]
            event = await high.next()
            assert (event["event"], event["level"], event["service"], event["node"]) == (
                "large",
                "warning",
                "catalog",
                "node-1",
            )
        log.debug("nobody hears it")
        assert [json.loads(line)["event"] for line in out.getvalue().splitlines()] == ["large"]

    asyncio.run(told())


def test_below_the_own_level_nothing_is_made_while_no_tap_is_open(out: io.StringIO) -> None:
    async def told() -> None:
        async with LogTap(TAPS, NUMBERS["debug"]):
            pass
        assert structlog.get_logger().bind().is_enabled_for(NUMBERS["debug"]) is False
        assert structlog.get_logger().bind().is_enabled_for(NUMBERS["info"]) is True

    asyncio.run(told())


def test_a_slow_reader_loses_the_newest_and_is_told_how_many(out: io.StringIO) -> None:
    async def told() -> None:
        async with LogTap(TAPS, NUMBERS["info"]) as tap:
            for number in range(LINES_MAX + 7):
                structlog.get_logger().info("line", number=number)
            assert tap.dropped == 7
            assert [(await tap.next())["number"] for _ in range(LINES_MAX)] == list(range(LINES_MAX))

    asyncio.run(told())


def test_a_waiting_reader_is_woken_from_another_thread_with_the_traceback_in_text(out: io.StringIO) -> None:
    def fail() -> None:
        try:
            int("bad")
        except ValueError:
            structlog.get_logger().exception("it failed")

    async def told() -> None:
        async with LogTap(TAPS, NUMBERS["info"]) as tap:
            reading = asyncio.create_task(tap.next())
            await asyncio.sleep(0)
            thread = threading.Thread(target=fail)
            thread.start()
            event = await asyncio.wait_for(reading, 5)
            thread.join()
            assert "invalid literal" in event["exception"]

    asyncio.run(told())


def test_a_traceback_on_a_terminal_shows_no_local_variables() -> None:
    written = io.StringIO()
    logs.configure("catalog", "node-1", log_format="console", stream=written)
    token = "s3cr3t-" + "token"
    try:
        int(token[:0])
    except ValueError:
        structlog.get_logger().exception("it failed")
    structlog.reset_defaults()
    assert "ValueError" in written.getvalue()
    assert "s3cr3t" not in written.getvalue()
