"""Consul's definition files: services and checks out of JSON and HCL texts, as the agent's API would take them.

A text is a Consul agent configuration of which `service`, `services`, `check` and `checks` are used; its other keys are
an agent's and named in `unused`, so that one directory serves both. Keys may be snake_case or CamelCase, every block
may stand several times, texts count in the order of their names, and of two definitions with one id the last counts.
Follows Consul's service and check definitions; what one of them means is judged where the API judges it
(`service_definition`, `check_definition`). Pure: reading the directory and registering are done elsewhere.
"""

import json
from collections.abc import Callable, Iterable
from typing import Any, NoReturn, TypeVar

import msgspec

from lictor_catalog import hcl
from lictor_catalog.body_decoding import UnknownKeyError, WrongTypeError
from lictor_catalog.check_definition import AGENT_CHECK, agent_check
from lictor_catalog.errors import ApiError, BodyError
from lictor_catalog.service_definition import AGENT_SERVICE, Registration, agent_registration
from lictor_state.commands import CheckSpec

Found = TypeVar("Found", Registration, CheckSpec)
SUFFIXES = (".hcl", ".json")


class DefinitionError(ValueError):
    """A file cannot be used; the message is one line that begins with the file, and the line where it is known."""


class Definitions(msgspec.Struct, frozen=True):
    """What the files define: registrations by service id, checks by id, and `unused` keys with their file."""

    services: dict[str, Registration] = {}
    checks: dict[str, CheckSpec] = {}
    unused: tuple[str, ...] = ()

    def service_ids(self) -> frozenset[str]:
        """Every service that these definitions register, sidecars included."""
        sidecars = (one.sidecar.service_id for one in self.services.values() if one.sidecar is not None)
        return frozenset((*self.services, *sidecars))

    def check_ids(self) -> frozenset[str]:
        """Every check that these definitions register, those of services included."""
        inner = (check for one in self.services.values() for check in (*one.checks, *one.sidecar_checks))
        return frozenset((*self.checks, *(check.check_id for check in inner)))


def read(texts: Iterable[tuple[str, str]]) -> Definitions:
    """The definitions of texts, each with the name of its file; raises `DefinitionError`."""
    services: dict[str, Registration] = {}
    checks: dict[str, CheckSpec] = {}
    unused: list[str] = []
    for name, text in texts:
        for key, value in parse(name, text).items():
            read_blocks = _KEYS.get(key.lower())
            if read_blocks is None:
                unused.append(f"{key} ({name})")
                continue
            for block in _blocks(name, key, value):
                found = read_blocks(name, block)
                if isinstance(found, Registration):
                    services[found.service.service_id] = found
                else:
                    checks[found.check_id] = found
    return Definitions(services, checks, tuple(unused))


def parse(name: str, text: str) -> hcl.Block:
    """The top-level object of a file, by its suffix; raises `DefinitionError`."""
    if name.endswith(".json"):
        return _json(name, text)
    try:
        return hcl.parse(text)
    except hcl.HclError as error:
        raise DefinitionError(f"{name}:{error.line}:{error.column}: {error.rule}") from None


def _json(name: str, text: str) -> hcl.Block:
    if not text.strip():
        return hcl.Block()

    def block(pairs: list[tuple[str, Any]]) -> hcl.Block:
        made = hcl.Block()
        for key, value in pairs:
            made.put(key, value, 0)
        return made

    def no_number(given: str) -> NoReturn:
        raise DefinitionError(f"{name}: {given} is no number")

    try:
        value = json.loads(text.removeprefix("\ufeff"), object_pairs_hook=block, parse_constant=no_number)
    except json.JSONDecodeError as error:
        raise DefinitionError(f"{name}:{error.lineno}:{error.colno}: {error.msg}") from None
    except RecursionError:
        raise DefinitionError(f"{name}: nested too deep") from None
    except ValueError as error:
        raise error if isinstance(error, DefinitionError) else DefinitionError(f"{name}: {error}") from None
    if not isinstance(value, hcl.Block):
        raise DefinitionError(f"{name}: an object is expected")
    return value


def _blocks(name: str, key: str, value: Any) -> list[hcl.Block]:
    blocks = value if isinstance(value, list) else [value]
    for one in blocks:
        if not isinstance(one, hcl.Block):
            raise DefinitionError(f"{name}: {key}: a block is expected")
    return blocks


def _service(name: str, block: hcl.Block) -> Registration:
    return _judged(name, "service", block, lambda: agent_registration(_check_last(AGENT_SERVICE(block, ""))))


def _check_last(given: dict[str, Any]) -> dict[str, Any]:
    """In files `checks` are numbered before `check`, in the API after it."""
    if "Check" in given:
        given = {**given, "Checks": (*given.get("Checks", ()), given["Check"])}
        del given["Check"]
    inner = given.get("Connect", {}).get("SidecarService")
    return {**given, "Connect": {**given["Connect"], "SidecarService": _check_last(inner)}} if inner else given


def _check(name: str, block: hcl.Block) -> CheckSpec:
    return _judged(name, "check", block, lambda: agent_check(AGENT_CHECK(block, "")))


_KEYS: dict[str, Callable[[str, hcl.Block], Registration | CheckSpec]] = {
    "service": _service,
    "services": _service,
    "check": _check,
    "checks": _check,
}


def _judged(name: str, what: str, block: hcl.Block, judge: Callable[[], Found]) -> Found:
    """What `judge` makes of a block, its refusals as `DefinitionError`s."""
    given = next((value for key, value in block.items() if key.lower() == "name" and isinstance(value, str)), "")
    called = f'{what} "{given}"' if given else what
    line = block.line
    try:
        return judge()
    except UnknownKeyError as error:
        line, fault = error.line or line, error.reason
    except WrongTypeError as error:
        fault = f"{error.where.lstrip('.') or what}: {error.wanted} is expected, not {error.given}"
    except BodyError as error:
        fault = error.reason
    except ApiError as error:
        fault = " ".join(error.text.split())
    raise DefinitionError(f"{name}{f':{line}' if line else ''}: {called}: {fault}")
