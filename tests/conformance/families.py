"""The tables of requests, family by family, and how many there are."""

import importlib
from pathlib import Path

HERE = Path(__file__).parent
NO_TABLES = frozenset({"differences", "blocking", "dns"})
"""Test modules whose rows are no plain requests."""


def tables():
    """The rows of every family, by its name."""
    names = (path.stem.removeprefix("test_") for path in sorted(HERE.glob("test_*.py")))
    return {
        name: importlib.import_module(f"tests.conformance.test_{name}").ROWS for name in names if name not in NO_TABLES
    }


def counted():
    """One line: how many requests, of which families."""
    rows = {name: len(table) for name, table in tables().items()}
    return f"{sum(rows.values())} requests to both sides: " + ", ".join(
        f"{name} {count}" for name, count in rows.items()
    )
