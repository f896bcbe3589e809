"""How does a worker that is not the chief see the run folder? It reads it and writes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from reszoo.runs.run import Run, State
from reszoo.spec.architecture import Architecture
from reszoo.spec.recipe import Recipe


class ReadOnlyRun(Run):
    """The chief's run folder, on a file system that all workers share. What a run writes, the chief
    writes; here the same calls do nothing.
    """

    def lock(self) -> AbstractContextManager[None]:
        """Nothing to hold: the chief holds the run."""
        return nullcontext()

    def append_metrics(self, values: Mapping[str, Any]) -> None:
        """The chief's."""

    def append_timing(self, values: Mapping[str, Any]) -> None:
        """The chief's."""

    def take_back(self, count: int, epochs: int) -> None:
        """The chief's."""

    def set_state(self, state: State, **facts: Any) -> None:
        """The chief's; here it is only remembered."""
        self.info = {**self.info, **facts, "state": state}

    def write_architecture(self, architecture: Architecture) -> None:
        """The chief's."""

    def write_recipe(self, recipe: Recipe) -> None:
        """The chief's."""
