"""The secrets of our cookies: from the settings, from a file that is read again when it changes, or made up.

Secrets that are made up are as good as any, for a dns whose clients meet no other.
"""

import asyncio
import secrets
from pathlib import Path

import structlog

from lictor_dns.cookies import Cookies, secrets_of
from lictor_dns.siphash import KEY_BYTES

LOOK_S = 5.0

log = structlog.get_logger()


class CookieSecrets:
    """Keeps `cookies` up to date with where the secrets come from."""

    def __init__(self, given: str, path: Path | None) -> None:
        """Begin with the file's secrets if there is one, else those given, else a new one.

        Raises:
            OSError: the file cannot be read.
            ValueError: something else than secrets is there.
        """
        self._path = path
        self._stamp = _stamp(path) if path is not None else None
        found = secrets_of(path.read_text() if path is not None else given)
        if path is not None and not found:
            raise ValueError(f"{path}: no secret is in it")
        self.cookies = Cookies(found or (secrets.token_bytes(KEY_BYTES),))

    async def follow(self) -> None:
        """Look at the file for ever; one that cannot be used leaves the secrets as they are."""
        while True:
            await asyncio.sleep(LOOK_S)
            if self._path is not None:
                self._look(self._path)

    def _look(self, path: Path) -> None:
        try:
            stamp = _stamp(path)
            if stamp == self._stamp:
                return
            found = secrets_of(path.read_text())
        except (OSError, ValueError) as error:
            log.warning("cookie secrets stay as they are", path=str(path), reason=str(error))
            return
        self._stamp = stamp
        if found:
            self.cookies.replace(found)
            log.info("cookie secrets replaced", count=len(found))


def _stamp(path: Path) -> tuple[int, int, int]:
    found = path.stat()
    return found.st_mtime_ns, found.st_ino, found.st_size
