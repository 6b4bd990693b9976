"""One module per family of endpoints; `described.FAMILIES` has them in the order of their story."""
