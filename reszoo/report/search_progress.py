"""Progress of a search: a table of what trains on a terminal, lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TextIO

from reszoo.errors import visible
from reszoo.moving_output import MovingOutput
from reszoo.report.measured_summary import duration
from reszoo.report.search_events import event_text, job_text, rest_text
from reszoo.report.search_summary import changes_text
from reszoo.report.text import MISSING, format_percent

if TYPE_CHECKING:
    from rich.console import Group

    from reszoo.tuning import Event, MeasureEvent, TrialJob

REFRESH_SECONDS = 2.0
LINE_SECONDS = 60.0


@dataclass
class _Training:
    job: TrialJob
    begun: float
    epoch: Mapping[str, Any] | None = None


class SearchProgress:
    """Handler of a search's events that shows what trains.

    On a terminal, a table has a row for each training that runs, below a line for each that has
    ended. Elsewhere there are lines alone.

    Args:
      stream: where to write. Defaults to standard error.
      clock: returns seconds.
    """

    def __init__(
        self, stream: TextIO | None = None, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._output = MovingOutput(stream)
        self._clock = clock
        self._trainings: dict[tuple[Any, ...], _Training] = {}
        self._status = ""
        self._said_at = -LINE_SECONDS

    @property
    def seconds(self) -> float:
        """Seconds between two events of a training that runs, for `tune`."""
        return REFRESH_SECONDS if self._output.moves else LINE_SECONDS

    def __enter__(self) -> SearchProgress:
        return self

    def __exit__(self, *error: object) -> None:
        self._output.close()

    def __call__(self, event: Event | MeasureEvent) -> None:
        """Shows an event."""
        if event.kind == "measures":
            self._show_measuring(f"measuring candidate {event.number}, converted and untrained")
            return
        if not self._output.moves:
            self._say(event_text(event))
            return
        self._follow(event)
        if event.kind in ("ends", "recalled"):
            self._say(event_text(event))
        done = f"{event.done} of {event.planned} trainings"
        self._status = "  ".join(filter(None, (done, rest_text(event))))
        self._output.show(self._table(self._status))

    def _show_measuring(self, text: str) -> None:
        """Measuring many candidates takes seconds for each: off a terminal, one line a minute."""
        if self._output.moves:
            self._output.show(self._table(f"{self._status}  {text}".strip()))
        elif self._clock() - self._said_at >= LINE_SECONDS:
            self._say(text)

    def _say(self, text: str | None) -> None:
        if text is not None:
            self._output.say(text)
            self._said_at = self._clock()

    def _follow(self, event: Event) -> None:
        if event.kind == "begins":
            self._trainings[event.job.key] = _Training(event.job, self._clock())
        elif event.kind == "trains":
            self._trainings[event.job.key].epoch = event.epoch
        else:
            self._trainings.pop(event.job.key, None)

    def _table(self, caption: str) -> Group:
        from rich.console import Group
        from rich.table import Table
        from rich.text import Text

        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
        for name, side in _COLUMNS:
            table.add_column(name, justify=side, no_wrap=True, overflow="ellipsis")
        for training in self._trainings.values():
            table.add_row(*map(visible, self._row(training)))
        return Group(table, Text(visible(caption), no_wrap=True, overflow="ellipsis"))

    def _row(self, training: _Training) -> tuple[str, ...]:
        job, epoch = training.job, training.epoch or {}
        return (
            job_text(job),
            f"{epoch.get('epoch', job.from_epoch)} of {job.epochs}",
            format_percent(epoch.get("val_accuracy")),
            duration(self._clock() - training.begun),
            changes_text(job.changes) or MISSING,
        )


_COLUMNS: tuple[tuple[str, Any], ...] = (
    ("training", "left"),
    ("epoch", "right"),
    ("validation", "right"),
    ("time", "right"),
    ("what was changed", "left"),
)
