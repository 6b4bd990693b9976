"""Go's path cleaning: what its mux redirects to before any handler sees the request."""


def cleaned(path: str) -> str:
    """The path without empty, `.` and `..` elements; a trailing slash stays."""
    parts: list[str] = []
    for part in path.split("/"):
        if part in {"", "."}:
            continue
        if part == "..":
            if parts:
                parts.pop()
            continue
        parts.append(part)
    tail = "/" if parts and path.endswith("/") else ""
    return "/" + "/".join(parts) + tail


def is_clean(path: str) -> bool:
    """Whether the mux would leave the path alone; quick, since nearly all are."""
    return ("//" not in path and "/." not in path) or cleaned(path) == path
