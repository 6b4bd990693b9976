"""Routes: the quick look finds what the search over all of them finds."""

import random

from lictor_catalog import routes

ENDS = ("", "/", "a", "a/b", "/a", "a/", "exact", "../kv/a", "%2F", "execute")


def test_the_quick_look_finds_what_the_search_finds() -> None:
    dice = random.Random(1)
    paths = [f"{route}{end}" for route in routes.ROUTES for end in ENDS]
    paths += [path[: dice.randrange(len(path) + 1)] for path in paths for _ in range(3)]
    paths += ["", "/", "/v1", "/v1/", "/v1//", "/v1//kv/a", "v1/kv/a", "/v2/kv/a", "/v1/kv\x00/a", "/v1/KV/a"]
    quick = list(map(routes.find, paths))
    assert routes.find("/v1/kv/a/b") == ("/v1/kv/", "a/b")
    assert quick == list(map(routes.search, paths))
