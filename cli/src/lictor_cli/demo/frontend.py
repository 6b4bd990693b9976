"""The demo's frontend: passes every request to its upstream, a port of its own sidecar."""

import argparse
import asyncio

from lictor_cli.demo.tiny_http import Request, fetch, serve


def main() -> None:
    """Serve until told to stop."""
    parser = argparse.ArgumentParser(description="The demo's frontend.")
    parser.add_argument("--bind", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--upstream", required=True, help="host:port of the sidecar's upstream listener")
    given = parser.parse_args()
    host, _, port = given.upstream.rpartition(":")

    async def answer(request: Request) -> tuple[int, str]:
        if request.path == "/health":
            return 200, "ok\n"
        try:
            status, body = await fetch(host, int(port), request.path)
        except (OSError, asyncio.IncompleteReadError, ValueError) as error:
            return 502, f"frontend: the upstream did not answer: {error}\n"
        return status, f"frontend → {body}"

    serve(given.bind, given.port, answer)


if __name__ == "__main__":
    main()
