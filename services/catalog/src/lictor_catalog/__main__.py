"""`python -m lictor_catalog`: read the settings, run."""

import os
import sys

from lictor_catalog.app import ROLE, build
from lictor_catalog.config_dir import read_directory
from lictor_catalog.definition_files import DefinitionError
from lictor_catalog.settings import CatalogSettings
from lictor_kit import load, run


def main() -> None:
    """Run a catalog process."""
    settings = load(CatalogSettings, sys.argv[1:], os.environ)
    if settings.config_dir is not None:
        try:
            read_directory(settings.config_dir)
        except DefinitionError as error:
            print(f"lictor: {error}", file=sys.stderr)  # noqa: T201  logging is not configured yet
            raise SystemExit(2) from None
    run(ROLE, settings, lambda context: build(context, settings))


if __name__ == "__main__":
    main()
