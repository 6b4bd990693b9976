"""`python -m lictor_healthcheck`: read the settings, run."""

import os
import sys

from lictor_healthcheck.app import ROLE, build
from lictor_healthcheck.settings import HealthcheckSettings
from lictor_kit import load, run


def main() -> None:
    """Run a healthcheck process."""
    settings = load(HealthcheckSettings, sys.argv[1:], os.environ)
    run(ROLE, settings, lambda context: build(context, settings))


if __name__ == "__main__":
    main()
