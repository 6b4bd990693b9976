"""The replicated state: rows, commands, apply, changes."""
