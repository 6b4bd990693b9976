"""The terminal of `lictor dev`: every line behind the coloured name of who wrote it."""

from rich.console import Console
from rich.text import Text

COLOURS = ("cyan", "green", "magenta", "yellow", "blue", "bright_cyan", "bright_green", "bright_magenta")


class DevConsole:
    """Prints lines with their origin."""

    def __init__(self, width: int, console: Console | None = None) -> None:
        """`width` is that of the longest name."""
        self._console = console or Console(soft_wrap=True, highlight=False)
        self._width = width
        self._colour: dict[str, str] = {}

    def line(self, name: str, text: str) -> None:
        """One line of a process."""
        colour = self._colour.setdefault(name, COLOURS[len(self._colour) % len(COLOURS)])
        self._console.print(Text(f"{name:<{self._width}} │ ", style=colour) + Text.from_ansi(text))

    def say(self, text: str) -> None:
        """One line of the supervisor itself."""
        self._console.print(Text(text, style="bold"))

    def plain(self, text: str) -> None:
        """A line that scripts may look for: no name, no colour."""
        self._console.print(Text(text))
