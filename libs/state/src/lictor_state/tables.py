"""The tables by name, for what runs with every command and every change.

`Table.NODES` says the same and is what everything else uses. But Python 3.11 looks up a member of an enum in its
class the long way round (50 to 90 ns, a dozen times per command), and a name of a module at once (5 to 10 ns).
"""

from typing import Final

from lictor_state.rows import Table

META: Final = Table.META
NODES: Final = Table.NODES
SERVICES: Final = Table.SERVICES
CHECKS: Final = Table.CHECKS
KV: Final = Table.KV
TOMBSTONES: Final = Table.TOMBSTONES
CONFIG_ENTRIES: Final = Table.CONFIG_ENTRIES
CA_ROOTS: Final = Table.CA_ROOTS
CA_KEYS: Final = Table.CA_KEYS
AGENTS: Final = Table.AGENTS
INDEXES: Final = Table.INDEXES
SESSIONS: Final = Table.SESSIONS
LOCK_DELAYS: Final = Table.LOCK_DELAYS
AUTOPILOT: Final = Table.AUTOPILOT
PREPARED_QUERIES: Final = Table.PREPARED_QUERIES
COORDINATES: Final = Table.COORDINATES
EVENTS: Final = Table.EVENTS
VIRTUAL_IPS: Final = Table.VIRTUAL_IPS
GATEWAY_SERVICES: Final = Table.GATEWAY_SERVICES
DEFINITION_FILES: Final = Table.DEFINITION_FILES
