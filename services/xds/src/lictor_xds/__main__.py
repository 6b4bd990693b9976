"""`python -m lictor_xds`: read the settings, run."""

import os
import sys

from lictor_kit import load, run
from lictor_xds.app import ROLE, build
from lictor_xds.settings import XdsSettings


def main() -> None:
    """Run an xds process."""
    settings = load(XdsSettings, sys.argv[1:], os.environ)
    run(ROLE, settings, lambda context: build(context, settings))


if __name__ == "__main__":
    main()
