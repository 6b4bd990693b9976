"""The demo's backend: says which instance it is.

Run: `python -m lictor_cli.demo.backend --name backend-1 --port 9091`.
"""

import argparse

from lictor_cli.demo.tiny_http import Request, serve


def main() -> None:
    """Serve until told to stop."""
    parser = argparse.ArgumentParser(description="The demo's backend.")
    parser.add_argument("--name", required=True, help="what it calls itself")
    parser.add_argument("--bind", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    given = parser.parse_args()

    async def answer(request: Request) -> tuple[int, str]:
        if request.path == "/health":
            return 200, "ok\n"
        return 200, f"hello from {given.name}\n"

    serve(given.bind, given.port, answer)


if __name__ == "__main__":
    main()
