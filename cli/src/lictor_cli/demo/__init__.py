"""The demo: two tiny web applications that know nothing of the mesh."""
