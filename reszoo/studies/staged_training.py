"""Trainings of a study that follow each other, each from the network of the one before."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reszoo.runs import Run
from reszoo.spec.architecture import Architecture
from reszoo.spec.recipe import Recipe
from reszoo.training.train import resume, train


@dataclass(frozen=True, slots=True)
class StagedTraining:
    """One training of a sequence."""

    name: str
    """Of its run folder."""
    spec: Architecture | None
    """The network; None with `start`, which brings its own."""
    start: Path | None = None
    """A `.keras` file to start from."""
    freeze: tuple[str, ...] = ()
    """Layer groups and blocks that do not learn."""


def train_stage(
    folder: Path,
    stage: StagedTraining,
    recipe: Recipe,
    data: Any,
    *,
    seed: int,
    data_dir: Path | str | None = None,
) -> Run:
    """Trains one stage in `runs/` of a study's folder; a finished one is returned, others resumed.

    Raises:
      KeyboardInterrupt: Ctrl-C; the training has saved its checkpoint.
    """
    path = folder / "runs" / stage.name
    if (path / "run.json").is_file():
        return resume(path, data=None if isinstance(data, str) else data, quiet=True)
    _say(f"training {stage.name}")
    return train(
        stage.spec,
        data,
        recipe,
        start=stage.start,
        freeze=stage.freeze,
        seed=seed,
        out=path,
        data_dir=data_dir,
        quiet=True,
    )


def epoch_lines(runs: Sequence[Run]) -> list[dict[str, Any]]:
    """Returns the lines of the epochs of runs that follow each other, oldest first."""
    return [line for run in runs for line in run.metrics() if line.get("kind") == "epoch"]


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)  # noqa: T201 - the progress of hours.
