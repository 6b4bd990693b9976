"""The schemas of `/openapi.json`: every example fits its own, every reference leads somewhere, and misfits are seen."""

import json
import re
from typing import Any

import msgspec
import pytest
from api_fixture import story
from openapi_story import told

from lictor_catalog import body_decoding as body
from lictor_catalog.openapi import page
from lictor_catalog.openapi.bodies import GIVES, TAKES, described
from lictor_catalog.openapi.described import FAMILIES, answer_of
from lictor_catalog.openapi.document import document
from lictor_catalog.openapi.endpoint import JSON
from lictor_catalog.openapi.schemas import Schemas, as_recorded

DOCUMENT: dict[str, Any] = json.loads(msgspec.json.encode(document()))
COMPONENTS = DOCUMENT["components"]["schemas"]
KNOWN = {
    "$ref", "additionalProperties", "anyOf", "const", "contentEncoding", "default", "description", "discriminator",
    "items", "minimum", "oneOf", "properties", "required", "type",
}  # fmt: skip
"""What `misfits` understands, or what says nothing about a value."""

TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,), "integer": (int,), "number": (int, float), "boolean": (bool,), "object": (dict,),
    "array": (list,), "null": (type(None),),
}  # fmt: skip
ALL = [(family.name, one) for family in FAMILIES for one in family.endpoints]


def is_of(value: Any, name: str) -> bool:
    return isinstance(value, TYPES[name]) and (name == "boolean" or not isinstance(value, bool))


def misfits(value: Any, schema: Any, at: str = "") -> list[str]:
    """Where a value is not what a schema says; the part of JSON Schema that our documents use."""
    assert set(schema) <= KNOWN, schema
    found = misfits(value, COMPONENTS[schema["$ref"].rpartition("/")[2]], at) if "$ref" in schema else []
    if "const" in schema and value != schema["const"]:
        found.append(f"{at}: {value!r} is not {schema['const']!r}")
    kinds = schema.get("type", [])
    if kinds and not any(is_of(value, one) for one in ([kinds] if isinstance(kinds, str) else kinds)):
        found.append(f"{at}: {value!r} is no {kinds}")
    for choice in ("anyOf", "oneOf"):
        if choice in schema and all(misfits(value, one, at) for one in schema[choice]):
            found.append(f"{at}: {value!r} is none of {choice}")
    if isinstance(value, dict):
        found += [f"{at}.{name} is missing" for name in schema.get("required", ()) if name not in value]
        properties, others = schema.get("properties", {}), schema.get("additionalProperties", {})
        for name, one in value.items():
            if name in properties:
                found += misfits(one, properties[name], f"{at}.{name}")
            elif others is False:
                found.append(f"{at}.{name} is unknown")
            else:
                found += misfits(one, others, f"{at}.{name}")
    if isinstance(value, list):
        for number, one in enumerate(value):
            found += misfits(one, schema.get("items", {}), f"{at}[{number}]")
    return found


@pytest.mark.parametrize("key", [one.key for _, one in ALL])
def test_an_example_fits_its_schemas(key: str) -> None:
    family, endpoint = next((family, one) for family, one in ALL if one.key == key)
    operation = DOCUMENT["paths"][endpoint.path][endpoint.method.lower()]
    asked, answer = endpoint.example.body, answer_of(family, endpoint)
    if asked is not None:
        [(media, content)] = operation["requestBody"]["content"].items()
        value = asked.decode() if isinstance(asked, bytes) else json.loads(msgspec.json.encode(asked))
        assert misfits(value, content["schema"]) == []
        assert (media == JSON) is (key in TAKES), "what is no bytes is decoded by something"
    if answer.media:
        schema = operation["responses"][str(answer.status)]["content"][answer.media]["schema"]
        assert misfits(answer.body, schema) == []


@story
async def test_what_is_truly_answered_fits_too() -> None:
    wrong = []
    async for one in told():
        if one.answer.media == JSON:
            wrong += misfits(one.answer.body, described().answers[one.endpoint.key], one.endpoint.key)
    assert not wrong, "\n".join(wrong)


def test_only_endpoints_that_there_are_have_schemas() -> None:
    keys = {one.key for _, one in ALL}
    assert set(TAKES) <= keys
    assert set(GIVES) <= keys


def test_references_lead_to_components_and_every_component_is_referred_to() -> None:
    referred: set[str] = set()

    def collect(value: Any) -> None:
        if isinstance(value, dict):
            if isinstance(value.get("$ref"), str) and "/schemas/" in value["$ref"]:
                referred.add(value["$ref"].rpartition("/")[2])
            for name, one in value.items():
                if name != "example":
                    collect(one)
        elif isinstance(value, list):
            for one in value:
                collect(one)

    collect(DOCUMENT)
    assert referred == set(COMPONENTS)
    assert not [name for name in COMPONENTS if name.startswith(("Shown", "_"))]
    for kind, reference in COMPONENTS["ConfigEntry"]["discriminator"]["mapping"].items():
        entry = COMPONENTS[reference.rpartition("/")[2]]
        assert entry["properties"]["Kind"] == {"const": kind}


@pytest.mark.parametrize(
    ("value", "name", "misfit"),
    [
        ({"Node": "n", "Address": 5}, "CatalogRegistration", ".Address: 5 is no string"),
        ({"Nod": "n"}, "CatalogRegistration", ".Nod is unknown"),
        ({"Name": "w", "Connect": {"SidecarService": {"Port": "1"}}}, "AgentServiceRegistration", ".Connect.SidecarService.Port: '1' is no integer"),
        ({"Name": "w", "Checks": [{"TTL": True}]}, "AgentServiceRegistration", ".Checks[0].TTL: True is no ['string', 'integer']"),
        ({"Key": "k"}, "KVEntry", ".LockIndex is missing"),
        ({"Kind": "mesh", "Protocol": "http"}, "ConfigEntry", ": {'Kind': 'mesh', 'Protocol': 'http'} is none of oneOf"),
    ],
)  # fmt: skip
def test_a_misfit_is_seen(value: Any, name: str, misfit: str) -> None:
    assert misfit in misfits(value, COMPONENTS[name])


def test_a_decoder_that_nobody_has_described_is_an_error() -> None:
    with pytest.raises(KeyError):
        Schemas({}).of_body(body.Shape({"A": lambda value, _path: value}))


def test_an_answer_without_a_struct_is_described_by_what_was_recorded() -> None:
    recorded = {"A": [{"B": 1}, {"B": 1.5, "C": None}], "D": True, "E": []}
    assert as_recorded(recorded) == {
        "type": "object",
        "properties": {
            "A": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {"B": {"anyOf": [{"type": "integer"}, {"type": "number"}]}, "C": {}},
                },
            },
            "D": {"type": "boolean"},
            "E": {"type": "array", "items": {}},
        },
    }
    assert misfits(recorded, as_recorded(recorded)) == []


def test_every_type_is_on_the_page_once() -> None:
    ids = re.findall(r'\bid="([^"]+)"', page.encoded().decode())
    assert len(set(ids)) == len(ids)
    assert {one.removeprefix("type-") for one in ids if one.startswith("type-")} == set(COMPONENTS)
