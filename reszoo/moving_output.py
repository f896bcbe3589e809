"""Lines of progress and, on a terminal, a moving bar or table below them."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, TextIO

from reszoo.errors import visible
from reszoo.stderr import discard_output
from reszoo.visible_output import unfiltered

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.live import Live


class MovingOutput:
    """Writes lines, and draws what moves below the last one.

    Something moves only on a terminal that can show it: not with `NO_COLOR` or `TERM=dumb`. Once
    the stream is closed, nothing more is written, and the work goes on.

    Args:
      stream: where to write. Defaults to standard error.
      quiet: writes nothing.
    """

    def __init__(self, stream: TextIO | None = None, *, quiet: bool = False) -> None:
        self.stream = stream or sys.stderr
        self.quiet = quiet
        plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
        self.moves = self.stream.isatty() and not plain
        """Whether `show` shows something."""
        self._live: Live | None = None

    def say(self, text: str) -> None:
        """Writes a line; what moves is removed."""
        if self.quiet:
            return
        self.close()
        with self._lost_terminal_ignored():
            self.stream.write(visible(text.rstrip()) + "\n")
            self.stream.flush()

    def show(self, content: RenderableType) -> None:
        """Draws what moves in place of what was drawn before."""
        if not self.moves or self.quiet:
            return
        with self._lost_terminal_ignored():
            if self._live is None:
                from rich.console import Console
                from rich.live import Live

                console = Console(file=unfiltered(self.stream), highlight=False, markup=False)
                self._live = Live(console=console, auto_refresh=False, transient=True)
                self._live.start()
            self._live.update(content, refresh=True)

    def close(self) -> None:
        """Removes what moves, so that what is written next stands on a line of its own."""
        live, self._live = self._live, None
        if live is not None:
            with self._lost_terminal_ignored():
                live.stop()

    @contextlib.contextmanager
    def _lost_terminal_ignored(self) -> Iterator[None]:
        try:
            yield
        except (OSError, ValueError):  # a closed terminal or pipe; a closed stream
            self.quiet = True
            discard_output(self.stream)
