"""The endpoints that FastAPI routes: writes and rare reads, one module per family of Consul's API."""
