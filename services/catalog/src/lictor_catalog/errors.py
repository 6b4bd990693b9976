"""An error as Consul's API answers it: a status and a bare text (`text/plain`), never JSON."""


class ApiError(Exception):
    """Ends a request with `status` and `text`; `headers` are added to the answer."""

    def __init__(self, status: int, text: str, headers: tuple[tuple[bytes, bytes], ...] = ()) -> None:
        super().__init__(text)
        self.status = status
        self.text = text
        self.headers = headers


class BodyError(ApiError):
    """The body cannot be decoded: 400, with the reason as Go's decoder words it behind `prefix`."""

    def __init__(self, reason: str, prefix: str = "Request decode failed: ") -> None:
        super().__init__(400, prefix + reason)
        self.reason = reason
