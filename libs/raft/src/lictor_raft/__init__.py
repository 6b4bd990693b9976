"""Raft consensus as a pure library."""
