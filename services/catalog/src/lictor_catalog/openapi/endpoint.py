"""The vocabulary of the description: an endpoint, its parameters, one example (OpenAPI 3.1: operation objects).

An example is a request. What it was answered is recorded (`answers`), except where the answer is no JSON or text that
could be told again; such an example carries its answer itself.
"""

import re
from typing import Literal

import msgspec

Method = Literal["GET", "PUT", "POST", "DELETE"]
Kind = Literal["string", "integer", "boolean", "flag"]
"""A flag holds when it is there, with or without a value; a boolean has a value."""

JSON = "application/json"
_IN_PATH = re.compile(r"\{([a-z]+)\}")


class Parameter(msgspec.Struct, frozen=True):
    """A query parameter; `shared` ones stand once among the components and are referred to."""

    name: str
    about: str
    kind: Kind = "string"
    repeated: bool = False
    shared: bool = False


class Answer(msgspec.Struct, frozen=True):
    """What was answered: a JSON value or a text; a `media` of "" is an answer without a body."""

    status: int
    media: str = ""
    body: object = None


class Example(msgspec.Struct, frozen=True):
    """A request: its target, and its body as JSON or, when it is `bytes`, as it is.

    `names` is the id by which the examples call the thing that this request makes; where they are run, the true id
    takes its place.
    """

    target: str
    body: object = None
    names: str = ""
    answer: Answer | None = None


class Endpoint(msgspec.Struct, frozen=True):
    """One method of one path; `{name}` in the path is a parameter that `parameters.IN_PATH` explains."""

    method: Method
    path: str
    summary: str
    example: Example
    query: tuple[Parameter, ...] = ()

    @property
    def in_path(self) -> tuple[str, ...]:
        """The names of the path's parameters, in order."""
        return tuple(_IN_PATH.findall(self.path))

    @property
    def key(self) -> str:
        """Under which its answer is recorded."""
        return f"{self.method} {self.path}"


class Family(msgspec.Struct, frozen=True):
    """The endpoints that belong together, in the order in which their examples make a story."""

    name: str
    about: str
    endpoints: tuple[Endpoint, ...]
