"""`LICTOR_CONFIG_DIR`: definition files read from their directory, registered, and taken back when they go.

The services and checks of the files are registered for this process's node by the commands of the agent's API, at the
start, on SIGHUP and by `agent/reload`. A row in the state notes which ids a directory has brought
(`DefinitionFilesMark`): ids are noted before they are registered and forgotten after they are gone, so a process that
was killed in between, or was down while files were deleted, still knows what to take away. Replicas of a node that
read the same directory write the same and do not disturb each other; the files are looked at only when told to.
"""

import asyncio
from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

import structlog

from lictor_catalog import agent_commands
from lictor_catalog.agent_self import AgentNode, Ports
from lictor_catalog.consistency import Consistency, ReadOptions
from lictor_catalog.definition_files import SUFFIXES, DefinitionError, Definitions, read
from lictor_catalog.errors import ApiError
from lictor_catalog.ports import ViewPort
from lictor_catalog.writes import Writes
from lictor_state.commands import (
    AgentCheckDeregister,
    AgentServiceDeregister,
    Command,
    DefinitionFilesMark,
)

FILES_MAX = 4096
FILE_BYTES_MAX = 4 * 1024 * 1024
"""More or larger ones are no definitions, but a directory named by mistake: the start is refused."""

AT_ONCE_MAX = 64
"""Registrations in flight: as many as one proposal carries well; the rest wait their turn."""

RETRY_MIN_S, RETRY_MAX_S = 0.2, 5.0
"""Between tries of the first registration, while there is no leader or not every member is new enough."""

_NOT_THERE = 404
_REFUSED = range(400, 429)

log = structlog.get_logger()


class NoteReadiness(Protocol):
    """Shows in `/readyz` what is unusual; an empty text takes it back."""

    def __call__(self, name: str, text: str, /) -> None:
        """Note one thing."""


def read_directory(directory: Path) -> Definitions:
    """The definitions of a directory's `.json` and `.hcl` files, not of those below it; raises `DefinitionError`."""
    return read(list(_texts(directory)))


def _texts(directory: Path) -> Iterable[tuple[str, str]]:
    try:
        paths = sorted(path for path in directory.iterdir() if path.suffix in SUFFIXES and path.is_file())
        if len(paths) > FILES_MAX:
            raise DefinitionError(f"{directory}: more than {FILES_MAX} definition files")
        for path in paths:
            if path.stat().st_size > FILE_BYTES_MAX:
                raise DefinitionError(f"{path}: more than {FILE_BYTES_MAX} bytes")
            yield str(path), path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise DefinitionError(f"{directory}: a file is not UTF-8: {error}") from None
    except OSError as error:
        raise DefinitionError(f"{error.filename or directory}: {error.strerror}") from None


class ConfigDir:
    """Keeps the node's registrations as the files have them; without a directory there is nothing to keep."""

    def __init__(
        self,
        directory: Path | None,
        node: AgentNode,
        ports: Ports,
        writes: Writes,
        view: ViewPort,
        consistency: Consistency,
    ) -> None:
        self._directory = directory
        self._origin = str(directory.resolve()) if directory is not None else ""
        self._node = node
        self._ports = ports
        self._writes = writes
        self._view = view
        self._consistency = consistency
        self._one_at_a_time = asyncio.Lock()

    async def load(self, note: NoteReadiness) -> None:
        """The first registration, tried until there is a leader to take it.

        Raises:
            DefinitionError: for files that cannot be used, or that the state refuses.
        """
        if self._directory is None:
            return
        pause_s = RETRY_MIN_S
        while True:
            try:
                await self._register(await asyncio.to_thread(read_directory, self._directory))
            except ApiError as error:
                if error.status in _REFUSED:
                    raise DefinitionError(f"{self._directory}: {error.text}") from None
                log.warning("definition files wait", directory=self._origin, reason=error.text, again_in_s=pause_s)
                note("definition files", f"not registered yet: {error.text}")
            else:
                note("definition files", "")
                return
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, RETRY_MAX_S)

    async def reload(self) -> None:
        """Read and register anew; raises `ApiError` 500 with the reason, and leaves what was there."""
        if self._directory is None:
            return
        try:
            await self._register(await asyncio.to_thread(read_directory, self._directory))
        except (DefinitionError, ApiError) as error:
            log.error("reload failed", directory=self._origin, reason=str(error))  # noqa: TRY400  the reason says it all
            raise ApiError(500, str(error)) from None

    async def _register(self, wanted: Definitions) -> None:
        async with self._one_at_a_time:
            if wanted.unused:
                log.warning("keys of an agent's configuration are not used", keys=", ".join(wanted.unused))
            await self._consistency.settle(ReadOptions())
            self._judge(wanted)
            node = self._node.name
            services, checks = wanted.service_ids(), wanted.check_ids()
            row = self._view.store.definition_files(node, self._origin)
            had_services, had_checks = set(row.services if row else ()), set(row.checks if row else ())
            if not (services <= had_services and checks <= had_checks):
                await self._mark(services - had_services, checks - had_checks, gone=False)
            await self._all(
                agent_commands.register_service(self._node, self._ports, one) for one in wanted.services.values()
            )
            await self._all(agent_commands.register_check(self._node, one) for one in wanted.checks.values())
            gone_services, gone_checks = had_services - services, had_checks - checks
            await self._all((AgentCheckDeregister(node, one) for one in sorted(gone_checks)), may_miss=True)
            await self._all((AgentServiceDeregister(node, one) for one in sorted(gone_services)), may_miss=True)
            if gone_services or gone_checks:
                await self._mark(gone_services, gone_checks, gone=True)
            log.info("definition files", directory=self._origin, services=len(services), checks=len(checks))

    def _judge(self, wanted: Definitions) -> None:
        """A check of a service that nobody has stops everything before anything is written."""
        services = wanted.service_ids()
        for check in wanted.checks.values():
            named = check.service_id
            if named and named not in services and self._view.store.service(self._node.name, named) is None:
                raise DefinitionError(f'{self._directory}: check "{check.name}": ServiceID "{named}" does not exist')

    async def _mark(self, services: Iterable[str], checks: Iterable[str], *, gone: bool) -> None:
        command = DefinitionFilesMark(
            self._node.name, self._origin, tuple(sorted(services)), tuple(sorted(checks)), gone
        )
        await self._writes.propose(command)

    async def _all(self, commands: Iterable[Command], *, may_miss: bool = False) -> None:
        """Propose all, some at once; the first failure ends it."""
        slots = asyncio.Semaphore(AT_ONCE_MAX)

        async def one(command: Command) -> None:
            async with slots:
                try:
                    await self._writes.propose(command, seen_s=0)
                except ApiError as error:
                    if not (may_miss and error.status == _NOT_THERE):
                        raise

        done = await asyncio.gather(*(one(command) for command in commands), return_exceptions=True)
        for result in done:
            if isinstance(result, BaseException):
                raise result
