"""Write requirements.lock and one requirements-<role>.lock per service from the members' own pyproject files.

The members name what they import; this script joins those names along the members' dependencies on each other and
hands the third-party rest to `uv pip compile`. Every role's lock is compiled with the whole lock as constraint, so an
image runs the versions that the tests ran. No index address is written: hashes identify the files.
"""

import pathlib
import subprocess
import sys
import tempfile
import tomllib

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILD = ["hatchling", "editables"]
COMPILE = [
    sys.executable,
    "-m",
    "uv",
    "pip",
    "compile",
    "--universal",
    "--python-version",
    "3.11",
    "--generate-hashes",
    "--no-header",
    "--no-annotate",
]


def members() -> dict[str, tuple[pathlib.Path, list[str]]]:
    """Every member by distribution name: its folder and its direct dependencies."""
    found = {}
    for path in sorted(
        [
            *ROOT.glob("libs/*/pyproject.toml"),
            *ROOT.glob("services/*/pyproject.toml"),
            ROOT / "cli/pyproject.toml",
            ROOT / "sim/pyproject.toml",
        ]
    ):
        if path.exists():
            project = tomllib.loads(path.read_text())["project"]
            found[project["name"]] = (path.parent, project["dependencies"])
    return found


def third_party(name: str, every: dict[str, tuple[pathlib.Path, list[str]]], seen: set[str]) -> set[str]:
    """The third-party requirements of a member and of the members below it."""
    if name in seen:
        return set()
    seen.add(name)
    needed: set[str] = set()
    for dependency in every[name][1]:
        needed |= third_party(dependency, every, seen) if dependency in every else {dependency}
    return needed


def compile_lock(requirements: set[str], target: pathlib.Path, constraint: pathlib.Path | None) -> None:
    """Resolve `requirements` into `target`, held to `constraint` where one is given."""
    with tempfile.NamedTemporaryFile("w", suffix=".in") as source:
        source.write("\n".join(sorted(requirements)) + "\n")
        source.flush()
        command = [*COMPILE, source.name, "--output-file", str(target)]
        if constraint:
            command += ["--constraint", str(constraint)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def main() -> None:
    """Write every lock file at the root of the repository."""
    every = members()
    development = {line for line in (ROOT / "requirements/dev.in").read_text().splitlines() if line and line[0] != "#"}
    whole = development | set(BUILD)
    for name in every:
        whole |= third_party(name, every, set())
    lock = ROOT / "requirements.lock"
    compile_lock(whole, lock, None)
    for name, (folder, _) in every.items():
        if folder.parent.name == "services" or folder.name == "cli":
            role = folder.name
            compile_lock(third_party(name, every, set()) | set(BUILD), ROOT / f"requirements-{role}.lock", lock)
            print(f"requirements-{role}.lock", file=sys.stderr)


if __name__ == "__main__":
    main()
