"""The store's own rows: commits, elections, the installation of a snapshot. See ../README.md."""
