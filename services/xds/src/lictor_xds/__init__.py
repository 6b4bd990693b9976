"""Envoy's configuration and certificates."""
