"""Progress of a training: a bar on a terminal, a few plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import TextIO

from reszoo.moving_output import MovingOutput

REFRESH_SECONDS = 0.25
LINE_SECONDS = 60.0
_BAR_WIDTH = 24


class Progress:
    """Writes a line per epoch; between them a moving bar, or a plain line per minute.

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
        self.clock = clock
        self._output = MovingOutput(stream, quiet=quiet)
        self._first_step, self._started_at = done, clock()
        self._shown_at = self._started_at

    def wants_step(self) -> bool:
        """Whether it is time to show a step; asking costs nothing, reading metrics does."""
        if self._output.quiet:
            return False
        seconds = REFRESH_SECONDS if self._output.moves else LINE_SECONDS
        return self.clock() - self._shown_at >= seconds

    def step(self, epoch: int, step: int, metrics: Mapping[str, float]) -> None:
        """Shows step `step` of epoch `epoch` (both from 1)."""
        self._shown_at = self.clock()
        done = (epoch - 1) * self.steps + step
        new, elapsed = done - self._first_step, self._shown_at - self._started_at
        speed = f"{new * self.batch / elapsed:,.0f} images/s" if new and elapsed else ""
        where = f"epoch {epoch}/{self.epochs}  step {step}/{self.steps}"
        rest = [format_metrics(metrics), speed, self._time_left(done)]
        if self._output.moves:
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
        self._output.say(text)

    def close(self) -> None:
        """Removes the bar, so that what is written next stands on a line of its own."""
        self._output.close()

    def _move_bar(self, share: float, where: str, rest: str) -> None:
        from rich.progress_bar import ProgressBar
        from rich.table import Table

        row = Table.grid(padding=(0, 2, 0, 0))
        for overflow in ("ellipsis", "crop", "ellipsis"):
            row.add_column(no_wrap=True, overflow=overflow)
        row.add_row(where, ProgressBar(1.0, share, width=_BAR_WIDTH), rest)
        self._output.show(row)

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
