"""`python -m lictor_dns`: run one dns."""

import os
import sys

from lictor_dns.app import build
from lictor_dns.settings import DnsSettings
from lictor_kit import Context, load, run


def main() -> None:
    """Read the settings and run."""
    settings = load(DnsSettings, sys.argv[1:], os.environ)

    async def start(context: Context) -> None:
        await build(context, settings)

    run("dns", settings, start)


if __name__ == "__main__":
    main()
