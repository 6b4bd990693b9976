"""An earlier build of the suite, checked out beside this one, whose processes run in one cluster with this build's."""

import shutil
import subprocess
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
EARLIER = "409116c"
"""The last build before feature levels were announced: whoever upgrades to this one comes from there."""


def missing():
    """Why the earlier build cannot be had here, or nothing."""
    if shutil.which("git") is None:
        return "no git"
    found = _git("cat-file", "-e", f"{EARLIER}^{{commit}}")
    return "" if found.returncode == 0 else f"this checkout is too shallow to have {EARLIER}"


def _git(*words):
    return subprocess.run(["git", "-C", str(REPOSITORY), *words], capture_output=True, text=True, check=False)


class EarlierBuild:
    """A worktree of the earlier build, removed at the end."""

    def __init__(self, folder):
        self.folder = folder / "earlier"

    def __enter__(self):
        made = _git("worktree", "add", "--detach", "--force", str(self.folder), EARLIER)
        assert made.returncode == 0, made.stderr
        return self

    def __exit__(self, *_error):
        _git("worktree", "remove", "--force", str(self.folder))

    def environment(self):
        """What makes a process run this build: sources named in PYTHONPATH win over installed ones."""
        sources = [str(one) for group in ("libs", "services") for one in sorted(self.folder.glob(f"{group}/*/src"))]
        return {"PYTHONPATH": ":".join(sources)}
