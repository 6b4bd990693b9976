"""Every error leaves as bare text, as Consul's do: what a request raises, turned into its answer in one place.

The front door uses it for what it answers itself. As middleware inside FastAPI it does the same for the rare routes,
before FastAPI's own handling would send its kind of error.
"""

import structlog

from lictor_catalog.asgi import Application, Message, Receive, Scope, Send, send_page
from lictor_catalog.blocking_query import ClientGoneError
from lictor_catalog.errors import ApiError
from lictor_catalog.page import text_page

CLIENT_GONE = 499
"""What is counted when the client went away before there was an answer (nginx's number)."""

log = structlog.get_logger()


class Answering:
    """One request on its way to an answer; `status` is what was sent."""

    __slots__ = ("_send", "status")

    def __init__(self, send: Send) -> None:
        self._send = send
        self.status = CLIENT_GONE

    async def send(self, message: Message) -> None:
        """Pass a message on and note the status."""
        if message["type"] == "http.response.start":
            self.status = int(message["status"])
        await self._send(message)

    async def run(self, application: Application, scope: Scope, receive: Receive) -> None:
        """Have the application answer, or say why it does not; raises only what comes after an answer has begun."""
        try:
            await application(scope, receive, self.send)
        except ApiError as error:
            await send_page(self.send, text_page(error.text, error.status), error.headers)
        except ClientGoneError:
            return
        except Exception:  # the boundary of a request: one that fails must not end the connection's other requests
            log.exception("request failed", path=scope["path"], method=scope["method"])
            if self.status != CLIENT_GONE:
                raise
            await send_page(self.send, text_page("internal error", 500))


class PlainErrors:
    """The same as ASGI middleware."""

    def __init__(self, app: Application) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "http":
            await Answering(send).run(self._app, scope, receive)
        else:
            await self._app(scope, receive, send)
