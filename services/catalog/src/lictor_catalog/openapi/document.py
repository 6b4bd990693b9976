"""The OpenAPI 3.1 document: a plain dict of what `described` lists, encoded once.

It describes what is asked and answered, and shows one true answer of each.
"""

import re
from functools import cache
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import msgspec

from lictor_catalog.openapi.bodies import described
from lictor_catalog.openapi.described import FAMILIES, answer_of
from lictor_catalog.openapi.endpoint import JSON, Answer, Endpoint, Family, Parameter
from lictor_catalog.openapi.parameters import COMMON, IN_PATH, SHARED

VERSION = "1.21"
"""Of the API of Consul that is described."""

_PHRASES = {200: "Done.", 401: "Refused.", 404: "Not there.", 429: "Not well, or too many.", 500: "Refused or failed."}
_ERROR = "#/components/responses/Error"


def operation_id(endpoint: Endpoint) -> str:
    """A name of its own for each operation, as generators of clients want it: `get-v1-kv-key`."""
    return re.sub(r"[^a-z0-9]+", "-", f"{endpoint.method}{endpoint.path}".lower()).strip("-")


def document() -> dict[str, Any]:
    """The whole description."""
    paths: dict[str, dict[str, Any]] = {}
    for family in FAMILIES:
        for endpoint in family.endpoints:
            paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = _operation(family, endpoint)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Lictor",
            "version": VERSION,
            "summary": "Consul's HTTP API",
            "description": "Errors are bare text. Examples are requests to one small cluster, in order.",
        },
        "servers": [{"url": "/"}],
        "tags": [{"name": family.name, "description": family.about} for family in FAMILIES],
        "paths": paths,
        "components": {
            "parameters": {name: _parameter(one) for name, one in SHARED.items()},
            "schemas": described().components,
            "responses": {"Error": {"description": "Why not, as text.", "content": {"text/plain": {"schema": _TEXT}}}},
        },
    }


@cache
def encoded() -> bytes:
    """The document as it is served."""
    return msgspec.json.encode(document())


_TEXT = {"type": "string"}


def _operation(family: Family, endpoint: Endpoint) -> dict[str, Any]:
    answer = answer_of(family.name, endpoint)
    said: dict[str, Any] = {"description": _PHRASES[answer.status]}
    if answer.media:
        said["content"] = {answer.media: {"schema": answer_schema(endpoint, answer), "example": answer.body}}
    in_path = examples_in_path(endpoint)
    in_query = dict(parse_qsl(urlsplit(endpoint.example.target).query, keep_blank_values=True))
    parameters: list[dict[str, Any]] = [
        {"name": name, "in": "path", "required": True, "description": IN_PATH[name], "schema": _TEXT, "example": value}
        for name, value in in_path.items()
    ]
    for one in endpoint.query + COMMON:
        if one.shared and one.name not in in_query:
            parameters.append({"$ref": f"#/components/parameters/{one.name}"})
        else:
            parameters.append(_parameter(one, in_query.get(one.name)))
    operation: dict[str, Any] = {
        "operationId": operation_id(endpoint),
        "tags": [family.name],
        "summary": endpoint.summary,
        "parameters": parameters,
        "responses": {str(answer.status): said, "default": {"$ref": _ERROR}},
    }
    body = endpoint.example.body
    if isinstance(body, bytes):
        operation["requestBody"] = {
            "content": {"application/octet-stream": {"schema": _TEXT, "example": body.decode()}}
        }
    elif body is not None:
        schema = described().bodies[endpoint.key]
        operation["requestBody"] = {"content": {JSON: {"schema": schema, "example": body}}}
    return operation


def answer_schema(endpoint: Endpoint, answer: Answer) -> dict[str, Any]:
    """What an answer is: text, or JSON of this form."""
    return described().answers[endpoint.key] if answer.media == JSON else _TEXT


def examples_in_path(endpoint: Endpoint) -> dict[str, str]:
    """The values that the example's target has for the parameters of the path; the last takes what is left."""
    pattern = re.sub(r"\\{([a-z]+)\\}", r"(?P<\1>.+)", re.escape(endpoint.path))
    found = re.fullmatch(pattern, urlsplit(endpoint.example.target).path)
    return {name: unquote(value) for name, value in found.groupdict().items()} if found else {}


def _parameter(one: Parameter, example: str | None = None) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "boolean" if one.kind == "flag" else one.kind}
    told: dict[str, Any] = {"name": one.name, "in": "query", "description": one.about, "schema": schema}
    if one.kind == "flag":
        told["allowEmptyValue"] = True
    if one.repeated:
        told["schema"] = {"type": "array", "items": schema}
    if example is not None:
        value: Any = example
        if one.kind in {"boolean", "flag"}:
            value = example != "false"
        elif one.kind == "integer":
            value = int(example)
        told["example"] = [value] if one.repeated else value
    return told
