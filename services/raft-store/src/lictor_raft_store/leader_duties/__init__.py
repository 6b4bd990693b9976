"""What only a leader may decide: servers as nodes, and which nodes have failed."""
