"""Jobs as tasks of a Ray cluster."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from reszoo.errors import ReszooError, first_line
from reszoo.training.jobs import ray_cluster, ray_node
from reszoo.training.jobs.job_process import STOP_SECONDS
from reszoo.training.jobs.job_resources import JobResources
from reszoo.training.jobs.lost_work import LostWork
from reszoo.training.jobs.run_outcome import last_epoch
from reszoo.training.jobs.task import JobOutcome, TrainingTask


class RayEngine:
    """Performs tasks on the nodes of a Ray cluster, which share the folder of the runs.

    A task is words: neither weights nor TensorFlow pass through Ray. One whose worker or node is
    gone is lost work, and is given out again by the rule of `LostWork`.

    Args:
      address: that of the cluster's head, or `auto`.
      folder: the folder in which all runs lie.
      resources: what each task takes. Defaults to one CPU.

    Raises:
      UserError: the cluster cannot be used; see `ray_cluster`.
    """

    def __init__(self, address: str, folder: Path, resources: JobResources | None = None) -> None:
        resources = resources or JobResources()
        self._ray = ray_cluster.connect(address)
        nodes = ray_cluster.alive_nodes(self._ray)
        self.workers = ray_cluster.fitting_tasks(nodes, resources)
        ray_cluster.check_nodes(self._ray, nodes, folder)
        amounts = ray_cluster.wanted(resources)
        self.threads = int(amounts["CPU"])
        self._remote = self._ray.remote(
            num_cpus=amounts["CPU"],
            num_gpus=amounts["GPU"],
            memory=amounts["memory"] or None,
            max_retries=0,
            runtime_env=ray_cluster.RUNTIME_ENVIRONMENT,
        )(ray_node.train_task)
        self._running: dict[Any, _Submitted] = {}

    def submit(self, key: int, task: TrainingTask) -> None:
        """Queues a task under a key of the caller's."""
        paths = {name: getattr(task, name).resolve() for name in ("architecture", "recipe")}
        paths |= {"run": task.run.resolve(), "log": task.log.resolve()}
        task = dataclasses.replace(task, **paths, threads=task.threads or self.threads)
        self._begin(_Submitted(key, task, LostWork(task.run)))

    def wait(self, seconds: float | None = None) -> tuple[int, JobOutcome] | None:
        """Returns the key and the outcome of the next task to end; None if none has in time."""
        while self._running:
            ended, _ = self._ray.wait(list(self._running), num_returns=1, timeout=seconds)
            if not ended:
                return None
            submitted = self._running.pop(ended[0])
            try:
                outcome = self._ray.get(ended[0])
            except self._ray.exceptions.RayTaskError:  # an error of ours, no lost work
                raise
            except self._ray.exceptions.RayError as error:
                submitted.attempts += 1
                if submitted.lost.may_restart():
                    self._begin(submitted)
                    continue
                outcome = JobOutcome(message=submitted.lost.failure(_reason(error)))
            if isinstance(outcome, ReszooError):
                raise outcome
            attempts = outcome.attempts + submitted.attempts
            return submitted.key, dataclasses.replace(outcome, attempts=attempts)
        return None

    def progress(self) -> Mapping[int, Mapping[str, Any]]:
        """Returns the last epoch in metrics.jsonl of each task that runs and has one."""
        epochs = {one.key: last_epoch(one.task.run) for one in self._running.values()}
        return {key: epoch for key, epoch in epochs.items() if epoch}

    def stop(self) -> None:
        """Stops all tasks, each of which saves its checkpoint."""
        for reference in self._running:
            self._ray.cancel(reference, force=False)
        if self._running:
            waiting = list(self._running)
            self._ray.wait(waiting, num_returns=len(waiting), timeout=STOP_SECONDS)
        self._running.clear()

    def _begin(self, submitted: _Submitted) -> None:
        self._running[self._remote.remote(submitted.task)] = submitted


@dataclasses.dataclass(slots=True)
class _Submitted:
    """A task on the cluster, and how often it was lost there."""

    key: int
    task: TrainingTask
    lost: LostWork
    attempts: int = 0


def _reason(error: Exception) -> str:
    memory = ", most likely for lack of memory" if "OutOfMemory" in type(error).__name__ else ""
    return f"Ray lost the training{memory}: {first_line(error)}"
