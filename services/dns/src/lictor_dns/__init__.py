"""Names to instances."""
