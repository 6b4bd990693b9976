"""docs/contract.md: every promise names tests, and every test that it names is there."""

import re

ROW = re.compile(r"^\| (\d+) \| (.+) \| (.+) \|$", re.MULTILINE)
TEST = re.compile(r"`(test_\w+)`")
DEFINED = re.compile(r"^\s*(?:async )?def (test_\w+)\(", re.MULTILINE)


def test_every_promise_to_clients_names_tests_that_are_there(root):
    rows = ROW.findall((root / "docs/contract.md").read_text())
    assert [int(number) for number, _, _ in rows] == list(range(1, len(rows) + 1))
    folders = ("libs/*/tests", "services/*/tests", "tests/*")
    files = [path for folder in folders for path in root.glob(f"{folder}/test_*.py")]
    there = {name for path in files for name in DEFINED.findall(path.read_text())}
    for number, promise, named in rows:
        tests = TEST.findall(named)
        assert tests, f"{number} has no test: {promise}"
        assert not set(tests) - there, f"{number}: {sorted(set(tests) - there)}"
