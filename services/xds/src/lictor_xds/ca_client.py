"""Asking the certificate authority over the bus to sign a request (queue group of the catalog service)."""

from collections.abc import Callable

import msgspec

from lictor_bus import Bus, BusError
from lictor_bus.ca_signing import CsrAnswer, CsrRequest
from lictor_bus.subjects import ca_sign

SIGN_TIMEOUT_S = 5.0  # a signature takes a millisecond; a write to the store may wait for a new leader

_decoder = msgspec.msgpack.Decoder(CsrAnswer)


class SigningUnavailableError(Exception):
    """No certificate came back; the message says why. Asking again later is right in every case."""


class CaClient:
    """Sends certificate requests to whichever catalog of the cluster answers; `cluster` gives the cluster's id."""

    def __init__(self, bus: Bus, cluster: Callable[[], str]) -> None:
        self._bus = bus
        self._cluster = cluster

    async def sign(self, csr_pem: str) -> CsrAnswer:
        """Have `csr_pem` signed.

        Raises:
            SigningUnavailableError: nobody answered in time, or the authority refused.
        """
        try:
            request = msgspec.msgpack.encode(CsrRequest(csr_pem))
            body = await self._bus.request(ca_sign(self._cluster()), request, SIGN_TIMEOUT_S)
        except BusError as error:
            raise SigningUnavailableError(f"no answer from the certificate authority: {error!r}") from error
        try:
            answer = _decoder.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise SigningUnavailableError(f"the certificate authority's answer cannot be read: {error}") from error
        if answer.error:
            raise SigningUnavailableError(f"the certificate authority refused: {answer.error}")
        return answer
