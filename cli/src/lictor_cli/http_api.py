"""A small blocking client of the HTTP API, for the command line. Nothing else in Lictor needs one."""

import http.client
import json
import urllib.error
import urllib.request
from typing import IO, Any, cast

TIMEOUT_S = 10.0
PIECE_BYTES = 256 * 1024


class ApiError(Exception):
    """The API answered with an error, or did not answer."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(f"{status}: {text}" if status else text)
        self.status = status
        self.text = text


class Api:
    """Calls of one catalog, e.g. at `http://127.0.0.1:8500`."""

    def __init__(self, address: str, timeout_s: float = TIMEOUT_S, token: str = "") -> None:
        self._address = address.rstrip("/") if "://" in address else f"http://{address.rstrip('/')}"
        self._timeout_s = timeout_s
        self._headers = {"X-Consul-Token": token} if token else {}

    def get(self, path: str) -> Any:
        """The decoded JSON answer, None for an empty one.

        Raises:
            ApiError: with status 0 when nothing answered.
        """
        return self._call("GET", path, None)

    def put(self, path: str, body: Any = None) -> Any:
        """As `get`, with a JSON body."""
        return self._call("PUT", path, body)

    def send(self, method: str, path: str, body: Any = None) -> Any:
        """As `get`, with any method; bytes are sent as they are, anything else as JSON."""
        return self._call(method, path, body)

    def download(self, path: str, to: IO[bytes]) -> None:
        """Write a GET's answer to a file, as it comes; raises `ApiError`, and what writing raises."""
        with self._answer("GET", path, None, {}) as answer:
            while piece := self._read(answer, PIECE_BYTES):
                to.write(piece)

    def upload(self, path: str, data: IO[bytes], size: int) -> None:
        """PUT the `size` bytes of a file, as they are read; raises `ApiError`."""
        with self._answer("PUT", path, data, {"Content-Length": str(size)}) as answer:
            self._read(answer)

    def _call(self, method: str, path: str, body: Any) -> Any:
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        with self._answer(method, path, data, {}) as answer:
            text = self._read(answer)
        return json.loads(text) if text.strip() else None

    def _answer(
        self, method: str, path: str, data: bytes | IO[bytes] | None, headers: dict[str, str]
    ) -> http.client.HTTPResponse:
        url = f"{self._address}{path}"
        request = urllib.request.Request(url, data=data, method=method, headers=self._headers | headers)  # noqa: S310  http only
        try:
            return cast("http.client.HTTPResponse", urllib.request.urlopen(request, timeout=self._timeout_s))  # noqa: S310  http only
        except urllib.error.HTTPError as error:
            raise ApiError(error.code, error.read().decode(errors="replace").strip()) from error
        except (OSError, http.client.HTTPException) as error:
            raise ApiError(0, f"no answer from {self._address}: {error}") from error

    def _read(self, answer: http.client.HTTPResponse, size: int | None = None) -> bytes:
        try:
            return answer.read(size)
        except (OSError, http.client.HTTPException) as error:
            raise ApiError(0, f"the answer from {self._address} broke off: {error}") from error
