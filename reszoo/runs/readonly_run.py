"""The run folder as the workers other than the chief see it: they read it and write nothing."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from reszoo.runs.run import Run, RunState
from reszoo.spec.architecture import Architecture
from reszoo.spec.recipe import Recipe


class ReadOnlyRun(Run):
    """The chief's run folder, on a file system that all workers share.

    Everything that writes in `Run` does nothing here: the chief writes it.
    """

    def lock(self) -> AbstractContextManager[None]:
        """Locks nothing: the chief holds the run."""
        return nullcontext()

    def append_metrics(self, values: Mapping[str, Any]) -> None:
        """Does nothing."""

    def append_timing(self, values: Mapping[str, Any]) -> None:
        """Does nothing."""

    def recover(self) -> None:
        """Does nothing."""

    def truncate_logs(self, metrics_lines: int, epochs: int) -> None:
        """Does nothing."""

    def set_state(self, state: RunState, **facts: Any) -> None:
        """Changes `info` in memory only."""
        self.info = {**self.info, **facts, "state": state}

    def write_architecture(self, architecture: Architecture) -> None:
        """Does nothing."""

    def write_data(self, data: Mapping[str, Any]) -> None:
        """Does nothing."""

    def write_recipe(self, recipe: Recipe) -> None:
        """Does nothing."""
