"""`/v1/snapshot`: the whole state as an archive."""

from lictor_catalog.openapi import parameters as p
from lictor_catalog.openapi.endpoint import Answer, Endpoint, Example, Family

_ARCHIVE = "(the archive: gzip, tar)"

FAMILY = Family(
    "snapshot",
    "Saving the state, and putting a saved one in its place.",
    (
        Endpoint("GET", "/v1/snapshot", "Save: the state as an archive",
            Example("/v1/snapshot", answer=Answer(200, "application/x-gzip", _ARCHIVE)), p.CONSISTENCY),
        Endpoint("PUT", "/v1/snapshot", "Restore the archive in the body",
            Example("/v1/snapshot", _ARCHIVE.encode(), answer=Answer(200))),
    ),
)  # fmt: skip
