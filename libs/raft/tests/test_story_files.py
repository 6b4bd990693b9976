"""Every file of `testdata` is a story: commands against real members, with the output that they must have.

`REWRITE_STORIES=1 pytest libs/raft/tests/test_story_files.py` writes the output anew. What it wrote is then to be read
against the claims in the file: an expectation is a claim, not a recording.
"""

import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # importlib mode leaves a test's neighbours to the test

from story_interpreter import Story

FOLDER = Path(__file__).parent / "testdata"
FILES = sorted(FOLDER.glob("*.txt"))


def played(source: str) -> str:
    """The story with the output that its commands have now; comments, blank lines and commands stay."""
    story, out = Story(), []
    for line in source.splitlines():
        if line.startswith("> "):
            out.append(line)
            out += [f"  {said}" for said in story.run(line[2:])]
        elif not line or line.startswith("#"):
            out.append(line)
    return "\n".join(out) + "\n"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_story_goes_as_it_is_written(path: Path) -> None:
    source = path.read_text()
    now = played(source)
    if os.environ.get("REWRITE_STORIES"):
        path.write_text(now)
    else:
        assert now.splitlines() == source.splitlines()


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_story_says_what_it_guards_and_marks_its_decisive_place(path: Path) -> None:
    source = path.read_text()
    assert source.startswith("# ")
    assert "# claim:" in source


def test_a_deviation_shows() -> None:
    told = played("# a\n> members 1\n> campaign 1\n> stabilize\n")
    assert "apply 2/2 -" in told
    assert played(told.replace("2/2", "2/3")) == told
