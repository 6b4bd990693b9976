"""Finding and running the load generators."""

import shutil
import subprocess

from benchmarks.load.outcome import LoadError

PACKAGES = {"wrk": "wrk", "dnsperf": "dnsperf"}
"""Program and the Debian package that has it."""

GRACE_S = 30.0
"""Beyond the asked duration: connections that hang until their own time limit, then give up."""


class MissingToolError(Exception):
    """A load generator is not installed; the message names the Debian package."""


def run(program: str, arguments: list[str], seconds: float) -> str:
    """Run a load generator; what it printed.

    Raises:
        MissingToolError: it is not installed.
        LoadError: it failed or did not end.
    """
    path = shutil.which(program)
    if path is None:
        raise MissingToolError(f"{program} is not installed: apt-get install {PACKAGES[program]}")
    try:
        done = subprocess.run(
            [path, *arguments], capture_output=True, text=True, check=False, timeout=seconds + GRACE_S
        )
    except subprocess.TimeoutExpired as error:
        raise LoadError(f"{program} did not end within {seconds + GRACE_S:.0f} s") from error
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines()[-1:]
        raise LoadError(f"{program} ended with {done.returncode}: {' '.join(said)}")
    return done.stdout
