"""Consul's HTTP API."""
