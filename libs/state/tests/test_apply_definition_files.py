"""Marks of definition files: what a directory has brought to a node."""

from typing import Any

from lictor_state.commands import AgentDecision, AgentJoin, CatalogDeregister, DefinitionFilesMark
from lictor_state.definition_file_rows import DefinitionFilesRow


def test_marks_add_up_and_go_one_by_one(state: Any) -> None:
    state.do(DefinitionFilesMark("N1", "/d", ("b", "a"), ("c",)))
    state.do(DefinitionFilesMark("n1", "/d", ("x",)))
    assert state.store.definition_files("n1", "/d") == DefinitionFilesRow("N1", "/d", ("a", "b", "x"), ("c",))
    state.do(DefinitionFilesMark("n1", "/d", ("a", "x"), gone=True))
    assert state.store.definition_files("n1", "/d") == DefinitionFilesRow("N1", "/d", ("b",), ("c",))
    state.do(DefinitionFilesMark("n1", "/d", ("b",), ("c",), gone=True))
    assert state.store.definition_files("n1", "/d") is None


def test_directories_and_nodes_do_not_touch_each_others_marks(state: Any) -> None:
    state.do(DefinitionFilesMark("n1", "/d", ("a",)))
    state.do(DefinitionFilesMark("n1", "/e", ("a",)))
    state.do(DefinitionFilesMark("n2", "/d", ("a",)))
    state.do(DefinitionFilesMark("n1", "/d", ("a",), gone=True))
    assert state.store.definition_files("n1", "/d") is None
    assert state.store.definition_files("n1", "/e") is not None
    assert state.store.definition_files("n2", "/d") is not None


def test_a_mark_that_is_there_changes_nothing(state: Any) -> None:
    state.do(DefinitionFilesMark("n1", "/d", ("a",)))
    state.do(DefinitionFilesMark("n1", "/d", ("a",)))
    assert state.last.changes == ()
    state.do(DefinitionFilesMark("n1", "/e", ("a",), gone=True))
    assert state.last.changes == ()


def test_marks_outlive_a_leave_and_go_with_the_node(state: Any) -> None:
    state.do(AgentJoin("n1", "id", "r", "1.1.1.1", 8301, "dc1"))
    state.do(DefinitionFilesMark("n1", "/d", ("a",)))
    at = state.store.agent("n1").status_index
    state.do(AgentDecision("n1", "r", at, "left"))
    assert state.store.definition_files("n1", "/d") is not None
    state.do(AgentDecision("n1", "r", state.store.agent("n1").status_index, "reap"))
    assert state.store.definition_files("n1", "/d") is None
    state.register("n1")
    state.do(DefinitionFilesMark("n1", "/d", ("a",)))
    state.do(CatalogDeregister("n1"))
    assert state.store.definition_files("n1", "/d") is None
