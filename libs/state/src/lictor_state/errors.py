"""The errors of the replicated state, by whose fault they are.

```
CodecError   bytes that this build cannot read as rows, commands or a snapshot: the reader must stop, never skip
Refused      a command that the state's rules forbid: raised inside apply only, and turned into a `Result`
```
"""


class CodecError(ValueError):
    """Bytes from the log, the change feed or a snapshot that this build cannot understand."""


class Refused(Exception):  # noqa: N818  # an outcome that the client gets to read, not a failure of ours
    """A command that breaks a rule; `message` is Consul's wording, `status` the HTTP status that it deserves.

    `more` goes into the `Result` as it is.
    """

    def __init__(self, message: str, status: int = 500, more: bytes = b"") -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.more = more
