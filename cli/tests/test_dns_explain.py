"""`lictor dns explain`: every instance in one line, those in the answer first, each with its reason."""

import io

from rich.console import Console

from lictor_cli.dns_explain import path, show

FOUND = {
    "Name": "web.service.consul",
    "Type": "A",
    "Meaning": "instances of the service 'web'",
    "Rcode": "NOERROR",
    "Answers": 1,
    "Reason": "1 of 3 instances have a record",
    "Notes": ["every answer has at most 1 of the 2 records; they take turns"],
    "Instances": [
        {"Status": "in turns", "Reason": "", "Detail": "", "Record": "10.0.0.1", "Node": "n1", "Address": "10.1.0.1",
         "ServiceID": "web-1", "ServiceAddress": "10.0.0.1", "ServicePort": 80},
        {"Status": "out", "Reason": "check-critical", "Detail": "its check 'c' is critical", "Record": "", "Node": "n2",
         "Address": "10.1.0.2", "ServiceID": "web-2", "ServiceAddress": "", "ServicePort": 81,
         "Check": {"CheckID": "c", "Status": "critical", "Output": "[red]refused[/red]\n  " + "x" * 300}},
        {"Status": "out", "Reason": "family", "Detail": "its address fd00::1 is no A", "Record": "", "Node": "n3",
         "Address": "fd00::1", "ServiceID": "web-3"},
    ],
}  # fmt: skip


def shown(**changed):
    text = io.StringIO()
    show({**FOUND, **changed}, Console(file=text, width=500))
    return [line.rstrip() for line in text.getvalue().splitlines()]


def test_the_answer_comes_first_and_then_every_instance_with_its_reason():
    lines = shown()
    assert lines[0] == "web.service.consul A asks for instances of the service 'web'."
    assert lines[1] == "Answer: NOERROR, 1 record: 1 of 3 instances have a record."
    assert lines[2] == "Note: every answer has at most 1 of the 2 records; they take turns."
    assert lines[5].split() == ["in", "turns", "n1", "web-1", "10.0.0.1", "port", "80", "10.0.0.1"]
    # A check's output is shown as it is, in one line and not in full.
    assert "10.1.0.2 port 81" in lines[6]
    assert "its check 'c' is critical: [red]refused[/red] xxx" in lines[6]
    assert lines[6].endswith("x…")
    assert len(lines[6]) < 320
    assert lines[7].endswith("fd00::1 is no A")


def test_a_name_with_nothing_says_so_without_a_table():
    assert shown(Instances=[], Answers=0, Rcode="NXDOMAIN", Reason="no service is called 'web'", Notes=[])[1:] == [
        "Answer: NXDOMAIN, no records: no service is called 'web'."
    ]


def test_what_is_asked_for_is_the_users_words():
    assert path("a b.consul", "SRV", only_passing=False, domain="") == (
        "/v1/internal/dns/explain?name=a+b.consul&type=SRV&only-passing=false"
    )
    assert path("w", "A", only_passing=True, domain="x.y").endswith("&domain=x.y")
