"""A leaf as its holder sees it: key and request, the check of the answer, and the time of renewal.

Keys are P-256 and are made by whoever serves the leaf; the authority sees only the request (PKCS#10, RFC 2986). The
answer is checked before use: a certificate that Envoy would refuse must never replace a good one.
"""

from collections.abc import Callable, Iterable

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from lictor_pki._times import from_rfc3339
from lictor_state.rows import CARootRow

RENEW_FROM = 0.6  # share of its life after which a leaf may be renewed …
RENEW_UNTIL = 0.9  # … and at which it must be; in between the moment is drawn, so that renewals spread


class LeafRejected(Exception):  # noqa: N818  the event's name: what came back from the authority is not usable
    """What the authority returned does not fit what was asked for."""


def create_key_and_csr(uri: str) -> tuple[str, str]:
    """A new P-256 key (`EC PRIVATE KEY` PEM) and a request (PEM) whose one name is the SPIFFE id `uri`."""
    key = ec.generate_private_key(ec.SECP256R1())
    request = (
        x509.CertificateSigningRequestBuilder()
        .subject_name(x509.Name([]))
        .add_extension(x509.SubjectAlternativeName([x509.UniformResourceIdentifier(uri)]), critical=True)
        .sign(key, hashes.SHA256())
    )
    key_pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )
    return key_pem.decode(), request.public_bytes(serialization.Encoding.PEM).decode()


def check_issued(cert_pem: str, key_pem: str, uri: str, roots: Iterable[CARootRow], *, now: float) -> None:
    """Check that `cert_pem` (leaf first) is for this key and URI, valid now, and signed by one of `roots`.

    Raises `LeafRejected` with the rule that is broken.
    """
    try:
        leaf = x509.load_pem_x509_certificates(cert_pem.encode())[0]
        key = serialization.load_pem_private_key(key_pem.encode(), password=None)
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (ValueError, IndexError, x509.ExtensionNotFound) as error:
        raise LeafRejected(f"the certificate cannot be read: {error}") from error
    if leaf.public_key() != key.public_key():
        raise LeafRejected("the certificate is for another key")
    if [str(name.value) for name in names] != [uri]:
        raise LeafRejected(f"the certificate is not for {uri}")
    if not leaf.not_valid_before_utc.timestamp() <= now < leaf.not_valid_after_utc.timestamp():
        raise LeafRejected("the certificate is not valid now; compare the clocks of signer and requester")
    for root in roots:
        try:
            leaf.verify_directly_issued_by(x509.load_pem_x509_certificate(root.root_cert.encode()))
        except (ValueError, TypeError, InvalidSignature):
            continue
        return
    raise LeafRejected("no known root has signed the certificate")


def issuing_root(cert_pem: str, roots: Iterable[CARootRow]) -> str | None:
    """The id of the root that has signed the leaf `cert_pem`, or None when it is not among `roots`."""
    leaf = x509.load_pem_x509_certificates(cert_pem.encode())[0]
    for root in roots:
        try:
            leaf.verify_directly_issued_by(x509.load_pem_x509_certificate(root.root_cert.encode()))
        except (ValueError, TypeError, InvalidSignature):
            continue
        return root.root_id
    return None


def renewal_at(valid_after: str, valid_before: str, dice: Callable[[], float]) -> float:
    """When to renew: a random moment between 60 and 90 % of the life, as Unix seconds.

    `dice` gives a number in [0, 1).
    """
    start, end = from_rfc3339(valid_after), from_rfc3339(valid_before)
    return start + (end - start) * (RENEW_FROM + (RENEW_UNTIL - RENEW_FROM) * dice())
