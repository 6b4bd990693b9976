"""What every Lictor process has in common."""
