"""The lictor command and `lictor dev`."""
