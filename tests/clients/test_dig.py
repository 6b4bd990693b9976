"""`dig` and `kdig` print what the transcripts say."""

import shutil

import dns.message
import dns.query
import pytest

from tests.clients import dig_transcripts
from tests.clients.dig_transcripts import FOLDER, PORT
from tests.running_suite import wait_until

pytestmark = pytest.mark.clients
ASKED = [
    pytest.param(
        command, printed, marks=pytest.mark.skipif(not shutil.which(path.stem), reason=f"no {path.stem}"), id=command
    )
    for path in sorted(FOLDER.glob("*.txt"))
    for command, printed in dig_transcripts.commands(path)
]


@pytest.fixture(scope="module")
def filled(suite):
    dig_transcripts.fill(suite)
    query = dns.message.make_query("alias.service.consul.", "A")
    wait_until(lambda: dns.query.udp(query, "127.0.0.1", timeout=5, port=suite.port(8600)).answer, 5, "what came last")
    yield suite
    dig_transcripts.empty(suite)


@pytest.mark.parametrize(("command", "printed"), ASKED)
def test_a_command_prints_what_its_transcript_says(filled, command, printed):
    assert f"-p {PORT} " in command
    found = dig_transcripts.run(command, filled.port(8600))
    assert found.splitlines() == printed.splitlines()
