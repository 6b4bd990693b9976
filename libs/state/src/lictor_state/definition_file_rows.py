"""What a node's definition files have registered: the row that tells a later start what to take away again."""

import msgspec


class DefinitionFilesRow(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """The ids that one directory of definition files has registered on a node. Key: (node in lower case, origin).

    `origin` is the directory's path: replicas of a node that read the same path share the row, and one that reads
    another path never takes away what is theirs. Ids are sorted; without any there is no row.
    """

    node: str
    origin: str
    services: tuple[str, ...] = ()
    checks: tuple[str, ...] = ()
