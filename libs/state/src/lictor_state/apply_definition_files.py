"""Which registrations of a node came from its definition files (`LICTOR_CONFIG_DIR`).

The registrations themselves are those of the agent's API; here it is only noted which ids a directory has brought, so
that a process that starts later knows what has disappeared from the files. Ids are added and taken out one by one and
never written whole: two replicas that read the directory at the same time lose nothing of each other's.
"""

from lictor_state.commands import DefinitionFilesMark, Result
from lictor_state.definition_file_rows import DefinitionFilesRow
from lictor_state.rows import Table
from lictor_state.store import Store


def mark(store: Store, _index: int, command: DefinitionFilesMark) -> Result:
    """Add ids to a directory's row, or take them out; marks that change nothing write nothing."""
    key = (command.node.lower(), command.origin)
    old = store.definition_files(command.node, command.origin)
    services, checks = set(old.services if old else ()), set(old.checks if old else ())
    if command.gone:
        services -= set(command.services)
        checks -= set(command.checks)
    else:
        services |= set(command.services)
        checks |= set(command.checks)
    row = DefinitionFilesRow(
        old.node if old else command.node, command.origin, tuple(sorted(services)), tuple(sorted(checks))
    )
    if not services and not checks:
        store.delete(Table.DEFINITION_FILES, key)
    elif row != old:
        store.put(Table.DEFINITION_FILES, key, row)
    return Result(value=True)


def forget_node(store: Store, node: str) -> None:
    """Delete the rows of a node that is gone for good, with all that the files had brought."""
    gone = [key for key, _ in store.rows(Table.DEFINITION_FILES) if key[0] == node.lower()]
    for key in gone:
        store.delete(Table.DEFINITION_FILES, key)
