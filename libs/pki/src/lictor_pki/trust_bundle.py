"""The trust bundle: all roots that a verifier must accept, as one PEM text (SPIFFE Trust Domain and Bundle, section 4).

Old roots stay in it while leaves of theirs may live; which roots those are is decided where rows are written. A
cross-signed certificate is part of a leaf's chain and never of the bundle.
"""

from collections.abc import Iterable

from lictor_mesh.identity import trust_domain
from lictor_state.rows import CARootRow


def bundle_pem(roots: Iterable[CARootRow]) -> str:
    """Every distinct root certificate, the active one first, the others by id: the same text for the same roots."""
    ordered = sorted(roots, key=lambda root: (not root.active, root.root_id))
    return "".join(dict.fromkeys(root.root_cert.strip() + "\n" for root in ordered))


def active_root(roots: Iterable[CARootRow]) -> CARootRow | None:
    """The root that signs new leaves, or None before the first one is made."""
    return next((root for root in roots if root.active), None)


def bundle_trust_domain(roots: Iterable[CARootRow]) -> str | None:
    """The trust domain that the roots speak for, or None when there is no root."""
    return next((trust_domain(root.external_trust_domain) for root in roots), None)
