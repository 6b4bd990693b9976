"""Intentions, identities and proxies' desired configuration as values."""
