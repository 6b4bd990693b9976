"""Config entries over HTTP: their fields, their canonical bodies, and the rules that one entry alone shows."""
