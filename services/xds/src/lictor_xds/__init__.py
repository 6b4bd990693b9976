"""Envoy's configuration and certificates."""

__all__: list[str] = []
