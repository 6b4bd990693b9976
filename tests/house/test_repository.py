"""What is true of the repository as a whole."""

import re
import subprocess

import pytest

LOCKS = ["requirements.lock", *(f"requirements-{role}.lock" for role in (
    "catalog", "cli", "dns", "gossip", "healthcheck", "raft-store", "xds"))]  # fmt: skip


def tracked(root):
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=root, capture_output=True, text=True, check=True
    )
    return [root / name for name in listed.stdout.splitlines() if (root / name).is_file()]


def versions(path):
    return dict(re.findall(r"^([a-z0-9][a-z0-9._-]*)==([^ ;\\]+)", path.read_text(), flags=re.MULTILINE))


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_has_hashes_and_no_index_address(root, name):
    text = (root / name).read_text()
    assert "://" not in text
    assert "--index" not in text
    blocks = re.split(r"\n(?=\S)", text)
    for block in blocks:
        if "==" in block.split("\n", 1)[0]:
            assert "--hash=sha256:" in block, block.split("\n", 1)[0]


def test_every_roles_lock_holds_the_versions_that_the_tests_run_with(root):
    whole = versions(root / "requirements.lock")
    for name in LOCKS[1:]:
        for package, version in versions(root / name).items():
            assert whole[package] == version, f"{name}: {package}"


def test_metric_names_follow_the_rule(root):
    calls = re.compile(r"\.(counter|gauge|histogram)\(\s*\n?\s*\"([^\"]+)\"")
    found = 0
    for path in root.glob("services/*/src/**/metrics.py"):
        for kind, name in calls.findall(path.read_text()):
            found += 1
            assert re.fullmatch(r"[a-z][a-z0-9_]*_(seconds|bytes|total|count|ratio|index|timestamp)", name), name
            assert (kind == "counter") == name.endswith("_total"), name
    assert found > 5


def test_local_links_in_documents_lead_somewhere(root):
    for path in tracked(root):
        if path.suffix != ".md":
            continue
        for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", path.read_text()):
            if "://" not in target and not target.startswith("mailto:"):
                assert (path.parent / target).exists(), f"{path.relative_to(root)} links to {target}"


def test_every_decision_record_has_its_parts(root):
    records = sorted((root / "docs/adr").glob("[0-9]*.md"))
    assert len(records) >= 6
    for path in records:
        headings = re.findall(r"^## (.+)$", path.read_text(), flags=re.MULTILINE)
        assert headings == ["Context", "Decision", "Cost", "When we would change it"], path.name


def test_every_route_stands_in_the_compatibility_page(root):
    page = (root / "docs/compatibility.md").read_text()
    routes = re.findall(
        r'^    "/v1/([^"]+)": ',
        (root / "services/catalog/src/lictor_catalog/routes.py").read_text(),
        flags=re.MULTILINE,
    )
    missing = [route for route in routes if route.rstrip("/") not in page]
    assert routes
    assert missing == []
