"""Readiness, backoff, metrics and logs: each alone."""

import gc
import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog
from prometheus_client import generate_latest

from lictor_kit import logs
from lictor_kit.backoff import Backoff
from lictor_kit.garbage import GARBAGE_THRESHOLD, give_back, spare_the_collector
from lictor_kit.metrics import Metrics
from lictor_kit.readiness import Readiness


@pytest.fixture(autouse=True)
def _restored_logging() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    yield
    structlog.reset_defaults()
    root.handlers, root.level = handlers, level


def test_a_process_without_conditions_is_ready() -> None:
    assert json.loads(Readiness().json()) == {"ready": True, "waiting": {}, "notes": {}}


def test_readiness_says_what_is_missing_until_every_condition_holds() -> None:
    changes: list[bool] = []
    readiness = Readiness(on_change=changes.append)
    readiness.set("view", ok=False, reason="no member answered yet")
    readiness.set("bus", ok=False, reason="NATS is not reachable")
    readiness.set("bus", ok=True)
    assert json.loads(readiness.json()) == {
        "ready": False,
        "waiting": {"view": "no member answered yet"},
        "notes": {},
    }
    readiness.set("view", ok=True)
    assert readiness.ready
    assert changes == [False, True]


def test_a_note_shows_and_leaves_readiness_alone() -> None:
    readiness = Readiness()
    readiness.note("view", "started from a view 40 s old")
    assert json.loads(readiness.json()) == {
        "ready": True,
        "waiting": {},
        "notes": {"view": "started from a view 40 s old"},
    }
    readiness.note("view", "")
    assert json.loads(readiness.json())["notes"] == {}


def test_a_missing_condition_needs_a_reason() -> None:
    with pytest.raises(AssertionError, match="view"):
        Readiness().set("view", ok=False)


@pytest.mark.parametrize(
    ("dice", "delays"), [(0.0, [0.5, 1.0, 2.0, 4.0, 5.0, 5.0]), (0.5, [0.75, 1.5, 3.0, 6.0, 7.5, 7.5])]
)
def test_delays_double_up_to_the_limit_and_never_fall_below_half_a_step(dice: float, delays: list[float]) -> None:
    backoff = Backoff(1.0, 10.0, lambda: dice)
    assert [next(backoff) for _ in delays] == delays
    backoff.reset()
    assert next(backoff) == delays[0]


def test_a_backoff_without_room_is_refused() -> None:
    with pytest.raises(ValueError, match="max_s"):
        Backoff(2.0, 1.0, lambda: 0.0)


def test_metrics_carry_the_service_in_their_name() -> None:
    metrics = Metrics("raft-store")
    metrics.counter("entries_applied_total", "Entries applied.", ("table",)).labels("kv").inc(3)
    metrics.gauge("view_index", "Newest index.").set(7)
    metrics.histogram("sync_seconds", "Time of one sync.").observe(0.002)
    text = generate_latest(metrics.registry).decode()
    assert 'lictor_raft_store_entries_applied_total{table="kv"} 3.0' in text
    assert "lictor_raft_store_view_index 7.0" in text
    assert "lictor_raft_store_sync_seconds_count 1.0" in text


@pytest.mark.parametrize("name", ["latency", "latency_ms", "Sync_seconds", "_seconds"])
def test_a_metric_without_a_known_unit_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="unit"):
        Metrics("dns").gauge(name, "x")


def test_a_counter_must_end_in_total() -> None:
    with pytest.raises(ValueError, match="_total"):
        Metrics("dns").counter("answers_count", "x")


def test_an_event_is_one_line_of_json_with_service_and_node() -> None:
    out = io.StringIO()
    logs.configure("dns", "node-1", "info", stream=out)
    structlog.get_logger().info("view complete", index=42)
    structlog.get_logger().debug("not written")
    (line,) = out.getvalue().splitlines()
    event = json.loads(line)
    assert event.pop("time").endswith("Z")
    assert event == {"event": "view complete", "level": "info", "service": "dns", "node": "node-1", "index": 42}


def test_a_traceback_stays_on_its_event_s_line() -> None:
    out = io.StringIO()
    logs.configure("dns", "node-1", stream=out)
    try:
        int("bad label")
    except ValueError:
        structlog.get_logger().exception("answer failed")
    (line,) = out.getvalue().splitlines()
    assert "ValueError: invalid literal" in json.loads(line)["exception"]


def test_libraries_are_heard_from_warning_upwards() -> None:
    out = io.StringIO()
    logs.configure("dns", "node-1", "debug", stream=out)
    logging.getLogger("vendor").info("chatter")
    logging.getLogger("vendor").warning("slow %s", "consumer")
    (line,) = out.getvalue().splitlines()
    event = json.loads(line)
    assert (event["event"], event["logger"], event["level"]) == ("slow consumer", "vendor", "warning")


def test_the_console_format_is_for_people() -> None:
    out = io.StringIO()
    logs.configure("dns", "node-1", log_format="console", stream=out)
    structlog.get_logger().info("view complete", index=42)
    assert "view complete" in out.getvalue()
    assert not out.getvalue().startswith("{")


def test_what_lives_at_the_start_is_left_alone_until_it_is_given_back():
    thresholds = gc.get_threshold()
    try:
        spare_the_collector()
        assert gc.get_freeze_count() > 1000
        assert gc.get_threshold()[0] == GARBAGE_THRESHOLD
        give_back()
        assert gc.get_freeze_count() == 0
    finally:
        gc.unfreeze()
        gc.set_threshold(*thresholds)


def test_a_tally_shows_what_a_counter_and_a_histogram_of_prometheus_client_show():
    ours, theirs = Metrics("catalog"), Metrics("catalog")
    tally = ours.tally("requests_total", "request_seconds", ("Requests", "Time"), ("route", "status"))
    counter = theirs.counter("requests_total", "Requests", ("route", "status"))
    histogram = theirs.histogram("request_seconds", "Time", ("route",))
    events = [("/a", "200", 0.00005), ("/a", "200", 0.0001), ("/a", "404", 0.3), ("/b", "200", 11.0), ("/b", "200", 1)]
    for route, status, seconds in events:
        tally.add((route, status), seconds)
        counter.labels(route, status).inc()
        histogram.labels(route).observe(seconds)
    shown = [
        sorted(
            line for line in generate_latest(metrics.registry).decode().splitlines() if "_created" not in line and line
        )
        for metrics in (ours, theirs)
    ]
    assert shown[0] == shown[1]
    assert any('le="+Inf",route="/a"} 3.0' in line or 'route="/a",le="+Inf"} 3.0' in line for line in shown[0])


def test_a_tally_keeps_the_rule_of_names():
    with pytest.raises(ValueError, match="must end in _total"):
        Metrics("catalog").tally("requests", "request_seconds", ("a", "b"), ("route",))
