"""The mesh's certificate authority: its root certificate, and the signing of leaves.

Certificates follow RFC 5280 and the X.509-SVID standard (sections 2 to 5): a root is self-signed with the URI
`spiffe://<trust domain>`; a leaf has an empty subject and therefore a critical subject alternative name (RFC 5280,
4.2.1.6) with exactly one URI. The caller passes time, serial and the key; where the key is kept and who may ask is not
decided here. The leaf's name, datacenter and trust domain come from the request's URI and from nothing else.
"""

from collections.abc import Callable

import msgspec
from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from lictor_mesh.identity import (
    AgentIdentity,
    Identity,
    IdentityError,
    MeshGatewayIdentity,
    ServiceIdentity,
    SigningIdentity,
    parse,
    trust_domain,
)
from lictor_pki._times import at, from_rfc3339, rfc3339
from lictor_state.rows import CARootRow

ROOT_TTL_S = 87_600 * 3600.0  # ten years, Consul's RootCertTTL
LEAF_TTL_S = 72 * 3600.0  # three days, Consul's LeafCertTTL
CROSS_SIGNED_TTL_S = 7 * 86_400.0  # two leaf lives and a bit: by then every leaf has moved to the new root
BACKDATE_S = 60.0  # a certificate is valid a minute before its making, for verifiers whose clock is behind
CSR_BYTES_MAX = 16 * 1024  # a request has about 500 bytes; anything near this is not one
EC_BITS_MIN = 256
RSA_BITS_MIN = 2048
_SERIAL_MAX = 2**63 - 1  # Consul's clients read serials as 64-bit integers
_BASE36 = "0123456789abcdefghijklmnopqrstuvwxyz"

SigningKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
Signable = ServiceIdentity | AgentIdentity | MeshGatewayIdentity


class SigningRefused(Exception):  # noqa: N818  the field says that a CA refuses; the name is part of the interface
    """The authority does not sign this request; the message names the rule and can be shown to the requester."""


class IssuedCertificate(msgspec.Struct, frozen=True):
    """A signed leaf: `cert_pem` is the leaf, then the root's intermediates; `serial` is colon hex, times RFC 3339."""

    cert_pem: str
    serial: str
    valid_after: str
    valid_before: str
    uri: str


def create_root(cluster_uuid: str, now: float, dice: Callable[[int], bytes]) -> tuple[CARootRow, str]:
    """Make a P-256 key and a self-signed root for the cluster `cluster_uuid`, valid for ten years from `now`.

    `now` is Unix time in seconds. `dice(n)` gives n random bytes for the serial and the root's name; the key itself
    comes from the operating system through OpenSSL. Returns the row (active, without indexes) and the key as PEM.
    """
    domain = trust_domain(cluster_uuid)
    key = ec.generate_private_key(ec.SECP256R1())
    serial = int.from_bytes(dice(6), "big") + 1  # 48 bits: exact in every client's JSON numbers, and never zero
    label = "".join(_BASE36[byte % 36] for byte in dice(8))
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"pri-{label}.consul.ca.{cluster_uuid[:8]}.consul")])
    key_id = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    builder = _ca_builder(
        name,
        name,
        public_key=key.public_key(),
        serial=serial,
        now=now,
        end=now + ROOT_TTL_S,
        uri=SigningIdentity(domain).uri,
    )
    certificate = builder.add_extension(
        x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(key_id),
        critical=False,
    ).sign(key, hashes.SHA256())
    row = CARootRow(
        root_id=colon_hex(certificate.fingerprint(hashes.SHA1())),  # noqa: S303  Consul's root ids are SHA-1 names, not proofs
        name="Consul CA Primary Cert",
        serial_number=serial,
        signing_key_id=colon_hex(key_id.digest),
        external_trust_domain=cluster_uuid,
        not_before=rfc3339(certificate.not_valid_before_utc),
        not_after=rfc3339(certificate.not_valid_after_utc),
        root_cert=_pem(certificate),
    )
    key_pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    ).decode()
    return row, key_pem


def sign(
    csr_pem: str,
    root: CARootRow,
    key_pem: str,
    *,
    now: float,
    serial: int,
    ttl_s: float = LEAF_TTL_S,
    datacenter: str,
) -> IssuedCertificate:
    """Check a request and sign it with `root`'s key.

    Args:
        csr_pem: a PKCS#10 request whose only subject alternative name is one SPIFFE URI.
        root: the active root; its `intermediate_certs` follow the leaf in the answer.
        key_pem: the root's private key, PEM.
        now: Unix time in seconds.
        serial: the leaf's serial, from 1 to 2**63-1; the caller sees to it that no two are equal.
        ttl_s: life in seconds, cut at the root's own end.
        datacenter: the signer's datacenter; identities of others are refused.

    Raises:
        SigningRefused: the request or the root breaks a rule; the message names it.
    """
    assert 1 <= serial <= _SERIAL_MAX, "serials are positive and fit in 63 bits"
    request = _checked_request(csr_pem)
    identity = _checked_identity(request, trust_domain(root.external_trust_domain), datacenter)
    issuer = x509.load_pem_x509_certificate(root.root_cert.encode())
    key = _signing_key(key_pem, issuer)
    root_end = from_rfc3339(root.not_after)
    if not from_rfc3339(root.not_before) <= now < root_end:
        raise SigningRefused(f"the active root {root.root_id} is not valid now; rotate it before leaves are signed")
    valid_after = at(now - BACKDATE_S)
    valid_before = at(min(now - BACKDATE_S + ttl_s, root_end))
    if valid_before <= at(now):
        raise SigningRefused(f"ttl_s: a leaf of {ttl_s:g} s would be over before it is delivered")
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([]))
        .issuer_name(issuer.subject)
        .public_key(request.public_key())
        .serial_number(serial)
        .not_valid_before(valid_after)
        .not_valid_after(valid_before)
        .add_extension(x509.SubjectAlternativeName([x509.UniformResourceIdentifier(identity.uri)]), critical=True)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_leaf_key_usage(), critical=True)
        .add_extension(
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH]),
            critical=False,
        )
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(request.public_key()), critical=False)
        .add_extension(_authority_key_id(issuer), critical=False)
    )
    certificate = builder.sign(key, hashes.SHA256())
    return IssuedCertificate(
        cert_pem=_pem(certificate) + "".join(_with_newline(pem) for pem in root.intermediate_certs),
        serial=serial_hex(serial),
        valid_after=rfc3339(certificate.not_valid_before_utc),
        valid_before=rfc3339(certificate.not_valid_after_utc),
        uri=identity.uri,
    )


def cross_sign(new_root: CARootRow, old_root: CARootRow, old_key_pem: str, *, now: float, serial: int) -> str:
    """Sign the new root's name and public key with the old root's key, valid for seven days; returns PEM.

    Put first among the new root's intermediates, it lets a verifier that knows only the old root accept new leaves.
    """
    assert 1 <= serial <= _SERIAL_MAX, "serials are positive and fit in 63 bits"
    new = x509.load_pem_x509_certificate(new_root.root_cert.encode())
    old = x509.load_pem_x509_certificate(old_root.root_cert.encode())
    old_key = _signing_key(old_key_pem, old)
    public_key = new.public_key()
    assert isinstance(public_key, ec.EllipticCurvePublicKey | rsa.RSAPublicKey), "roots have EC or RSA keys"
    uri = SigningIdentity(trust_domain(new_root.external_trust_domain)).uri
    end = min(now + CROSS_SIGNED_TTL_S, from_rfc3339(old_root.not_after))
    builder = _ca_builder(new.subject, old.subject, public_key=public_key, serial=serial, now=now, end=end, uri=uri)
    return _pem(builder.add_extension(_authority_key_id(old), critical=False).sign(old_key, hashes.SHA256()))


def colon_hex(raw: bytes) -> str:
    """Bytes as `ab:cd:…`, as Consul shows ids and serials."""
    return raw.hex(":")


def serial_hex(serial: int) -> str:
    """A serial number as colon hex of its shortest big-endian form."""
    return colon_hex(serial.to_bytes((serial.bit_length() + 7) // 8 or 1, "big"))


def _checked_request(csr_pem: str) -> x509.CertificateSigningRequest:
    if len(csr_pem) > CSR_BYTES_MAX:
        raise SigningRefused(f"csr: more than {CSR_BYTES_MAX} bytes")
    try:
        request = x509.load_pem_x509_csr(csr_pem.encode())
        genuine = request.is_signature_valid
        public_key = request.public_key()
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm) as error:
        raise SigningRefused(f"csr: not a PKCS#10 request that this authority can read: {error}") from error
    if not genuine:
        raise SigningRefused("csr: its signature does not match its public key")
    if isinstance(public_key, ec.EllipticCurvePublicKey):
        if public_key.curve.key_size < EC_BITS_MIN:
            raise SigningRefused(f"csr: an elliptic-curve key needs at least {EC_BITS_MIN} bits")
    elif isinstance(public_key, rsa.RSAPublicKey):
        if public_key.key_size < RSA_BITS_MIN:
            raise SigningRefused(f"csr: an RSA key needs at least {RSA_BITS_MIN} bits")
    else:
        raise SigningRefused("csr: the key must be elliptic-curve or RSA")
    return request


def _checked_identity(request: x509.CertificateSigningRequest, domain: str, datacenter: str) -> Signable:
    try:
        names = list(request.extensions.get_extension_for_class(x509.SubjectAlternativeName).value)
    except x509.ExtensionNotFound as error:
        raise SigningRefused("csr: has no subject alternative name; exactly one SPIFFE URI is needed") from error
    except (ValueError, x509.UnsupportedGeneralNameType) as error:
        raise SigningRefused(f"csr: its extensions cannot be read: {error}") from error
    uris = [name.value for name in names if isinstance(name, x509.UniformResourceIdentifier)]
    if len(uris) != 1:
        raise SigningRefused(f"csr: has {len(uris)} URIs as subject alternative names; exactly one is allowed")
    if len(names) != 1:
        raise SigningRefused("csr: only a URI may be a subject alternative name; e-mail, DNS and IP names are refused")
    try:
        identity: Identity = parse(uris[0])
    except IdentityError as error:
        raise SigningRefused(str(error)) from error
    if not isinstance(identity, ServiceIdentity | AgentIdentity | MeshGatewayIdentity):
        raise SigningRefused(
            f"csr: {uris[0]} is an identity of the control plane itself, which is not signed on request"
        )
    if identity.trust_domain != domain:
        raise SigningRefused(f"csr: trust domain {identity.trust_domain} is not ours, {domain}")
    if identity.datacenter != datacenter:
        raise SigningRefused(f"csr: datacenter {identity.datacenter!r} is not the signer's, {datacenter!r}")
    if isinstance(identity, ServiceIdentity) and identity.service == "*":
        raise SigningRefused("csr: '*' stands for services in intentions and is none itself")
    return identity


def _signing_key(key_pem: str, issuer: x509.Certificate) -> SigningKey:
    key = serialization.load_pem_private_key(key_pem.encode(), password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
        raise SigningRefused("the root's private key must be elliptic-curve or RSA")
    if key.public_key() != issuer.public_key():
        raise SigningRefused("the private key does not belong to the active root")
    return key


def _ca_builder(
    subject: x509.Name,
    issuer: x509.Name,
    *,
    public_key: ec.EllipticCurvePublicKey | rsa.RSAPublicKey,
    serial: int,
    now: float,
    end: float,
    uri: str,
) -> x509.CertificateBuilder:
    usage = x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=True,
        crl_sign=True,
        encipher_only=False,
        decipher_only=False,
    )
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(serial)
        .not_valid_before(at(now - BACKDATE_S))
        .not_valid_after(at(end))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.UniformResourceIdentifier(uri)]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
    )


def _leaf_key_usage() -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=True,
        data_encipherment=True,
        key_agreement=True,
        key_cert_sign=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )


def _authority_key_id(issuer: x509.Certificate) -> x509.AuthorityKeyIdentifier:
    key_id = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(key_id)


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def _with_newline(pem: str) -> str:
    return pem if pem.endswith("\n") else pem + "\n"
