"""DNS messages and records as values."""
