"""`python -m lictor_catalog`: read the settings, run. `--worker` is for a parent (`lictor_kit.workers`)."""

import os
import sys

from lictor_catalog.app import ROLE, build, build_worker, build_workers
from lictor_catalog.config_dir import read_directory
from lictor_catalog.definition_files import DefinitionError
from lictor_catalog.settings import CatalogSettings
from lictor_kit import load, run
from lictor_kit.workers import descriptor_of


def main() -> None:
    """Run a catalog process."""
    arguments = sys.argv[1:]
    descriptor = descriptor_of(arguments)
    if descriptor is not None:
        settings = load(CatalogSettings, (), os.environ).model_copy(update={"operations_port": 0})
        run(ROLE, settings, lambda context: build_worker(context, settings, descriptor))
    settings = load(CatalogSettings, arguments, os.environ)
    if settings.config_dir is not None:
        try:
            read_directory(settings.config_dir)
        except DefinitionError as error:
            print(f"lictor: {error}", file=sys.stderr)  # noqa: T201  logging is not configured yet
            raise SystemExit(2) from None
    if settings.workers == 1:
        run(ROLE, settings, lambda context: build(context, settings))
    if not settings.catalog_http_port:
        print("lictor: LICTOR_WORKERS needs a port: LICTOR_CATALOG_HTTP_PORT is 0", file=sys.stderr)  # noqa: T201  as above
        raise SystemExit(2)
    run(ROLE, settings, lambda context: build_workers(context, settings))


if __name__ == "__main__":
    main()
