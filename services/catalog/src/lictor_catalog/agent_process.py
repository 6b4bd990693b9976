"""What the agent endpoints show of the process behind them: its log, its metrics, its host, and its reload."""

from collections.abc import AsyncGenerator, Callable, Sequence

import structlog

from lictor_catalog import log_lines
from lictor_catalog.ports import ReloadPort
from lictor_catalog.streams import Streams
from lictor_catalog.telemetry import Telemetry
from lictor_kit.log_taps import TAPS, LogTap

log = structlog.get_logger()


class AgentProcess:
    """One process; `reloads` are its parts that can read their configuration anew, `disk` a path for `agent/host`.

    Settings are read once at the start and kept (design §8): only definitions in files can be reloaded.
    """

    def __init__(
        self,
        telemetry: Telemetry,
        reloads: Sequence[ReloadPort] = (),
        disk: str = "/",
        *,
        dropped: Callable[[int], None] = lambda _count: None,
    ) -> None:
        """`dropped` is told how many lines a reader of the log has missed."""
        self.telemetry = telemetry
        self._dropped = dropped
        self.streams = Streams()
        self.disk = disk
        self._reloads = tuple(reloads)

    async def reload(self) -> None:
        """Reload every part; raises `ApiError` 500 with the reason of the first that cannot be used."""
        log.info("reload", parts=len(self._reloads))
        for part in self._reloads:
            await part.reload()

    async def log(self, level: int, *, as_json: bool) -> AsyncGenerator[bytes]:
        """The log's lines of this level and above from now on."""
        shown = log_lines.as_json if as_json else log_lines.as_text
        told = 0
        async with LogTap(TAPS, level) as tap:
            while True:
                event = await tap.next()
                if tap.dropped > told:
                    missed, told = tap.dropped - told, tap.dropped
                    self._dropped(missed)
                    yield shown(log_lines.dropped(missed, event))
                yield shown(event)
