"""Keys, certificate requests and certificates of the mesh; the only user of cryptography's X.509."""

from lictor_pki.authority import (
    LEAF_TTL_S,
    ROOT_TTL_S,
    IssuedCertificate,
    SigningRefused,
    colon_hex,
    create_root,
    cross_sign,
    serial_hex,
    sign,
)
from lictor_pki.leaf import LeafRejected, check_issued, create_key_and_csr, issuing_root, renewal_at
from lictor_pki.trust_bundle import active_root, bundle_pem, bundle_trust_domain

__all__ = [
    "LEAF_TTL_S",
    "ROOT_TTL_S",
    "IssuedCertificate",
    "LeafRejected",
    "SigningRefused",
    "active_root",
    "bundle_pem",
    "bundle_trust_domain",
    "check_issued",
    "colon_hex",
    "create_key_and_csr",
    "create_root",
    "cross_sign",
    "issuing_root",
    "renewal_at",
    "serial_hex",
    "sign",
]
