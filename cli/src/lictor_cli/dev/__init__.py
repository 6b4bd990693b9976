"""`lictor dev`: the whole suite and the demo mesh on this machine, each role its own process."""
