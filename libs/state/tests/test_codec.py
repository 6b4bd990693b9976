from typing import Any

import msgspec
import pytest
import xxhash

from lictor_state import Change, CodecError, Table
from lictor_state.codec import (
    GroupEncoder,
    decode_envelope,
    decode_group,
    decode_row,
    encode_envelope,
    encode_group,
    encode_row,
    row_hash,
)
from lictor_state.commands import CatalogRegister, CheckSpec, Command, Envelope, KVSet, ServiceSpec
from lictor_state.coordinate_rows import CoordinateRow
from lictor_state.definition_file_rows import DefinitionFilesRow
from lictor_state.event_rows import EventRow
from lictor_state.mesh_rows import GatewayServiceRow, VirtualIPRow
from lictor_state.prepared_query_rows import (
    PreparedQueryRow,
    QueryDefinition,
    QueryFailover,
    QueryService,
    QueryTarget,
    QueryTemplate,
)
from lictor_state.rows import (
    ROW_TYPES,
    AgentRow,
    AutopilotRow,
    CAKeyRow,
    CARootRow,
    CheckRow,
    ConfigEntryRow,
    IndexRow,
    KVRow,
    LockDelayRow,
    MetaRow,
    NodeRow,
    ProxyDefinition,
    Row,
    ServiceCheck,
    ServiceRow,
    SessionRow,
    TaggedAddress,
    TombstoneRow,
    Upstream,
)

pack = msgspec.msgpack.encode
unpack = msgspec.msgpack.decode

SERVICE = ServiceRow(
    "n",
    "w",
    "web",
    kind="connect-proxy",
    tags=("a",),
    tagged_addresses={"lan": TaggedAddress("1.2.3.4", 80)},
    proxy=ProxyDefinition("db", upstreams=(Upstream("x", config={"a": [1, {"b": None}]}),)),
)
CHECK = CheckRow("n", "c", "c", "passing", definition_index=7)
ROWS: dict[Table, Row] = {
    Table.META: MetaRow("c", 2, 3, 1, {"all": 9}),
    Table.NODES: NodeRow("n", "id", "1.1.1.1", "dc1", meta={"k": "v"}),
    Table.SERVICES: SERVICE,
    Table.CHECKS: CHECK,
    Table.KV: KVRow("k", b"\xff\x00", 2**64 - 1),
    Table.TOMBSTONES: TombstoneRow("k", 4, prefix=True),
    Table.CONFIG_ENTRIES: ConfigEntryRow("service-defaults", "web", {"Protocol": "http", "X": [1.5, True]}),
    Table.CA_ROOTS: CARootRow("r", "n", 1, "k", "d", "a", "b", "PEM"),
    Table.CA_KEYS: CAKeyRow("r", "KEY"),
    Table.AGENTS: AgentRow("n", "id", "run", "left", "1.1.1.1", 8301, kept_services=(SERVICE,), kept_checks=(CHECK,)),
    Table.INDEXES: IndexRow("nodes", 5),
    Table.SESSIONS: SessionRow("id", "n", node_checks=("c",), service_checks=(ServiceCheck("s"),), ttl="10s"),
    Table.LOCK_DELAYS: LockDelayRow("k", 15, 9),
    Table.AUTOPILOT: AutopilotRow(min_quorum=3),
    Table.PREPARED_QUERIES: PreparedQueryRow(
        "id",
        QueryDefinition(
            "geo-",
            QueryService("web", QueryFailover(2, ("dc2",), (QueryTarget("p"),)), tags=("!a",), node_meta={"k": "v"}),
            template=QueryTemplate("name_prefix_match", "(x)"),
        ),
    ),
    Table.COORDINATES: CoordinateRow("n", "", (0.5, -1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1e-9), 1.5, 0.0, 1e-05),
    Table.EVENTS: EventRow("id", "deploy", b"\xff", "n.*", ltime=2**60),
    Table.VIRTUAL_IPS: VirtualIPRow("web", 1),
    Table.GATEWAY_SERVICES: GatewayServiceRow("gw", "web", "ingress-gateway", 80, "http", ("a.b",)),
    Table.DEFINITION_FILES: DefinitionFilesRow("n", "/etc/d", ("web",), ("service:web",)),
}


def test_every_table_has_an_example_here() -> None:
    assert set(ROWS) == set(Table) == set(ROW_TYPES)


@pytest.mark.parametrize("table", Table)
def test_rows_come_back_as_they_were(table: Any) -> None:
    assert decode_row(table, encode_row(ROWS[table])) == ROWS[table]


@pytest.mark.parametrize("table", Table)
def test_a_longer_row_of_a_newer_build_is_cut(table: Any) -> None:
    longer = pack([*unpack(encode_row(ROWS[table])), "new", {"newer": 1}])
    assert decode_row(table, longer) == ROWS[table]


def test_a_shorter_row_of_an_older_build_is_filled() -> None:
    assert decode_row(Table.KV, pack(["k", b"v"])) == KVRow("k", b"v")
    assert decode_row(Table.CHECKS, pack(["n", "c", "name", "warning"])) == CheckRow("n", "c", "name", "warning")


@pytest.mark.parametrize(
    ("table", "fields"),
    [
        (Table.CHECKS, ["n", "c", "c", "sideways"]),
        (Table.SERVICES, ["n", "w", "web", "unheard-of-proxy"]),
        (Table.AGENTS, ["n", "id", "run", "dozing", "a", 1]),
        (Table.AGENTS, ["n", "id", "run", "alive", "a", 1, "emperor"]),
        (Table.KV, ["k", b"v", "not a number"]),
        (Table.KV, ["k"]),
        (Table.NODES, 17),
        (Table.PREPARED_QUERIES, ["id", ["n", ["web"], "", "", ["suffix_match"]]]),
        (Table.SESSIONS, ["id", "n", "", None, None, "cling"]),
    ],
)
def test_an_unknown_value_in_a_known_field_is_an_error(table: Any, fields: Any) -> None:
    with pytest.raises(CodecError):
        decode_row(table, pack(fields))
    with pytest.raises(CodecError):
        decode_group(pack([1, [[int(table), ["k"], fields]]]))


def test_groups_come_back_with_puts_and_deletes_in_order() -> None:
    changes = tuple(Change(table, ("n", "x"), row) for table, row in ROWS.items() if table is not Table.KV)
    changes += (Change(Table.KV, ("k",), ROWS[Table.KV]), Change(Table.KV, ("gone",), None))
    assert decode_group(encode_group(9, changes)) == (9, changes)


def test_changes_of_unknown_tables_are_left_out() -> None:
    data = pack([3, [[99, ["x"], ["what", 1]], [int(Table.INDEXES), ["kv"], ["kv", 3]]]])
    assert decode_group(data) == (3, (Change(Table.INDEXES, ("kv",), IndexRow("kv", 3)),))


def test_a_longer_change_and_group_are_cut() -> None:
    data = pack([3, [[int(Table.INDEXES), ["kv"], ["kv", 3], "more"]], "more"])
    assert decode_group(data) == (3, (Change(Table.INDEXES, ("kv",), IndexRow("kv", 3)),))


@pytest.mark.parametrize("data", [b"", b"\xc1", pack([1]), pack({"a": 1}), pack([1, [[4]]])])
def test_damaged_groups_are_errors(data: Any) -> None:
    with pytest.raises(CodecError):
        decode_group(data)


def test_command_tags_are_the_format_of_the_log() -> None:
    tags = {kind.__struct_config__.tag: kind.__name__ for kind in Command.__args__}
    assert set(tags) >= set(range(1, 33))
    assert tags[1] == "RegisterProposer"
    assert tags[9] == "KVSet"
    assert tags[19] == "RaiseLevel"
    assert [tags[number] for number in (20, 21, 22)] == ["SessionCreate", "SessionDestroy", "LockDelayEnd"]
    assert [tags[number] for number in (23, 24, 29)] == ["TombstonesReap", "CriticalServiceDeregister", "AutopilotSet"]
    assert [tags[number] for number in (30, 31, 32)] == ["Txn", "PreparedQuerySet", "PreparedQueryDelete"]
    assert [tags[number] for number in (33, 34, 35)] == ["CoordinatesUpdate", "EventFire", "GatewayServicesSet"]
    assert tags[40] == "DefinitionFilesMark"
    assert [tags[number] for number in range(25, 29)] == [
        f"Restore{verb}" for verb in ("Begin", "Chunk", "Commit", "Abort")
    ]


def test_envelopes_come_back_and_may_grow() -> None:
    command = CatalogRegister("n", "a", "dc1", service=ServiceSpec("w", "web"), checks=(CheckSpec("c", "c"),))
    envelope = Envelope(5, 6, 7, command)
    data = encode_envelope(envelope)
    assert decode_envelope(data) == envelope
    assert decode_envelope(pack([*unpack(data), "new"])) == envelope
    assert decode_envelope(pack([0, 0, 0, [9, "k", b"v"]])) == Envelope(0, 0, 0, KVSet("k", b"v"))


@pytest.mark.parametrize("data", [b"", pack([0, 0, 0, [200, "x"]]), pack([0, 0, 0, [9, 5, b"v"]])])
def test_unknown_commands_and_wrong_fields_are_errors(data: Any) -> None:
    with pytest.raises(CodecError):
        decode_envelope(data)


@pytest.mark.parametrize("damage", [0x00, 0x7F, 0xC1, 0xFF])
def test_damaged_bytes_are_decoded_or_refused_and_raise_nothing_else(damage: int) -> None:
    node = CatalogRegister("n1", "10.0.0.1", "dc1", service=ServiceSpec("web-1", "web"), checks=(CheckSpec("c", "c"),))
    envelope = encode_envelope(Envelope(1, 2, 1, node))
    group = encode_group(7, [Change(table, ("k",), row) for table, row in ROWS.items()])
    refused = 0
    for data, decode in ((envelope, decode_envelope), (group, decode_group)):
        for at in range(len(data)):
            try:
                decode(data[:at] + bytes([damage]) + data[at + 1 :])
            except CodecError:
                refused += 1
    assert refused > len(envelope) // 4


def test_the_hash_of_a_row_is_that_of_its_place_and_bytes() -> None:
    # [10, ["kv"], ["kv", 3]] in MessagePack, written out by hand
    expected = xxhash.xxh3_64(b"\x93\x0a\x91\xa2kv\x92\xa2kv\x03").digest()
    assert row_hash(Table.INDEXES, ("kv",), IndexRow("kv", 3)) == int.from_bytes(expected, "big")
    assert expected.hex() == "5434716540e80750", "the same on every machine, and with every version of the library"


def test_the_group_encoder_gives_each_stream_what_it_carries() -> None:
    changes = (
        Change(Table.CONFIG_ENTRIES, ("k", "n"), ROWS[Table.CONFIG_ENTRIES]),
        Change(Table.CA_KEYS, ("r",), ROWS[Table.CA_KEYS]),
        Change(Table.INDEXES, ("config-entries",), IndexRow("config-entries", 4)),
    )
    groups = GroupEncoder().encode(4, changes)
    assert set(groups) == {"all", "mesh"}
    assert decode_group(groups["all"]) == (4, changes)
    assert decode_group(groups["mesh"]) == (4, (changes[0], changes[2]))
