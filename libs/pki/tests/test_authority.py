"""The authority's rules, checked by cryptography's own path validation and by openssl."""

import datetime as dt
import itertools
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.x509 import verification

from lictor_mesh.identity import AgentIdentity, MeshGatewayIdentity, ServiceIdentity, SigningIdentity
from lictor_pki import (
    LeafRejected,
    SigningRefused,
    active_root,
    bundle_pem,
    bundle_trust_domain,
    check_issued,
    create_key_and_csr,
    create_root,
    cross_sign,
    issuing_root,
    renewal_at,
    serial_hex,
    sign,
)
from lictor_state.rows import CARootRow

Authority = tuple[CARootRow, str]
CLUSTER = "11111111-2222-3333-4444-555555555555"
TD = f"{CLUSTER}.consul"
NOW = 1_800_000_000.0
WEB = ServiceIdentity(TD, "dc1", "web").uri


def fixed_dice(count: int) -> bytes:
    return bytes(range(7, 7 + count))


@pytest.fixture(scope="module")
def authority() -> tuple[CARootRow, str]:
    return create_root(CLUSTER, NOW, fixed_dice)


@pytest.fixture(scope="module")
def serials() -> Iterator[int]:
    return itertools.count(1)


def request(names: list[x509.GeneralName], key: object = None) -> str:
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=True)
    private = key or ec.generate_private_key(ec.SECP256R1())
    algorithm = None if isinstance(private, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    return builder.sign(private, algorithm).public_bytes(serialization.Encoding.PEM).decode()  # type: ignore[arg-type]


def uri(text: str) -> x509.GeneralName:
    return x509.UniformResourceIdentifier(text)


def test_a_root_is_a_self_signed_ca_with_the_trust_domains_uri(authority: Authority) -> None:
    root, key_pem = authority
    certificate = x509.load_pem_x509_certificate(root.root_cert.encode())
    certificate.verify_directly_issued_by(certificate)
    assert certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.UniformResourceIdentifier) == [f"spiffe://{TD}"]
    assert certificate.fingerprint(hashes.SHA1()).hex(":") == root.root_id
    assert root.external_trust_domain == CLUSTER
    assert root.active
    assert root.not_before == "2027-01-15T07:59:00Z"
    assert key_pem.startswith("-----BEGIN EC PRIVATE KEY-----")


def test_a_leaf_verifies_for_clients_and_servers_against_the_bundle(
    authority: Authority, serials: Iterator[int]
) -> None:
    root, key_pem = authority
    leaf_key, csr = create_key_and_csr(WEB)
    issued = sign(csr, root, key_pem, now=NOW, serial=next(serials), datacenter="dc1")
    assert issued.uri == WEB
    assert leaf_key.startswith("-----BEGIN EC PRIVATE KEY-----")
    store = verification.Store(x509.load_pem_x509_certificates(bundle_pem([root]).encode()))
    leaf = x509.load_pem_x509_certificate(issued.cert_pem.encode())
    moment = dt.datetime.fromtimestamp(NOW, dt.UTC)
    verified = verification.PolicyBuilder().store(store).time(moment).build_client_verifier().verify(leaf, [])
    assert [str(name.value) for name in verified.subjects or []] == [WEB]
    usage = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert {item.dotted_string for item in usage} == {"1.3.6.1.5.5.7.3.1", "1.3.6.1.5.5.7.3.2"}
    san = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    assert san.critical
    assert not list(leaf.subject)
    assert (leaf.not_valid_after_utc - leaf.not_valid_before_utc).total_seconds() == 72 * 3600
    assert leaf.not_valid_before_utc.timestamp() == NOW - 60


@pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl here")
def test_openssl_accepts_a_leaf_and_a_chain_over_a_cross_signed_root(
    authority: Authority, serials: Iterator[int], tmp_path: Path
) -> None:
    old_root, old_key = authority
    new_root, new_key = create_root(CLUSTER, NOW, lambda count: bytes(range(99, 99 + count)))
    crossed = cross_sign(new_root, old_root, old_key, now=NOW, serial=next(serials))
    _, csr = create_key_and_csr(WEB)
    issued = sign(csr, new_root, new_key, now=NOW, serial=next(serials), datacenter="dc1")
    files = {
        "old.pem": old_root.root_cert,
        "new.pem": new_root.root_cert,
        "crossed.pem": crossed,
        "leaf.pem": issued.cert_pem,
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    at = ["-attime", str(int(NOW))]
    direct = ["openssl", "verify", *at, "-CAfile", "new.pem", "leaf.pem"]
    through_old = ["openssl", "verify", *at, "-CAfile", "old.pem", "-untrusted", "crossed.pem", "leaf.pem"]
    without_cross = ["openssl", "verify", *at, "-CAfile", "old.pem", "leaf.pem"]
    outcomes = [
        subprocess.run(command, cwd=tmp_path, capture_output=True, check=False).returncode
        for command in (direct, through_old, without_cross)
    ]
    assert outcomes[:2] == [0, 0]
    assert outcomes[2] != 0


def test_intermediates_of_the_root_follow_the_leaf(authority: Authority, serials: Iterator[int]) -> None:
    root, key_pem = authority
    with_intermediate = CARootRow(
        **{**{f: getattr(root, f) for f in root.__struct_fields__}, "intermediate_certs": (root.root_cert.strip(),)}
    )
    _, csr = create_key_and_csr(WEB)
    issued = sign(csr, with_intermediate, key_pem, now=NOW, serial=next(serials), datacenter="dc1")
    chain = x509.load_pem_x509_certificates(issued.cert_pem.encode())
    assert len(chain) == 2
    assert issued.cert_pem.endswith("-----END CERTIFICATE-----\n")


REFUSED = [
    ("no name at all", [], "no subject alternative name"),
    ("two URIs", [uri(WEB), uri(ServiceIdentity(TD, "dc1", "db").uri)], "2 URIs"),
    ("an e-mail name beside the URI", [uri(WEB), x509.RFC822Name("a@example.org")], "e-mail"),
    ("a DNS name beside the URI", [uri(WEB), x509.DNSName("web.example.org")], "DNS"),
    ("a foreign trust domain", [uri(ServiceIdentity("other.consul", "dc1", "web").uri)], "trust domain other.consul"),
    ("a foreign datacenter", [uri(ServiceIdentity(TD, "dc2", "web").uri)], "datacenter 'dc2'"),
    ("the authority's own identity", [uri(SigningIdentity(TD).uri)], "control plane itself"),
    ("a server's identity", [uri(f"spiffe://{TD}/agent/server/dc/dc1")], "control plane itself"),
    ("an unknown path", [uri(f"spiffe://{TD}/workload/web")], "is not the SPIFFE id"),
    ("another scheme", [uri("https://example.org/")], "is not the SPIFFE id"),
    ("the wildcard", [uri(f"spiffe://{TD}/ns/default/dc/dc1/svc/%2A")], "is none itself"),
]


@pytest.mark.parametrize(("names", "message"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_a_request_that_breaks_a_rule_is_refused_by_its_name(
    names: list[x509.GeneralName], message: str, authority: Authority
) -> None:
    root, key_pem = authority
    with pytest.raises(SigningRefused, match=message):
        sign(request(names), root, key_pem, now=NOW, serial=1, datacenter="dc1")


@pytest.mark.parametrize(
    ("csr", "message"),
    [
        ("not pem", "PKCS#10"),
        ("-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n", "PKCS#10"),
        ("x" * 20_000, "more than"),
        (request([uri(WEB)], ec.generate_private_key(ec.SECP224R1())), "at least 256"),
        (request([uri(WEB)], ed25519.Ed25519PrivateKey.generate()), "elliptic-curve or RSA"),
    ],
)
def test_what_is_no_usable_request_is_refused(csr: str, message: str, authority: Authority) -> None:
    root, key_pem = authority
    with pytest.raises(SigningRefused, match=message):
        sign(csr, root, key_pem, now=NOW, serial=1, datacenter="dc1")


def test_a_request_with_a_foreign_signature_is_refused(authority: Authority) -> None:
    root, key_pem = authority
    good = x509.load_pem_x509_csr(request([uri(WEB)]).encode())
    der = bytearray(good.public_bytes(serialization.Encoding.DER))
    at = der.index(WEB.encode()) + len(WEB) - 1
    der[at] = ord("c")  # another service's name under the same signature
    forged = x509.load_der_x509_csr(bytes(der)).public_bytes(serialization.Encoding.PEM).decode()
    with pytest.raises(SigningRefused, match="signature"):
        sign(forged, root, key_pem, now=NOW, serial=1, datacenter="dc1")


def test_agents_and_mesh_gateways_are_signed_too(authority: Authority, serials: Iterator[int]) -> None:
    root, key_pem = authority
    for identity in (AgentIdentity(TD, "dc1", "node 1"), MeshGatewayIdentity(TD, "dc1")):
        issued = sign(request([uri(identity.uri)]), root, key_pem, now=NOW, serial=next(serials), datacenter="dc1")
        assert issued.uri == identity.uri


def test_an_expired_root_and_a_foreign_key_sign_nothing(authority: Authority) -> None:
    root, key_pem = authority
    _, csr = create_key_and_csr(WEB)
    with pytest.raises(SigningRefused, match="not valid now"):
        sign(csr, root, key_pem, now=NOW + 11 * 365 * 86400, serial=1, datacenter="dc1")
    _, other_key = create_root(CLUSTER, NOW, fixed_dice)
    with pytest.raises(SigningRefused, match="does not belong"):
        sign(csr, root, other_key, now=NOW, serial=1, datacenter="dc1")


def test_a_leaf_never_outlives_its_root(authority: Authority) -> None:
    root, key_pem = authority
    _, csr = create_key_and_csr(WEB)
    late = NOW + 87_600 * 3600 - 3600
    issued = sign(csr, root, key_pem, now=late, serial=1, datacenter="dc1")
    assert issued.valid_before == root.not_after


def test_the_answer_is_checked_before_it_is_used(authority: Authority, serials: Iterator[int]) -> None:
    root, key_pem = authority
    other_root, _ = create_root(CLUSTER, NOW, fixed_dice)
    leaf_key, csr = create_key_and_csr(WEB)
    foreign_key, _ = create_key_and_csr(WEB)
    issued = sign(csr, root, key_pem, now=NOW, serial=next(serials), ttl_s=3600, datacenter="dc1")
    check_issued(issued.cert_pem, leaf_key, WEB, [other_root, root], now=NOW)
    wrong = [
        ("another key", foreign_key, WEB, [root], NOW),
        ("is not for", leaf_key, ServiceIdentity(TD, "dc1", "db").uri, [root], NOW),
        ("not valid now", leaf_key, WEB, [root], NOW + 3600),
        ("no known root", leaf_key, WEB, [other_root], NOW),
    ]
    for message, key, name, roots, now in wrong:
        with pytest.raises(LeafRejected, match=message):
            check_issued(issued.cert_pem, key, name, roots, now=now)
    with pytest.raises(LeafRejected, match="cannot be read"):
        check_issued("", leaf_key, WEB, [root], now=NOW)
    assert issuing_root(issued.cert_pem, [other_root, root]) == root.root_id
    assert issuing_root(issued.cert_pem, [other_root]) is None


def test_renewal_falls_between_60_and_90_percent_of_the_life() -> None:
    start, end = "2027-01-15T00:00:00Z", "2027-01-25T00:00:00Z"
    first = renewal_at(start, end, lambda: 0.0)
    last = renewal_at(start, end, lambda: 0.999999)
    begin = dt.datetime(2027, 1, 15, tzinfo=dt.UTC).timestamp()
    assert first == begin + 6 * 86400
    assert begin + 8.99 * 86400 < last < begin + 9 * 86400


def test_the_bundle_has_every_root_once_and_the_active_one_first(authority: Authority) -> None:
    root, _ = authority
    fields = {name: getattr(root, name) for name in root.__struct_fields__}
    old, _ = create_root(CLUSTER, NOW, lambda count: bytes(range(50, 50 + count)))
    retired = CARootRow(**{**{name: getattr(old, name) for name in old.__struct_fields__}, "active": False})
    bundle = bundle_pem([retired, root, CARootRow(**fields)])
    assert bundle == root.root_cert + retired.root_cert
    assert active_root([retired, root]) == root
    assert active_root([retired]) is None
    assert bundle_trust_domain([root]) == TD
    assert bundle_trust_domain([]) is None


def test_serials_are_colon_hex_of_the_shortest_form() -> None:
    assert [serial_hex(number) for number in (1, 255, 256, 0x0A0B0C)] == ["01", "ff", "01:00", "0a:0b:0c"]
