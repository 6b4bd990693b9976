"""Run mypy over each member by itself: equal test module names in two members would stop one run over all."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def main(members: list[str]) -> int:
    """Check every member's sources and tests; the exit code tells whether all are clean."""
    failed = []
    for member in members:
        folders = [str(folder) for folder in (ROOT / member / "src", ROOT / member / "tests") if folder.is_dir()]
        done = subprocess.run(
            [sys.executable, "-m", "mypy", *folders], cwd=ROOT, capture_output=True, text=True, check=False
        )
        if done.returncode:
            failed.append(member)
            print(f"{member}\n{done.stdout}{done.stderr}")
    print(f"mypy: {len(members) - len(failed)} members clean, {len(failed)} not")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
