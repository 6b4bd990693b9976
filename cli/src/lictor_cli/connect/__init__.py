"""`lictor connect`: the mesh from the command line."""
