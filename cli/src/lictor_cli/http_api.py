"""A small blocking client of the HTTP API, for the command line. Nothing else in Lictor needs one."""

import json
import urllib.error
import urllib.request
from typing import Any

TIMEOUT_S = 10.0


class ApiError(Exception):
    """The API answered with an error, or did not answer."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(f"{status}: {text}" if status else text)
        self.status = status
        self.text = text


class Api:
    """Calls of one catalog, e.g. at `http://127.0.0.1:8500`."""

    def __init__(self, address: str, timeout_s: float = TIMEOUT_S) -> None:
        self._address = address.rstrip("/") if "://" in address else f"http://{address.rstrip('/')}"
        self._timeout_s = timeout_s

    def get(self, path: str) -> Any:
        """The decoded JSON answer, None for an empty one.

        Raises:
            ApiError: with status 0 when nothing answered.
        """
        return self._call("GET", path, None)

    def put(self, path: str, body: Any = None) -> Any:
        """As `get`, with a JSON body."""
        return self._call("PUT", path, body)

    def _call(self, method: str, path: str, body: Any) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self._address}{path}", data=data, method=method)  # noqa: S310  http only
        try:
            with urllib.request.urlopen(request, timeout=self._timeout_s) as answer:  # noqa: S310  http only
                text = answer.read()
        except urllib.error.HTTPError as error:
            raise ApiError(error.code, error.read().decode(errors="replace").strip()) from error
        except (OSError, TimeoutError) as error:
            raise ApiError(0, f"no answer from {self._address}: {error}") from error
        return json.loads(text) if text.strip() else None
