"""The description as one HTML page without anything from elsewhere: families, endpoints, types, a field that filters.

It is readable without JavaScript: what is closed is `details`, and the few lines of script (`page_style`) only hide
what does not match and open what a link leads to.
"""

import html
import json
from functools import cache
from typing import Any

from lictor_catalog.openapi.bodies import described
from lictor_catalog.openapi.described import FAMILIES, answer_of
from lictor_catalog.openapi.document import operation_id
from lictor_catalog.openapi.endpoint import JSON, Endpoint, Family, Parameter
from lictor_catalog.openapi.page_style import SCRIPT, STYLE
from lictor_catalog.openapi.parameters import COMMON, IN_PATH

_INLINE_MAX = 4
"""Members of an object without a name that are written out; a larger one is seen in the example beside it."""


@cache
def encoded() -> bytes:
    """The page as it is served."""
    count = sum(len(family.endpoints) for family in FAMILIES)
    links = "".join(_link(family.name, len(family.endpoints)) for family in FAMILIES)
    every = "".join(_term(one) for one in COMMON)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Lictor: HTTP API</title>'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f'<style>{STYLE}</style></head><body><div class="page"><nav><b>Lictor</b>{links}'
        f"{_link('types', len(described().components))}</nav><div><h1>HTTP API</h1>"
        f'<p>{count} endpoints, after Consul 1.21; as OpenAPI: <a href="/openapi.json">/openapi.json</a>. '
        "The examples are requests to one small cluster, in order. Errors are bare text.</p>"
        f"<p>Every endpoint takes:</p><dl>{every}</dl>"
        '<p class="find" hidden><input id="asked" type="search" placeholder="Filter: kv put"'
        ' aria-label="Filter the endpoints"></p>'
        f"<main>{''.join(map(_family, FAMILIES))}{_types()}</main></div></div>"
        f"<script>{SCRIPT}</script></body></html>\n"
    ).encode()


def _link(name: str, count: int) -> str:
    return f'<a href="#{name}">{name} <i>{count}</i></a>'


def _family(family: Family) -> str:
    inside = "".join(_endpoint(family, one) for one in family.endpoints)
    return (
        f'<section id="{family.name}"><h2>{family.name}</h2><p class="about">{_marked(family.about)}</p>{inside}'
        "</section>"
    )


def _endpoint(family: Family, one: Endpoint) -> str:
    answer = answer_of(family.name, one)
    terms = "".join(f"<dt><code>{{{name}}}</code></dt><dd>{_marked(IN_PATH[name])}</dd>" for name in one.in_path)
    terms += "".join(_term(each) for each in one.query)
    asked, body = f"{one.method} {one.example.target}", one.example.body
    if body is not None:
        asked += "\n\n" + (body.decode() if isinstance(body, bytes) else _indented(body))
    said = answer.body if isinstance(answer.body, str) else _indented(answer.body)
    schemas = described()
    takes, gives = schemas.bodies.get(one.key), schemas.answers.get(one.key) if answer.media == JSON else None
    return (
        f'<details id="{operation_id(one)}"><summary><b class="{one.method}">{one.method}</b>'
        f"<code>{html.escape(one.path)}</code><span>{_marked(one.summary)}</span></summary>"
        '<div class="inside">'
        + (f"<h3>Parameters</h3><dl>{terms}</dl>" if terms else "")
        + (f'<h3>Body</h3><p class="form">{_form(takes)}</p>' if takes is not None else "")
        + f"<h3>Example</h3><pre>{html.escape(asked)}</pre>"
        + f"<h3>Answer: {answer.status} {html.escape(answer.media)}</h3>"
        + (f'<p class="form">{_form(gives)}</p>' if gives is not None else "")
        + (f"<pre>{html.escape(said)}</pre>" if answer.media else "")
        + "</div></details>"
    )


def _types() -> str:
    """Every component with its members."""
    inside = ""
    for name, schema in described().components.items():
        about = schema.get("description", "")
        members = "".join(
            f"<dt><code>{html.escape(member)}</code></dt><dd>{_member(one)}</dd>"
            for member, one in schema.get("properties", {}).items()
        )
        body = f"<dl>{members}</dl>" if members else f'<p class="form">{_form(schema)}</p>'
        inside += (
            f'<details id="type-{name}"><summary><code>{name}</code><span>{_marked(about)}</span></summary>'
            f'<div class="inside">{body}</div></details>'
        )
    return (
        f'<section id="types"><h2>types</h2><p class="about">What bodies and answers are made of.</p>{inside}</section>'
    )


def _member(schema: dict[str, Any]) -> str:
    about = schema.get("description", "")
    return f'<span class="form">{_form(schema)}</span>' + (f" <i>{_marked(about)}</i>" if about else "")


def _form(schema: dict[str, Any]) -> str:
    """A schema in one line: names of types are links to them."""
    if "$ref" in schema:
        name = html.escape(schema["$ref"].rpartition("/")[2])
        return f'<a href="#type-{name}">{name}</a>'
    if "const" in schema:
        return html.escape(json.dumps(schema["const"]))
    for choice in ("anyOf", "oneOf"):
        if choice in schema:
            return " or ".join(map(_form, schema[choice]))
    kind = schema.get("type", "anything")
    if kind == "array":
        return f"[{_form(schema['items'])}]"
    if kind != "object":
        return kind if isinstance(kind, str) else " or ".join(kind)
    members, others = schema.get("properties", {}), schema.get("additionalProperties")
    if isinstance(others, dict):
        return f"{{name: {_form(others)}}}"
    if not 0 < len(members) <= _INLINE_MAX:
        return "object"
    return "{" + ", ".join(f"{html.escape(name)}: {_form(one)}" for name, one in members.items()) + "}"


def _term(one: Parameter) -> str:
    return f"<dt><code>{one.name}</code></dt><dd>{_marked(one.about)}</dd>"


def _marked(text: str) -> str:
    """A line of ours with what stands in backticks as code."""
    parts = html.escape(text).split("`")
    return "".join(f"<code>{part}</code>" if place % 2 else part for place, part in enumerate(parts))


def _indented(value: object) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)
