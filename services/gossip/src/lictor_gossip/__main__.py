"""`python -m lictor_gossip`: run one gossip."""

import os
import sys

from lictor_gossip.app import build
from lictor_gossip.settings import GossipSettings
from lictor_kit.service import Context, run
from lictor_kit.settings import load


def main() -> None:
    """Read the settings and run."""
    settings = load(GossipSettings, sys.argv[1:], os.environ)

    async def start(context: Context) -> None:
        await build(context, settings)

    run("gossip", settings, start)


if __name__ == "__main__":
    main()
