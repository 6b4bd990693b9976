"""Fragments of rows."""

from hypothesis import given
from hypothesis import strategies as st

from lictor_catalog import consul_json, row_fragments
from lictor_catalog.row_fragments import RowFragments
from lictor_state.rows import NodeRow

TEXT = st.text(max_size=20)


@given(st.lists(st.tuples(TEXT, st.dictionaries(TEXT, TEXT, max_size=3)), max_size=10))
def test_a_fragment_is_what_encoding_the_row_gives(nodes: list[tuple[str, dict[str, str]]]) -> None:
    rows = [NodeRow(name, "", "a", "dc1", meta=meta) for name, meta in nodes]
    fragments = RowFragments(consul_json.node)
    for _ in range(2):
        for row in rows:
            assert consul_json.escape(bytes(fragments(row))) == consul_json.encode(consul_json.node(row))


def test_a_row_is_shown_once_and_the_memory_is_bounded() -> None:
    shown: list[int] = []

    def show(row: NodeRow) -> str:
        shown.append(1)
        return row.node

    fragments = RowFragments(show)
    row = NodeRow("n", "", "a", "dc1")
    assert fragments(row) is fragments(row)
    assert len(shown) == 1
    for number in range(row_fragments.FRAGMENTS_MAX + 10):
        fragments(NodeRow(str(number), "", "a", "dc1"))
    assert len(fragments._known) == row_fragments.FRAGMENTS_MAX
    assert bytes(fragments(row)) == b'"n"'
