"""The gossip's own rows: packets that one process handles, exchanges of state, the cost of a member of a large pool."""
