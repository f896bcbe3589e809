"""Progress of a training: a bar on a terminal, a few plain lines elsewhere."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, TextIO

from reszoo.errors import visible
from reszoo.stderr import discard_output
from reszoo.visible_output import unfiltered

if TYPE_CHECKING:
    from rich.live import Live

REFRESH_SECONDS = 0.25
LINE_SECONDS = 60.0
_BAR_WIDTH = 24


class Progress:
    """Writes a line per epoch; between them a moving bar, or a plain line per minute.

    The bar moves only on a terminal that can show it: not with `NO_COLOR` or `TERM=dumb`.

    Args:
      epochs: epochs of the whole training.
      steps: steps of an epoch.
      batch: images of a step.
      done: steps done before a run was resumed; the time left is estimated from new ones alone.
      stream: where to write. Defaults to standard error.
      quiet: writes nothing.
      clock: returns seconds.
    """

    def __init__(
        self,
        epochs: int,
        steps: int,
        batch: int,
        *,
        done: int = 0,
        stream: TextIO | None = None,
        quiet: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.epochs, self.steps, self.batch = epochs, steps, batch
        self.stream = stream or sys.stderr
        self.quiet = quiet
        plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
        self.moving = self.stream.isatty() and not plain
        self.clock = clock
        self._first_step, self._started_at = done, clock()
        self._shown_at = self._started_at
        self._live: Live | None = None

    def wants_step(self) -> bool:
        """Whether it is time to show a step; asking costs nothing, reading metrics does."""
        if self.quiet:
            return False
        return self.clock() - self._shown_at >= (REFRESH_SECONDS if self.moving else LINE_SECONDS)

    def step(self, epoch: int, step: int, metrics: Mapping[str, float]) -> None:
        """Shows step `step` of epoch `epoch` (both from 1)."""
        self._shown_at = self.clock()
        done = (epoch - 1) * self.steps + step
        new, elapsed = done - self._first_step, self._shown_at - self._started_at
        speed = f"{new * self.batch / elapsed:,.0f} images/s" if new and elapsed else ""
        where = f"epoch {epoch}/{self.epochs}  step {step}/{self.steps}"
        rest = [format_metrics(metrics), speed, self._time_left(done)]
        if self.moving and not self.quiet:
            with self._lost_terminal_ignored():
                self._move_bar(step / self.steps, where, "  ".join(filter(None, rest)))
        else:
            self.say("  ".join([where, *rest]))

    def epoch(self, epoch: int, metrics: Mapping[str, float], seconds: float) -> None:
        """Shows the end of an epoch."""
        self._shown_at = self.clock()
        parts = [f"epoch {epoch}/{self.epochs}", format_metrics(metrics), f"in {duration(seconds)}"]
        self.say("  ".join([*parts, self._time_left(epoch * self.steps)]))

    def say(self, text: str) -> None:
        """Writes a line."""
        if self.quiet:
            return
        self.close()
        with self._lost_terminal_ignored():
            self.stream.write(visible(text.rstrip()) + "\n")
            self.stream.flush()

    def close(self) -> None:
        """Removes the bar, so that what is written next stands on a line of its own."""
        live, self._live = self._live, None
        if live is not None:
            with self._lost_terminal_ignored():
                live.stop()

    @contextlib.contextmanager
    def _lost_terminal_ignored(self) -> Iterator[None]:
        """Writes nothing from now on if nobody reads it: a training does not end for that."""
        try:
            yield
        except (OSError, ValueError):  # a closed terminal or pipe; a closed stream
            self.quiet = True
            discard_output(self.stream)

    def _move_bar(self, share: float, where: str, rest: str) -> None:
        from rich.console import Console
        from rich.live import Live
        from rich.progress_bar import ProgressBar
        from rich.table import Table

        if self._live is None:
            console = Console(file=unfiltered(self.stream), highlight=False, markup=False)
            self._live = Live(console=console, auto_refresh=False, transient=True)
            self._live.start()
        row = Table.grid(padding=(0, 2, 0, 0))
        for overflow in ("ellipsis", "crop", "ellipsis"):
            row.add_column(no_wrap=True, overflow=overflow)
        row.add_row(where, ProgressBar(1.0, share, width=_BAR_WIDTH), rest)
        self._live.update(row, refresh=True)

    def _time_left(self, done: int) -> str:
        new, elapsed = done - self._first_step, self.clock() - self._started_at
        if not new or done >= self.epochs * self.steps:
            return ""
        return f"{duration(elapsed / new * (self.epochs * self.steps - done))} left"


def format_metrics(metrics: Mapping[str, float]) -> str:
    """Formats metrics: `loss 0.5132  accuracy 83.29 %`."""
    return "  ".join(
        f"{name} {value:.2%}".replace("%", " %") if "accuracy" in name else f"{name} {value:.4f}"
        for name, value in metrics.items()
    )


def duration(seconds: float) -> str:
    """Formats seconds as `48 s`, `6:12` or `1:06:12`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
