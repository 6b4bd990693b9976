"""NATS: subjects, proposer, change feed, view, presence."""
