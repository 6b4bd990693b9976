"""The description of the whole HTTP API as OpenAPI 3.1, served at `/openapi.json`, and as a page at `/docs`.

`families/` say what is asked, `answers/` hold what was truly answered, and the tests ask everything again.
"""
