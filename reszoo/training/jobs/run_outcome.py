"""The outcome of a task, read from its run folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from reszoo.runs import Run
from reszoo.runs.jsonl import read_valid_lines
from reszoo.runs.run_info import ENDED_EARLY
from reszoo.spec.recipe import Recipe
from reszoo.training.jobs.task import JobOutcome


def outcome_of(path: Path, recipe: Recipe, epochs: int) -> JobOutcome | None:
    """Returns the outcome of a run after a number of epochs; None before it has finished them.

    The accuracy is that of the checkpoint that the recipe keeps as model.keras: the best one on the
    held-out images, or the last one; without held-out images there is none.
    """
    if not (path / "run.json").is_file():
        return None
    run = Run.open(path)
    lines = [line for line in run.metrics() if line.get("kind") == "epoch"][:epochs]
    resumed = run.info.get("epochs", 0) > epochs
    ended_early = bool(lines and run.info.get(ENDED_EARLY))
    if not (run.state == "finished" or resumed) or not (len(lines) >= epochs or ended_early):
        return None
    accuracies = tuple(float(line["val_accuracy"]) for line in lines if "val_accuracy" in line)
    test = run.info.get("test_accuracy")
    if not accuracies:
        return JobOutcome(test_accuracy=test)
    kept = max(accuracies) if recipe.validation.keep == "best" else accuracies[-1]
    return JobOutcome(kept, accuracies, test_accuracy=test)


def last_epoch(path: Path) -> Mapping[str, Any] | None:
    """Returns the last epoch in the metrics of a run that may still train; None without one."""
    lines = read_valid_lines(path / "metrics.jsonl")
    return next((line for line in reversed(lines) if line.get("kind") == "epoch"), None)
