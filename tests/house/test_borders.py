"""Libraries that do I/O are touched in one place each; the environment is read in two."""

import ast
import subprocess
import sys

import pytest

ALLOWED = {
    "nats": {"lictor_bus/connection.py"},
    "redis": {"lictor_kit/soft_state.py"},
    "grpc": {"lictor_xds/ads_server.py"},
    "uvicorn": {"lictor_kit/operations.py", "lictor_catalog/http_protocol.py"},
    "pydantic_settings": {"lictor_kit/settings.py"},
    "cryptography.x509": "lictor_pki/",
}


@pytest.mark.parametrize("library", sorted(ALLOWED))
def test_a_library_is_touched_only_where_it_belongs(library, every_member, imports):
    allowed = ALLOWED[library]
    for member in every_member:
        for path in (member.folder / "src").rglob("*.py"):
            name = str(path.relative_to(member.folder / "src"))
            if any(one == library or one.startswith(library + ".") for one in imports(path)):
                inside = name.startswith(allowed) if isinstance(allowed, str) else name in allowed
                assert inside, f"{name} imports {library}"


def test_the_environment_is_read_only_where_a_process_starts(member, root):
    for path in (member.folder / "src").rglob("*.py"):
        reads = [
            node
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.Attribute) and node.attr in {"environ", "getenv"}
        ]
        starts = path.name in {"__main__.py", "settings.py"} or "lictor_cli" in path.parts
        assert not reads or starts, f"{path.relative_to(root)} reads the environment"


def test_the_import_contracts_hold(root):
    done = subprocess.run(
        [sys.executable, "-c", "from importlinter.cli import lint_imports_command as c; c()"],
        cwd=root, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout


def test_the_import_contracts_name_every_member(root, every_member):
    contracts = (root / "pyproject.toml").read_text()
    for member in every_member:
        assert f'"{member.package}"' in contracts, f"{member.package} is in no contract"
