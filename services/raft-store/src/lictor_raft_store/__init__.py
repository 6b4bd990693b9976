"""The source of truth: consensus, log and state machine."""
