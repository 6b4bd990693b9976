"""The house as data: its members, and what their sources import."""

import ast
import tomllib
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[2]


class Member(NamedTuple):
    """One member of the monorepo."""

    name: str
    folder: Path
    package: str
    project: dict


def members():
    found = []
    for path in sorted(
        [
            *ROOT.glob("libs/*/pyproject.toml"),
            *ROOT.glob("services/*/pyproject.toml"),
            ROOT / "cli/pyproject.toml",
            ROOT / "sim/pyproject.toml",
        ]
    ):
        project = tomllib.loads(path.read_text())["project"]
        found.append(Member(project["name"], path.parent, project["name"].replace("-", "_"), project))
    return found


MEMBERS = members()


def imports(path):
    """The top-level and dotted names that a module imports, anywhere in it."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module


@pytest.fixture(params=MEMBERS, ids=lambda member: member.name)
def member(request):
    return request.param


@pytest.fixture(name="imports")
def imports_fixture():
    return imports


@pytest.fixture
def root():
    return ROOT


@pytest.fixture
def every_member():
    return MEMBERS
