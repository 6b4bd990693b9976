"""The directory of definition files: registered, reloaded, taken back, by one replica or two."""

from pathlib import Path
from typing import Any

import pytest
from api_fixture import Catalog, story

from lictor_catalog.agent_self import AgentNode, Ports
from lictor_catalog.config_dir import ConfigDir, read_directory
from lictor_catalog.consistency import Consistency
from lictor_catalog.definition_files import DefinitionError
from lictor_catalog.errors import ApiError
from lictor_catalog.writes import Writes
from lictor_state.commands import CheckTransition

WEB = 'service { name = "web" port = 80 check { id = "alive" ttl = "30s" } connect { sidecar_service {} } }'
DB = '{"service": {"name": "db", "port": 5432}, "check": {"name": "disk", "ttl": "1m"}}'


class Files:
    """A catalog, a directory, and as many processes that read it as a test starts."""

    def __init__(self, directory: Path) -> None:
        self.catalog = Catalog()
        self.directory = directory
        self.notes: list[str] = []

    def process(self, directory: Path | None = None) -> ConfigDir:
        view, leader = self.catalog.view, self.catalog.leader
        return ConfigDir(
            directory or self.directory,
            AgentNode("n1", "10.0.0.5", "dc1"),
            Ports(8500, 8502),
            Writes(leader, view),
            view,
            Consistency(view, leader),
        )

    async def start(self, directory: Path | None = None) -> ConfigDir:
        process = self.process(directory)
        await process.load(lambda _name, text: self.notes.append(text))
        return process

    def write(self, **texts: str) -> None:
        for name, text in texts.items():
            (self.directory / name.replace("_", ".")).write_text(text)

    def remove(self, name: str) -> None:
        (self.directory / name).unlink()

    async def services(self) -> set[str]:
        return set((await self.catalog.get("agent/services")).json())

    async def checks(self) -> set[str]:
        return set((await self.catalog.get("agent/checks")).json())


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


def told(test: Any) -> Any:
    """A story that takes the fixture."""

    def run(files: Files) -> None:
        story(lambda: test(files))()

    run.__doc__ = test.__doc__
    return run


@told
async def test_files_are_registered_at_the_start_and_changes_on_reload(files: Files) -> None:
    files.write(a_hcl=WEB, b_json=DB, c_txt="not { read")
    (files.directory / "d.hcl").mkdir()
    process = await files.start()
    assert await files.services() == {"web", "web-sidecar-proxy", "db"}
    sidecar = {"service:web-sidecar-proxy:1", "service:web-sidecar-proxy:2"}
    assert await files.checks() == {"alive", "disk", *sidecar}
    files.write(a_hcl='service { name = "web" port = 81 }', c_hcl='service { name = "new" }')
    files.remove("b.json")
    await process.reload()
    assert await files.services() == {"web", "new"}
    assert await files.checks() == set()
    assert (await files.catalog.get("agent/service/web")).json()["Port"] == 81


@told
async def test_what_was_deleted_while_the_process_was_down_goes_at_its_next_start(files: Files) -> None:
    files.write(a_hcl=WEB, b_json=DB)
    await files.start()
    files.remove("a.hcl")
    await files.start()
    assert await files.services() == {"db"}
    assert await files.checks() == {"disk"}


@told
async def test_what_came_through_the_api_stays(files: Files) -> None:
    await files.catalog.put("agent/service/register", {"Name": "api"})
    files.write(a_hcl=WEB)
    process = await files.start()
    check = {"Name": "extra", "TTL": "1m", "ServiceID": "web"}
    await files.catalog.put("agent/check/register", check)
    await process.reload()
    assert await files.checks() >= {"extra", "alive"}
    files.remove("a.hcl")
    await process.reload()
    assert await files.services() == {"api"}


@told
async def test_the_same_files_again_change_no_index(files: Files) -> None:
    files.write(a_hcl=WEB, b_json=DB)
    process = await files.start()
    before = [await files.catalog.index(path) for path in ("catalog/services", "health/state/any", "catalog/nodes")]
    await process.reload()
    await files.start()
    after = [await files.catalog.index(path) for path in ("catalog/services", "health/state/any", "catalog/nodes")]
    assert before == after


@told
async def test_a_status_that_was_reached_survives_a_reload(files: Files) -> None:
    files.write(b_json=DB)
    process = await files.start()
    row: Any = files.catalog.view.store.check("n1", "disk")
    files.catalog.result(CheckTransition("n1", "disk", row.definition_index, "passing", "fine"))
    await process.reload()
    assert (await files.catalog.get("agent/checks")).json()["disk"]["Status"] == "passing"


@told
async def test_a_bad_file_stops_the_start_and_leaves_a_reload_as_it_was(files: Files) -> None:
    files.write(a_hcl=WEB)
    process = await files.start()
    files.write(b_hcl="service {\n nam = 1\n}")
    with pytest.raises(ApiError) as refused:
        await process.reload()
    assert refused.value.status == 500
    assert refused.value.text == f'{files.directory}/b.hcl:2: service: unknown key "nam"'
    assert await files.services() == {"web", "web-sidecar-proxy"}
    with pytest.raises(DefinitionError):
        await files.start()


@told
async def test_a_check_of_a_service_that_nobody_has_is_refused_before_anything_is_written(files: Files) -> None:
    files.write(a_hcl=WEB, b_hcl='check { name = "lost" ttl = "5s" service_id = "nope" }')
    with pytest.raises(DefinitionError, match='check "lost": ServiceID "nope" does not exist'):
        await files.start()
    assert await files.services() == set()


@told
async def test_two_replicas_of_a_directory_do_not_fight_and_another_directory_is_not_theirs(files: Files) -> None:
    files.write(a_hcl=WEB)
    first, second = await files.start(), await files.start()
    other = files.directory / "other"
    other.mkdir()
    (other / "x.hcl").write_text('service { name = "x" }')
    third = await files.start(other)
    files.write(b_json=DB)
    await first.reload()
    await second.reload()
    await third.reload()
    assert await files.services() == {"web", "web-sidecar-proxy", "db", "x"}
    files.remove("a.hcl")
    await second.reload()
    await first.reload()
    assert await files.services() == {"db", "x"}


@told
async def test_a_process_killed_in_between_leaves_nothing_that_its_next_start_does_not_know(files: Files) -> None:
    files.write(a_hcl=WEB, b_json=DB)
    propose = files.catalog.leader.propose
    for killed_after in range(1, 4):
        left = killed_after

        async def dying(command: Any, timeout_s: float = 10.0) -> Any:
            nonlocal left
            if not left:
                raise RuntimeError("killed")
            left -= 1
            return await propose(command, timeout_s)

        files.catalog.leader.propose = dying  # type: ignore[method-assign]
        files.write(a_hcl=WEB, b_json=DB)
        with pytest.raises(RuntimeError):
            await files.start()
        files.catalog.leader.propose = propose  # type: ignore[method-assign]
        files.remove("a.hcl")
        files.remove("b.json")
        await files.start()
        assert await files.services() == set()
        assert await files.checks() == set()


@told
async def test_the_start_waits_for_a_leader_and_says_so(files: Files) -> None:
    files.write(a_hcl=WEB)
    files.catalog.leader.away = True
    process = files.process()
    pauses: list[str] = []

    def note(_name: str, text: str) -> None:
        pauses.append(text)
        files.catalog.leader.away = False

    await process.load(note)
    assert pauses == ["not registered yet: No cluster leader", ""]
    assert "web" in await files.services()


def test_a_directory_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DefinitionError, match="nowhere: No such file or directory"):
        read_directory(tmp_path / "nowhere")
    (tmp_path / "a.hcl").write_bytes(b"\xff\xfe")
    with pytest.raises(DefinitionError, match="not UTF-8"):
        read_directory(tmp_path)
