"""Asking for a certificate: what a holder of a key sends to whoever may read the CA's key (design §5).

Every `catalog` of a cluster answers on `subjects.ca_sign` as one queue group, so one of them signs; an identity of
another trust domain is refused. The request carries only a
PKCS#10 request; the answer is a certificate with its life and serial, or the rule that forbids it. Payloads are
MessagePack arrays; fields are only added at the end.
"""

import msgspec

SIGNERS = "ca-signers"
"""The queue group of those who sign."""

CSR_BYTES_MAX = 16 * 1024
"""A request for a P-256 or RSA-4096 key with one name is far smaller."""


class CsrRequest(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """A PKCS#10 request, PEM, whose only name is one SPIFFE URI."""

    csr_pem: str


class CsrAnswer(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """The leaf (then the root's intermediates), PEM; times RFC 3339; `serial` colon hex; or only an `error`."""

    cert_pem: str = ""
    valid_after: str = ""
    valid_before: str = ""
    serial: str = ""
    error: str = ""
