"""Handing a TTL update to the `healthcheck` that owns the check (design §4): 200 is answered only by the owner."""

from collections.abc import Callable

import msgspec

from lictor_bus import Bus, BusDisconnectedError, BusTimeoutError, NoRespondersError
from lictor_bus.ttl_updates import OUTPUT_BYTES_MAX, TtlAnswer, TtlUpdate, ttl_subject
from lictor_state.rows import CheckRow

ANSWER_TIMEOUT_S = 10.0
"""As long as the owner's own proposal may take."""

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(TtlAnswer)


class TtlClient:
    """Asks over the bus; `cluster` gives the cluster's id, empty before it is known."""

    def __init__(self, bus: Bus, cluster: Callable[[], str]) -> None:
        self._bus = bus
        self._cluster = cluster

    async def update(self, check: CheckRow, status: str, output: str) -> tuple[int, str]:
        """HTTP status and text of the owner's answer, or 500 with the reason why there is none."""
        cut = output.encode()[:OUTPUT_BYTES_MAX].decode(errors="ignore")
        data = _encoder.encode(TtlUpdate(check.check_id, status, cut))
        try:
            raw = await self._bus.request(ttl_subject(self._cluster(), check.node), data, ANSWER_TIMEOUT_S)
            answer = _decoder.decode(raw)
        except NoRespondersError:
            return 500, f"no healthcheck runs the checks of node {check.node} at the moment"
        except BusTimeoutError:
            return 500, "outcome unknown"
        except (BusDisconnectedError, msgspec.DecodeError, UnicodeDecodeError) as error:
            return 500, str(error)
        return answer.status_code, answer.message
