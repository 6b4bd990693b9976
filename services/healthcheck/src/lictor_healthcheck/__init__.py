"""Runs the checks and reports transitions."""

__all__: list[str] = []
