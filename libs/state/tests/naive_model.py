"""A deliberately naive second catalog: plain dicts, nothing indexed, every answer found by looking through everything.

It was written from the rules (Consul's state store, and the documents beside `lictor_state`), not from the code: what
both say alike is likely right. Membership, intentions, the CA and tombstones' reaping are not in it.
"""

import copy
from collections.abc import Callable, Iterable
from typing import Any

from lictor_state import commands as c

Key = tuple[str, ...]
Row = dict[str, Any]
LOCK_DELAY_MAX_NS = 60_000_000_000


class RefusedError(Exception):
    """The command breaks a rule; nothing of it holds."""


def content(row: Row | None) -> Row | None:
    """A row without the indexes at which it was written."""
    return None if row is None else {name: row[name] for name in row if name not in ("create", "modify")}


class NaiveModel:
    """All rows by table, and how to carry out a command on them."""

    def __init__(self) -> None:
        self.tables: dict[str, dict[Key, Row]] = {
            name: {}
            for name in (
                "nodes",
                "services",
                "checks",
                "kv",
                "sessions",
                "delays",
                "config",
                "coords",
                "virtual",
                "gateways",
                "events",
            )
        }
        self.now = 0
        self.extinct: list[str] = []
        """Services and destinations that lost their last instance at this index, `connect ` before the latter."""

    def __getattr__(self, name: str) -> dict[Key, Row]:
        try:
            return self.__dict__["tables"][name]  # type: ignore[no-any-return]  # the table of that name
        except KeyError:
            raise AttributeError(name) from None

    def do(self, now: int, command: c.Command) -> Any:
        """The command's value, or `RefusedError` itself when it was refused."""
        self.now, self.extinct = now, []
        saved = copy.deepcopy(self.tables)
        try:
            return _RUN[type(command)](self, command)
        except RefusedError:
            self.tables, self.extinct = saved, []
            return RefusedError

    # rows

    def put(self, table: str, key: Key, row: Row) -> bool:
        """Write a row unless it is there just so."""
        old = self.tables[table].get(key)
        if content(old) == row:
            return False
        self.tables[table][key] = row | {"create": old["create"] if old else self.now, "modify": self.now}
        return True

    def of_node(self, table: str, node: str) -> list[tuple[Key, Row]]:
        """Rows of a table on a node, by their second name."""
        return [(key, self.tables[table][key]) for key in sorted(self.tables[table]) if key[0] == node.lower()]

    def instances(self, name: str) -> list[Row]:
        """Instances of a service by node and id."""
        return [row for key, row in sorted(self.services.items()) if row["name"].lower() == name.lower()]

    def in_mesh(self, name: str) -> list[Row]:
        """Proxies of a service, and its native instances."""
        return [row for key, row in sorted(self.services.items()) if stands_for(row) == name.lower()]

    # nodes, services, checks

    def put_node(self, node: str, address: str, node_id: str, meta: dict[str, str]) -> str:
        old = self.nodes.get((node.lower(),))
        name: str = old["node"] if old else node
        self.put("nodes", (node.lower(),), {"node": name, "id": node_id, "address": address, "meta": meta})
        return name

    def any_node(self, node: str, address: str) -> str:
        """The node, made without an id if nobody has heard of it."""
        old = self.nodes.get((node.lower(),))
        return str(old["node"]) if old else self.put_node(node, address, "", {})

    def remove_node(self, node: str) -> None:
        if (node.lower(),) not in self.nodes:
            return
        for key, _ in self.of_node("services", node):
            self.remove_service(key)
        for key, _ in self.of_node("checks", node):
            self.remove_check(key)
        for key, _ in self.of_node("coords", node):
            del self.coords[key]
        for key, row in list(self.sessions.items()):
            if row["node"].lower() == node.lower():
                self.end_session(key)
        del self.nodes[(node.lower(),)]

    def put_service(self, node: str, spec: c.ServiceSpec, *, agent: bool) -> None:
        key = (node.lower(), spec.service_id)
        old = self.services.get(key)
        row: Row = {
            "node": node,
            "id": spec.service_id,
            "name": spec.name,
            "kind": spec.kind,
            "tags": spec.tags,
            "port": spec.port,
            "native": spec.native,
            "destination": spec.proxy.destination_service_name if spec.proxy else "",
            "agent": agent or bool(old and old["agent"]),
            "sidecar_of": spec.sidecar_of or (old["sidecar_of"] if old and not agent else ""),
        }
        service = stands_for(row)
        if service and (service,) not in self.virtual:
            taken = {one["offset"] for one in self.virtual.values()}
            free = min(number for number in range(1, len(taken) + 2) if number not in taken)
            self.virtual[(service,)] = {"offset": free, "create": self.now, "modify": self.now}
        row["virtual"] = self.virtual[(service,)]["offset"] if service else 0
        self.put("services", key, row)
        if old:
            self.let_go(old)
            for check_key, check in self.of_node("checks", node):
                if check["service_id"] == spec.service_id:
                    self.write_check(check_key, content(check) | {"service": spec.name, "tags": spec.tags})  # type: ignore[operator]  # it is there

    def let_go(self, old: Row) -> None:
        """An instance is not what it was: names that nothing stands for any more are extinct, addresses free."""
        if not self.instances(old["name"]):
            self.extinct.append(old["name"].lower())
        service = stands_for(old)
        if service and not self.in_mesh(service):
            self.extinct.append(f"connect {service}")
            self.virtual.pop((service,), None)

    def remove_service(self, key: Key) -> None:
        for check_key, check in self.of_node("checks", key[0]):
            if check["service_id"] == key[1]:
                self.remove_check(check_key)
        self.let_go(self.services.pop(key))

    def put_check(self, node: str, spec: c.CheckSpec, *, agent: bool) -> None:
        service = self.services.get((node.lower(), spec.service_id)) if spec.service_id else None
        if spec.service_id and service is None:
            raise RefusedError
        key = (node.lower(), spec.check_id)
        old = self.checks.get(key)
        same = old and (old["definition"], old["type"], old["service_id"]) == (
            spec.definition,
            spec.type,
            spec.service_id,
        )
        row: Row = {
            "node": node,
            "id": spec.check_id,
            "status": old["status"] if agent and old else spec.status or "critical",
            "output": old["output"] if agent and old else spec.output,
            "service_id": spec.service_id,
            "service": service["name"] if service else "",
            "tags": service["tags"] if service else (),
            "type": spec.type,
            "definition": spec.definition,
            "agent": agent or bool(old and old["agent"]),
            "defined": old["defined"] if old and same else self.now,
        }
        self.write_check(key, row)

    def write_check(self, key: Key, row: Row) -> None:
        if self.put("checks", key, row) and row["status"] == "critical":
            self.end_sessions_of(key)

    def remove_check(self, key: Key) -> None:
        del self.checks[key]
        self.end_sessions_of(key)

    # sessions and keys

    def end_sessions_of(self, check: Key) -> None:
        for key in sorted(self.sessions):
            row = self.sessions.get(key)
            if row and row["node"].lower() == check[0] and check[1] in row["checks"]:
                self.end_session(key)

    def end_session(self, key: Key) -> None:
        session = self.sessions.pop(key)
        for name, row in list(self.kv.items()):
            if row["session"] == key[0]:
                if session["behavior"] == "delete":
                    del self.kv[name]
                else:
                    self.kv[name] = row | {"session": "", "modify": self.now}
                if session["delay"]:
                    self.delays[name] = {"delay": min(session["delay"], LOCK_DELAY_MAX_NS), "create": self.now}


def stands_for(row: Row) -> str:
    """The service whose mesh traffic an instance takes."""
    if row["kind"] == "connect-proxy":
        return str(row["destination"]).lower()
    return str(row["name"]).lower() if row["native"] else ""


def _catalog_register(model: NaiveModel, command: c.CatalogRegister) -> bool:
    key = (command.node.lower(),)
    old = model.nodes.get(key)
    if old and command.skip_node_update:
        name = str(old["node"])
    else:
        if command.node_id:
            _take_name(model, command, old)
            old = model.nodes.get(key)
        node_id = command.node_id or (old["id"] if old else "")
        name = model.put_node(command.node, command.address, node_id, command.node_meta)
    if command.service:
        model.put_service(name, command.service, agent=False)
    for check in command.checks:
        model.put_check(name, check, agent=False)
    return True


def _take_name(model: NaiveModel, command: c.CatalogRegister, old: Row | None) -> None:
    named = [key[0] for key, row in model.nodes.items() if row["id"] == command.node_id]
    if named == [command.node.lower()]:
        return
    if old and old["id"] != command.node_id and (old["id"] or named):
        health = model.checks.get((command.node.lower(), "serfHealth"))
        if health and health["status"] != "critical":
            raise RefusedError
    for one in named:
        model.remove_node(one)


def _catalog_deregister(model: NaiveModel, command: c.CatalogDeregister) -> bool:
    node = command.node.lower()
    if command.service_id:
        if (node, command.service_id) in model.services:
            model.remove_service((node, command.service_id))
    elif command.check_id:
        if (node, command.check_id) in model.checks:
            model.remove_check((node, command.check_id))
    else:
        model.remove_node(node)
    return True


def _agent_register(model: NaiveModel, command: c.AgentServiceRegister) -> bool:
    name = model.any_node(command.node, command.address)
    parts = [(command.service, command.checks)]
    if command.sidecar:
        parts.append((command.sidecar, command.sidecar_checks))
    for at, (given, checks) in enumerate(parts):
        spec = _on_a_port(model, command, given) if at and not given.port and given.sidecar_of else given
        model.put_service(name, spec, agent=True)
        if command.replace_existing_checks:
            kept = {one.check_id for one in checks}
            for key, row in model.of_node("checks", name):
                if row["service_id"] == spec.service_id and key[1] not in kept:
                    model.remove_check(key)
        for one in checks:
            values = {field: getattr(one, field) for field in one.__struct_fields__}
            model.put_check(name, c.CheckSpec(**(values | {"service_id": spec.service_id})), agent=True)
    return True


def _on_a_port(model: NaiveModel, command: c.AgentServiceRegister, given: c.ServiceSpec) -> c.ServiceSpec:
    ports = range(command.sidecar_port_min, command.sidecar_port_max + 1)
    here = {key[1]: row["port"] for key, row in model.of_node("services", command.node) if row["port"] in ports}
    free = [port for port in ports if port not in here.values()]
    port = here.get(given.service_id) or (free[0] if free else 0)
    if not port:
        raise RefusedError
    return c.ServiceSpec(**{field: getattr(given, field) for field in given.__struct_fields__} | {"port": port})


def _agent_deregister(model: NaiveModel, command: c.AgentServiceDeregister) -> bool:
    node = command.node.lower()
    row = model.services.get((node, command.service_id))
    if not row or not row["agent"]:
        raise RefusedError
    model.remove_service((node, command.service_id))
    sidecar = (node, f"{command.service_id}-sidecar-proxy")
    if sidecar in model.services and model.services[sidecar]["sidecar_of"] == command.service_id:
        model.remove_service(sidecar)
    return True


def _agent_check_register(model: NaiveModel, command: c.AgentCheckRegister) -> bool:
    node = model.any_node(command.node, command.address)
    if command.keep and (command.node.lower(), command.check.check_id) in model.checks:
        if command.check.service_id and (command.node.lower(), command.check.service_id) not in model.services:
            raise RefusedError
        return False
    model.put_check(node, command.check, agent=True)
    return True


def _agent_check_deregister(model: NaiveModel, command: c.AgentCheckDeregister) -> bool:
    key = (command.node.lower(), command.check_id)
    if key not in model.checks or not model.checks[key]["agent"]:
        raise RefusedError
    model.remove_check(key)
    return True


def _transition(model: NaiveModel, command: c.CheckTransition) -> bool:
    key = (command.node.lower(), command.check_id)
    row = model.checks.get(key)
    if not row or row["defined"] != command.definition_index:
        return False
    model.write_check(key, content(row) | {"status": command.status, "output": command.output})  # type: ignore[operator]  # it is there
    return True


def _kv_set(model: NaiveModel, command: c.KVSet) -> bool:
    key = (command.key,)
    old = model.kv.get(key)
    if command.cas is not None and command.cas != (old["modify"] if old else 0):
        return False
    held, locks = (old["session"], old["locks"]) if old else ("", 0)
    if command.acquire:
        if key in model.delays:
            return False
        if (command.acquire,) not in model.sessions:
            raise RefusedError
        if held not in ("", command.acquire):
            return False
        locks += held == ""
        held = command.acquire
    elif command.release:
        if not old or held != command.release:
            return False
        held = ""
    value = command.value or b""
    model.put("kv", key, {"value": value, "flags": command.flags, "session": held, "locks": locks})
    return True


def _kv_delete(model: NaiveModel, command: c.KVDelete) -> bool:
    old = model.kv.get((command.key,))
    if old and command.cas not in (None, old["modify"]):
        return False
    model.kv.pop((command.key,), None)
    return True


def _kv_delete_tree(model: NaiveModel, command: c.KVDeleteTree) -> bool:
    for key in [key for key in model.kv if key[0].startswith(command.prefix)]:
        del model.kv[key]
    return True


def _session_create(model: NaiveModel, command: c.SessionCreate) -> str:
    if (command.session_id,) in model.sessions or (command.node.lower(),) not in model.nodes:
        raise RefusedError
    checks = {*command.checks, *(command.node_checks or ()), *(one.check_id for one in command.service_checks or ())}
    for one in checks:
        if model.checks.get((command.node.lower(), one), {"status": "critical"})["status"] == "critical":
            raise RefusedError
    row = {
        "node": command.node,
        "checks": checks,
        "behavior": command.behavior,
        "delay": command.lock_delay_ns,
    }
    model.put("sessions", (command.session_id,), row)
    return command.session_id


def _session_destroy(model: NaiveModel, command: c.SessionDestroy) -> bool:
    if (command.session_id,) in model.sessions:
        model.end_session((command.session_id,))
    return True


def _lock_delay_end(model: NaiveModel, command: c.LockDelayEnd) -> bool:
    if model.delays.get((command.key,), {"create": 0})["create"] != command.create_index:
        return False
    del model.delays[(command.key,)]
    return True


def _config_set(model: NaiveModel, command: c.ConfigEntrySet) -> bool:
    key = (command.kind, command.name.lower())
    if command.name == "*":
        raise RefusedError
    old = model.config.get(key)
    if command.cas is not None and command.cas != (old["modify"] if old else 0):
        return False
    model.put("config", key, {"body": command.body})
    return True


def _config_delete(model: NaiveModel, command: c.ConfigEntryDelete) -> bool:
    key = (command.kind, command.name.lower())
    old = model.config.get(key)
    if command.cas is not None and command.cas != (old["modify"] if old else None):
        return False
    model.config.pop(key, None)
    return True


def _coordinates(model: NaiveModel, command: c.CoordinatesUpdate) -> bool:
    for one in command.updates:
        node = model.nodes.get((one.node.lower(),))
        if node and len(one.vec) == 8:
            where = {"node": node["node"], "segment": one.segment, "vec": one.vec, "height": one.height}
            model.put("coords", (one.node.lower(), one.segment), where)
    return True


def _event(model: NaiveModel, command: c.EventFire) -> bool:
    if (command.event_id,) in model.events:
        return False
    ltime = command.ltime or max([0, *(row["ltime"] for row in model.events.values())]) + 1
    row = {"name": command.name, "node": command.node_filter, "service": command.service_filter, "ltime": ltime}
    return model.put("events", (command.event_id,), row)


def _gateway(model: NaiveModel, command: c.GatewayServicesSet) -> bool:
    gateway = command.gateway.lower()
    wanted = {
        (gateway, one.service.lower(), str(one.port)): {
            "gateway": command.gateway,
            "service": one.service,
            "kind": command.kind,
            "port": one.port,
        }
        for one in command.services
    }
    for key in [key for key in model.gateways if key[0] == gateway and key not in wanted]:
        del model.gateways[key]
    for key, row in wanted.items():
        model.put("gateways", key, row)
    return True


_RUN: dict[type, Callable[[NaiveModel, Any], Any]] = {
    c.CatalogRegister: _catalog_register,
    c.CatalogDeregister: _catalog_deregister,
    c.AgentServiceRegister: _agent_register,
    c.AgentServiceDeregister: _agent_deregister,
    c.AgentCheckRegister: _agent_check_register,
    c.AgentCheckDeregister: _agent_check_deregister,
    c.CheckTransition: _transition,
    c.KVSet: _kv_set,
    c.KVDelete: _kv_delete,
    c.KVDeleteTree: _kv_delete_tree,
    c.SessionCreate: _session_create,
    c.SessionDestroy: _session_destroy,
    c.LockDelayEnd: _lock_delay_end,
    c.ConfigEntrySet: _config_set,
    c.ConfigEntryDelete: _config_delete,
    c.CoordinatesUpdate: _coordinates,
    c.EventFire: _event,
    c.GatewayServicesSet: _gateway,
}
KNOWN: Iterable[type] = tuple(_RUN)
