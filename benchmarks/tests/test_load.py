"""What the load generators print, and what is made of it."""

import json
import re
import socket
import threading
import time

import dns.message as dns_message
import pytest

from benchmarks.load import LoadError, MissingToolError, changes, dnsperf, tools, wrk

NO_ERRORS = {"connect": 0, "read": 0, "write": 0, "status": 0, "timeout": 0}
DNSPERF = """DNS Performance Testing Tool
[Status] Testing complete (time limit)

Statistics:

  Queries sent:         {sent}
  Queries completed:    {completed} (100.00%)
  Queries lost:         {lost} (0.00%)

  Response codes:       {codes}
  Average packet size:  request 36, response 54
  Run time (s):         1.004621
  Queries per second:   18155.105259

  Average Latency (s):  0.005109 (min 0.000044, max 0.034544)
  Latency StdDev (s):   0.003528
"""


def printed_by_wrk(errors: dict[str, int], requests: int = 5000) -> str:
    told = {"requests": requests, "duration_us": 2_000_000, "p50_us": 12_500, "p99_us": 40_000, "errors": errors}
    return f"Running 2s test @ http://127.0.0.1:8500\n  Requests/sec:   2500.00\nRESULT {json.dumps(told)}\n"


def printed_by_dnsperf(codes: str = "NOERROR 18239 (100.00%)", lost: int = 0) -> str:
    return DNSPERF.format(sent=18239, completed=18239 - lost, lost=lost, codes=codes)


def test_the_rate_of_wrk_is_requests_through_the_measured_time() -> None:
    found = wrk.parse(printed_by_wrk(NO_ERRORS))
    assert (found.per_second, found.completed, found.void) == (2500.0, 5000, "")
    assert found.latency_ms == {"p50": 12.5, "p99": 40.0}


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("status", "3 answers were not 2xx"),
        ("connect", "3 socket errors (connect)"),
        ("timeout", "3 socket errors (timeout)"),
    ],
)
def test_any_error_makes_a_run_of_wrk_void(kind: str, reason: str) -> None:
    assert wrk.parse(printed_by_wrk({**NO_ERRORS, kind: 3})).void == reason


def test_a_run_of_wrk_without_an_answer_is_void() -> None:
    assert wrk.parse(printed_by_wrk(NO_ERRORS, requests=0)).void == "no request was answered"


def test_wrk_without_a_result_line_is_an_error_that_shows_what_came() -> None:
    with pytest.raises(LoadError, match="unable to connect"):
        wrk.parse("unable to connect to 127.0.0.1:1 Connection refused\n")


def test_dnsperf_tells_rate_and_latency() -> None:
    found = dnsperf.parse(printed_by_dnsperf())
    assert (found.per_second, found.completed, found.void) == (18155.105259, 18239, "")
    assert found.latency_ms == pytest.approx({"mean": 5.109, "max": 34.544})


def test_another_code_than_noerror_makes_a_run_of_dnsperf_void() -> None:
    found = dnsperf.parse(printed_by_dnsperf("NOERROR 16863 (92.46%), NXDOMAIN 1376 (7.54%)"))
    assert found.void == "answers were not NOERROR: NXDOMAIN 1376 (7.54%)"


@pytest.mark.parametrize(("lost", "void"), [(18, ""), (19, "19 of 18239 questions were lost")])
def test_one_lost_question_in_a_thousand_is_allowed(lost: int, void: str) -> None:
    assert dnsperf.parse(printed_by_dnsperf(lost=lost)).void == void


def test_dnsperf_without_statistics_is_an_error() -> None:
    with pytest.raises(LoadError, match="no statistics"):
        dnsperf.parse("Error: unable to open\n")


def test_a_missing_load_generator_names_its_debian_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(MissingToolError, match="apt-get install dnsperf"):
        tools.run("dnsperf", [], 1)


def test_dnsperf_tells_the_time_of_every_answer() -> None:
    printed = """[Status] Sending queries (to 127.0.0.1:10000)
> NOERROR web.service.consul A 0.001221
> NXDOMAIN web.service.consul A 0.000396
> T 12
[Timeout] Query timed out: msg id 5
> NOERROR web.service.consul A 0.004078
"""
    assert dnsperf.times_of(printed) == [0.000396, 0.001221, 0.004078]


@pytest.mark.parametrize(("hides", "void"), [(0, ""), (3, "3 of 40 registrations were not answered over DNS")])
def test_a_registration_is_timed_until_the_first_answer_that_has_it(
    monkeypatch: pytest.MonkeyPatch, hides: int, void: str
) -> None:
    monkeypatch.setattr(changes, "LATE_S", 0.3)
    known: dict[bytes, float] = {}
    with socket.create_server(("127.0.0.1", 0)) as http, socket.socket(type=socket.SOCK_DGRAM) as dns:
        dns.bind(("127.0.0.1", 0))

        def register() -> None:
            for _ in range(changes.CONNECTIONS):
                threading.Thread(target=acknowledge, args=(http.accept()[0],), daemon=True).start()

        def acknowledge(connection: socket.socket) -> None:
            with connection:
                while data := connection.recv(65_536):
                    for body in re.findall(rb'"Service": "(s-\d+)"', data):
                        known[body] = time.monotonic() + 0.01
                    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ntrue" * data.count(b"PUT "))

        def answer() -> None:
            while (asked := dns.recvfrom(512))[0]:
                query, peer = asked
                name = query[13 : 13 + query[12]]
                there = known.get(name, float("inf")) < time.monotonic() and int(name[2:]) >= hides
                dns.sendto(query[:6] + (b"\0\1" if there else b"\0\0") + query[8:], peer)

        threads = [threading.Thread(target=work, daemon=True) for work in (register, answer)]
        for thread in threads:
            thread.start()
        found = changes.load(
            http.getsockname(), dns.getsockname(), 200, 0.2, lambda number: (f"s-{number}", {"Service": f"s-{number}"})
        )
        dns.sendto(b"", dns.getsockname())
        for thread in threads:
            thread.join(5)
    assert found.void == void
    assert found.completed == 40 - hides
    assert found.latency_ms["p50"] >= 10


def test_a_question_is_what_another_reader_understands() -> None:
    asked = dns_message.from_wire(changes.question(7, "web.service.consul"))
    assert (asked.id, str(asked.question[0])) == (7, "web.service.consul. IN A")
