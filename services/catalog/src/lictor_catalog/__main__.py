"""`python -m lictor_catalog`: read the settings, run."""

import os
import sys

from lictor_catalog.app import ROLE, build
from lictor_catalog.settings import CatalogSettings
from lictor_kit import load, run


def main() -> None:
    """Run a catalog process."""
    settings = load(CatalogSettings, sys.argv[1:], os.environ)
    run(ROLE, settings, lambda context: build(context, settings))


if __name__ == "__main__":
    main()
