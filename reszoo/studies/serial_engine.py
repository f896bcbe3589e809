"""An engine that trains one task after the other in this process."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reszoo.errors import GateError, UserError
from reszoo.training.jobs.task import JobOutcome, TrainingTask
from reszoo.training.train import resume, train


class SerialEngine:
    """Trains tasks in the order in which they come; `wait` does the work."""

    workers = 1

    def __init__(self) -> None:
        self._tasks: list[tuple[int, TrainingTask]] = []

    def submit(self, key: int, task: TrainingTask) -> None:
        """Queues a task under a key of the caller's."""
        self._tasks.append((key, task))

    def wait(self, seconds: float | None = None) -> tuple[int, JobOutcome] | None:
        """Trains the next task and returns its key and outcome; None if there is none."""
        if not self._tasks:
            return None
        key, task = self._tasks.pop(0)
        try:
            run = _train(task)
        except (GateError, UserError) as error:
            return key, JobOutcome(message=error.what)
        history = [line["val_accuracy"] for line in run.metrics() if "val_accuracy" in line]
        return key, JobOutcome(history[-1] if history else None, tuple(history))

    def progress(self) -> Mapping[int, Mapping[str, Any]]:
        """Returns nothing: no task runs outside of `wait`."""
        return {}

    def stop(self) -> None:
        """Forgets the tasks that wait; a training that Ctrl-C ended has saved its checkpoint."""
        self._tasks.clear()


def _train(task: TrainingTask) -> Any:
    if (task.run / "run.json").is_file():
        return resume(task.run, epochs=task.epochs, quiet=True)
    return train(
        task.architecture,
        task.data.name,
        task.recipe,
        stop_after=task.epochs,
        seed=task.seed,
        out=task.run,
        skip_bad_images=task.data.skip_bad_images,
        data_dir=task.data.data_dir,
        test=False,
        quiet=True,
    )
