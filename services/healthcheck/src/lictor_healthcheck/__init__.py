"""Runs the checks and reports transitions."""
