"""`python -m lictor_raft_store`: run one member."""

import os
import sys

from lictor_kit.service import Context, run
from lictor_kit.settings import load
from lictor_raft_store.app import build
from lictor_raft_store.settings import RaftStoreSettings


def main() -> None:
    """Read the settings and run."""
    settings = load(RaftStoreSettings, sys.argv[1:], os.environ)

    async def start(context: Context) -> None:
        await build(context, settings)

    run("raft-store", settings, start)


if __name__ == "__main__":
    main()
