"""From values to Envoy's messages: the only place, besides the server, that knows the generated classes.

Each module makes one kind of resource and returns `lictor_xdsproto.Resource`s: name, version, encoded message. Encoding
is deterministic and the version is a hash of the bytes, so every replica gives the same resource the same version.
"""

from lictor_xds.translate.sidecar import sidecar_resources

__all__ = ["sidecar_resources"]
