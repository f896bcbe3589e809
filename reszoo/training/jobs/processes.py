"""Jobs in child processes on this machine, several at a time."""

from __future__ import annotations

import dataclasses
import queue
import threading
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from reszoo.system_info import usable_cores
from reszoo.training.jobs.job_process import perform
from reszoo.training.jobs.job_resources import JobResources, divide_gpus
from reszoo.training.jobs.run_outcome import last_epoch
from reszoo.training.jobs.task import JobOutcome, TrainingTask


class Processes:
    """Performs tasks in child processes of this machine; the GPUs are divided among them.

    Args:
      workers: number of tasks at the same time.
      resources: what each task gets. Defaults to an equal part of the cores and GPUs.

    Raises:
      UserError: this machine has fewer GPUs than the tasks need.
    """

    def __init__(self, workers: int = 1, resources: JobResources | None = None) -> None:
        resources = resources or JobResources()
        self.workers = workers
        self.threads = resources.cpus or threads_for(workers)
        self._environments: queue.SimpleQueue[dict[str, str]] = queue.SimpleQueue()
        for environment in divide_gpus(workers, resources.gpus):
            self._environments.put(environment)
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="reszoo-job")
        self._ended: queue.SimpleQueue[tuple[int, Future[JobOutcome]]] = queue.SimpleQueue()
        self._running: dict[int, TrainingTask] = {}
        self._stopping = threading.Event()

    def submit(self, key: int, task: TrainingTask) -> None:
        """Queues a task under a key of the caller's."""
        future = self._pool.submit(self._perform, key, task)
        future.add_done_callback(lambda ended: self._ended.put((key, ended)))

    def wait(self, seconds: float | None = None) -> tuple[int, JobOutcome] | None:
        """Returns the key and the outcome of the next task to end; None if none has in time."""
        try:
            key, ended = self._ended.get(timeout=seconds)
        except queue.Empty:
            return None
        return key, ended.result()

    def progress(self) -> Mapping[int, Mapping[str, Any]]:
        """Returns the last epoch in metrics.jsonl of each task that runs and has one."""
        epochs = {key: last_epoch(task.run) for key, task in tuple(self._running.items())}
        return {key: epoch for key, epoch in epochs.items() if epoch}

    def stop(self) -> None:
        """Stops all tasks, each of which saves its checkpoint."""
        self._stopping.set()
        self._pool.shutdown(cancel_futures=True)

    def _perform(self, key: int, task: TrainingTask) -> JobOutcome:
        environment = self._environments.get()
        self._running[key] = task
        try:
            task = dataclasses.replace(task, threads=task.threads or self.threads)
            return perform(task, environment, self._stopping)
        finally:
            del self._running[key]
            self._environments.put(environment)


def threads_for(workers: int) -> int:
    """Returns the CPU threads of each of several tasks on this machine."""
    return max(1, usable_cores() // workers)
