"""JSON schemas of bodies and answers, made of what decodes and encodes them (OpenAPI 3.1: components).

Bodies are walked from their shapes (`body_decoding`) and the fields of config entries (`config_entries`), answers come
from the structs that are encoded; nothing is written down a second time. An answer that is made without a struct is
described by the one that was recorded. What values mean together is not described: that is judged, and refused in
words.
"""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from lictor_catalog import body_decoding as body
from lictor_catalog import coordinate_updates, session_request, txn_request
from lictor_catalog.config_entries import fields as entry
from lictor_catalog.consul_shapes import COMPONENT

Schema = dict[str, Any]

TEXT: Schema = {"type": "string"}
_WHOLE: Schema = {"type": "integer"}
_FLAG: Schema = {"type": "boolean"}
_REAL: Schema = {"type": "number"}
_ANY: Schema = {}
_OBJECT: Schema = {"type": "object"}
_GO_DURATION = "A duration as `10s` or `1m30s`, or nanoseconds."
_DURATION: Schema = {"type": ["string", "integer"], "description": _GO_DURATION}

_LEAVES: dict[Callable[..., Any], Schema] = {
    body.text: TEXT,
    body.integer: _WHOLE,
    body.unsigned: {"type": "integer", "minimum": 0},
    body.flag: _FLAG,
    body.duration: _DURATION,
    body.opaque: _ANY,
    body.opaque_object: _OBJECT,
    coordinate_updates.number: _REAL,
    session_request.lock_delay: {
        "type": ["string", "number"],
        "description": "A duration as `15s`; a number below 1000 counts seconds, above it nanoseconds.",
    },
    txn_request.base64_value: {"type": "string", "contentEncoding": "base64"},
    entry.text: TEXT,
    entry.integer: _WHOLE,
    entry.number: _REAL,
    entry.flag: _FLAG,
    entry.nanoseconds: _DURATION,
    entry.duration: _DURATION,
    entry.opaque: _OBJECT,
}


class Schemas:
    """Collects the components that the described endpoints need."""

    def __init__(self, named: Mapping[str, object]) -> None:
        """`named` are the decoders that become components of their own."""
        self._named = {id(decoder): name for name, decoder in named.items()}
        self._decoders = named
        self._structs: list[Any] = []

    def of_body(self, decoder: object) -> Schema:
        """What a decoder takes; raises `KeyError` for a function that `_LEAVES` does not know."""
        name = self._named.get(id(decoder))
        return {"$ref": COMPONENT.format(name=name)} if name else self._inner(decoder)

    def of_answer(self, made_of: Any) -> Schema:
        """What a type is encoded as."""
        self._structs.append(made_of)
        (schema,), _ = msgspec.json.schema_components([made_of], ref_template=COMPONENT)
        plain: Schema = _plainly_named(schema)
        return plain

    def components(self) -> dict[str, Schema]:
        """Everything that was referred to, by name."""
        _, structs = msgspec.json.schema_components(self._structs, ref_template=COMPONENT)
        found = {_plain_name(name): _plainly_named(schema) for name, schema in structs.items()}
        found |= {name: self._inner(decoder) for name, decoder in self._decoders.items()}
        return dict(sorted(found.items()))

    def _inner(self, decoder: Any) -> Schema:
        if isinstance(decoder, body.ListOf | entry.ListOf):
            return {"type": "array", "items": self.of_body(decoder.of)}
        if isinstance(decoder, body.MapOf | entry.MapOf):
            return {"type": "object", "additionalProperties": self.of_body(decoder.of)}
        if isinstance(decoder, body.Around | body.Later):
            return self.of_body(decoder.of)
        if isinstance(decoder, body.Shape):
            schema = self._object(decoder.fields)
            return schema if decoder.lenient else schema | {"additionalProperties": False}
        if isinstance(decoder, entry.Obj):
            schema = self._object(decoder.fields)
            for name, missing in decoder.kept.items():
                if missing is None:
                    schema["properties"][name] = {"anyOf": [schema["properties"][name], {"type": "null"}]}
            return schema | {"additionalProperties": False}
        if isinstance(decoder, tuple):
            return {"oneOf": [self.of_body(one) for one in decoder]}
        return _LEAVES[decoder]

    def _object(self, fields: Mapping[str, Any]) -> Schema:
        return {"type": "object", "properties": {name: self.of_body(one) for name, one in fields.items()}}


def as_recorded(answer: object) -> Schema:
    """A schema that the given answer has, for answers without a struct: nothing in it is said to be required."""
    if isinstance(answer, dict):
        return {"type": "object", "properties": {name: as_recorded(one) for name, one in answer.items()}}
    if isinstance(answer, list):
        kinds = [as_recorded(one) for one in answer]
        return {"type": "array", "items": _joined(kinds)}
    if isinstance(answer, bool):
        return _FLAG
    if isinstance(answer, int):
        return _WHOLE
    if isinstance(answer, float):
        return _REAL
    return TEXT if isinstance(answer, str) else _ANY


def _joined(kinds: list[Schema]) -> Schema:
    """One schema for all elements of a list."""
    distinct = [kind for at, kind in enumerate(kinds) if kind not in kinds[:at]]
    if len(distinct) > 1 and all("properties" in kind for kind in distinct):
        names = dict.fromkeys(name for kind in distinct for name in kind["properties"])
        properties = {
            name: _joined([kind["properties"][name] for kind in distinct if name in kind["properties"]])
            for name in names
        }
        return {"type": "object", "properties": properties}
    return distinct[0] if len(distinct) == 1 else {"anyOf": distinct} if distinct else _ANY


def _plain_name(name: str) -> str:
    return name.removeprefix("Shown")


def _plainly_named(schema: Any) -> Any:
    """The same schema, with references by plain names and without titles, which say the name again."""
    if isinstance(schema, dict):
        title = "title" if isinstance(schema.get("title"), str) else ""
        made = {key: _plainly_named(one) for key, one in schema.items() if key != title}
        if isinstance(made.get("$ref"), str):
            prefix, _, name = made["$ref"].rpartition("/")
            made["$ref"] = f"{prefix}/{_plain_name(name)}"
        return made
    return [_plainly_named(one) for one in schema] if isinstance(schema, list) else schema
