"""Run mypy over each member by itself: equal test module names in two members would stop one run over all.

Sources are checked strictly. Tests are checked inside, but their signatures need no annotations: fixtures and
parameters are named by what they are.
"""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOR_TESTS = ["--allow-untyped-defs", "--allow-incomplete-defs", "--allow-untyped-calls", "--allow-untyped-decorators"]


def check(member: str) -> str:
    """What mypy finds in one member, empty when it is clean."""
    found = ""
    for folder, options in (("src", []), ("tests", FOR_TESTS)):
        path = ROOT / member / folder
        if any(path.rglob("*.py")):
            command = [sys.executable, "-m", "mypy", *options, str(path.relative_to(ROOT))]
            done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
            found += done.stdout + done.stderr if done.returncode else ""
    return found


def main(members: list[str]) -> int:
    """Check every member; the exit code tells whether all are clean."""
    failed = 0
    for member in members:
        found = check(member)
        failed += bool(found)
        if found:
            print(f"{member}\n{found}")
    print(f"mypy: {len(members) - failed} members clean, {failed} not")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
