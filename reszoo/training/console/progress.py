"""What a training tells the person who waits for it: a line that moves, or few lines that stay."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from typing import TextIO

REFRESH_SECONDS = 0.25
LINE_SECONDS = 60.0


class Progress:
    """Writes progress to a stream: a moving line on a terminal; elsewhere a line per epoch, and per
    minute inside long ones.

    Args:
      epochs, steps, batch: of the whole training, of an epoch, of a step.
      done: steps done before, when a run goes on; the time left is reckoned from new ones alone.
      stream: standard error unless given; None stays silent when `quiet`.
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
        self.moving = self.stream.isatty()
        self.clock = clock
        self._first_step, self._begun = done, clock()
        self._shown = self._begun
        self._width = 0

    def wants_step(self) -> bool:
        """Whether it is time to show a step; asking costs nothing, reading metrics does."""
        if self.quiet:
            return False
        return self.clock() - self._shown >= (REFRESH_SECONDS if self.moving else LINE_SECONDS)

    def step(self, epoch: int, step: int, metrics: Mapping[str, float]) -> None:
        """Shows step `step` of epoch `epoch` (both from 1)."""
        self._shown = self.clock()
        done = (epoch - 1) * self.steps + step
        fresh, elapsed = done - self._first_step, self._shown - self._begun
        speed = f"{fresh * self.batch / elapsed:,.0f} images/s" if fresh and elapsed else ""
        parts = [f"epoch {epoch}/{self.epochs}", f"step {step}/{self.steps}", told(metrics)]
        self._write("  ".join([*parts, speed, self._left(done)]), stays=not self.moving)

    def epoch(self, epoch: int, metrics: Mapping[str, float], seconds: float) -> None:
        """Shows the end of an epoch."""
        self._shown = self.clock()
        took = f"in {duration(seconds)}"
        left = self._left(epoch * self.steps)
        self._write("  ".join([f"epoch {epoch}/{self.epochs}", told(metrics), took, left]))

    def say(self, text: str) -> None:
        """Shows a line of its own."""
        self._write(text)

    def close(self) -> None:
        """Ends a moving line, so that what is written next has its own."""
        if self._width:
            self.stream.write("\n")
            self._width = 0

    def _left(self, done: int) -> str:
        fresh, elapsed = done - self._first_step, self.clock() - self._begun
        if not fresh or done >= self.epochs * self.steps:
            return ""
        return f"{duration(elapsed / fresh * (self.epochs * self.steps - done))} left"

    def _write(self, text: str, *, stays: bool = True) -> None:
        if self.quiet:
            return
        text = text.rstrip()
        if self.moving:
            blank = " " * max(0, self._width - len(text))
            self.stream.write(f"\r{text}{blank}" + ("\n" if stays else ""))
            self._width = 0 if stays else len(text)
        else:
            self.stream.write(text + "\n")
        self.stream.flush()


def told(metrics: Mapping[str, float]) -> str:
    """Metrics as a person reads them: `loss 0.5132  accuracy 83.29 %`."""
    return "  ".join(
        f"{name} {value:.2%}".replace("%", " %") if "accuracy" in name else f"{name} {value:.4f}"
        for name, value in metrics.items()
    )


def duration(seconds: float) -> str:
    """Seconds as `48 s`, `6:12` or `1:06:12`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
