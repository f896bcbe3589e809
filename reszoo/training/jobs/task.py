"""Training tasks: what to train in plain words, the outcome, and the engines that perform them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from reszoo.training.teacher_record import TeacherRecord


@dataclass(frozen=True, slots=True)
class DataArguments:
    """The data and teachers of a training, as arguments of `reszoo.train`."""

    name: str
    """`digits`, `folder:PATH` or `tfds:NAME`."""
    skip_bad_images: bool = False
    data_dir: Path | None = None
    teachers: tuple[TeacherRecord, ...] = ()


@dataclass(frozen=True, slots=True)
class TrainingTask:
    """A training in words, which can travel to another process or another machine.

    Its paths lie on a file system that all machines share.
    """

    architecture: Path
    """The spec of the network."""
    recipe: Path
    data: DataArguments
    seed: int
    """Seed of the initial weights, the order, the augmentation and the held-out images."""
    epochs: int
    """The epoch to train up to; an earlier part of the same run is resumed."""
    run: Path
    """The run folder, an ordinary one."""
    log: Path
    """The file to which everything that the child prints is appended."""
    threads: int | None = None
    """CPU threads of the child. Defaults to all cores."""
    test: bool = False
    """Whether the trained network is evaluated on the test split; tasks that select are not."""


@dataclass(frozen=True, slots=True)
class JobOutcome:
    """The outcome of a task: its accuracies, or the reason why there are none."""

    val_accuracy: float | None = None
    """That of the checkpoint which the recipe keeps: the best one or the last one."""
    history: tuple[float, ...] = ()
    """Validation accuracy after each epoch; none where no images are held out."""
    message: str | None = None
    attempts: int = 1
    """Number of child processes; more than one where work was lost and given out again."""
    seconds: float = 0.0
    """Wall time of all attempts."""
    host: str = ""
    peak_memory: int | None = None
    """Largest resident memory of a child, in bytes; None where it is unknown."""
    test_accuracy: float | None = None
    """That on the test split, of tasks that ask for it and data that have one."""

    def __post_init__(self) -> None:
        if self.val_accuracy is not None and not math.isfinite(self.val_accuracy):
            object.__setattr__(self, "message", f"val_accuracy is {self.val_accuracy}")
            object.__setattr__(self, "val_accuracy", None)


class Engine(Protocol):
    """Performs tasks, several at a time, and returns their outcomes in any order."""

    @property
    def workers(self) -> int:
        """Number of tasks that are performed at the same time."""

    @property
    def threads(self) -> int:
        """CPU threads of each task; equal trainings need equal ones."""

    def submit(self, key: int, task: TrainingTask) -> None:
        """Queues a task under a key of the caller's."""

    def wait(self, seconds: float | None = None) -> tuple[int, JobOutcome] | None:
        """Waits for the next task to end and returns its key and outcome.

        Returns None if none has ended after `seconds`.

        Raises:
          RestartError: a training was stopped from outside; its checkpoint is saved.
          MachineError: a training had too little disk or memory, or lost its files.
        """

    def progress(self) -> Mapping[int, Mapping[str, Any]]:
        """Returns the last epoch in metrics.jsonl of each task that runs and has one."""

    def stop(self) -> None:
        """Stops all tasks, each of which saves its checkpoint; nothing happens without tasks."""
