"""The choice of an engine: some processes on this machine, or a Ray cluster."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from reszoo.errors import UserError
from reszoo.training.jobs.job_process import THREAD_VARIABLES
from reszoo.training.jobs.job_resources import JobResources, divide_gpus, parse_resources
from reszoo.training.jobs.processes import Processes, threads_for
from reszoo.training.jobs.task import Engine


@dataclass(frozen=True, slots=True)
class Capacity:
    """How many jobs an engine performs at a time, and what each gets."""

    workers: int
    threads: int
    """CPU threads of each job."""
    environment: Mapping[str, str]
    """Environment variables that limit a process on this machine to what a job gets."""
    on_cluster: bool = False


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """Where jobs run, and how many at a time."""

    jobs: int | None = None
    """Number of processes on this machine. Defaults to 1."""
    ray: str | None = None
    """Address of a Ray cluster, or `auto`; its nodes decide how many jobs run at a time."""
    per_trial: str | None = None
    """What each job gets, as `parse_resources` reads it."""

    def check(self) -> None:
        """Raises a `UserError` for options that contradict each other or ask for missing GPUs."""
        if self.ray is not None:
            from reszoo.training.jobs.ray_cluster import require_ray

            require_ray()
            if self.jobs is not None:
                raise UserError(
                    "--jobs and --ray exclude each other",
                    expected="processes on this machine, or the nodes of a cluster",
                    found=f"--jobs {self.jobs} --ray {self.ray}",
                    hint="leave out --jobs: a cluster performs as many trials as its nodes have "
                    "room for, given --per-trial",
                )
        resources = self._resources()
        if self.ray is None:
            divide_gpus(self.jobs or 1, resources.gpus)

    def create(self, folder: Path) -> Engine:
        """Returns the engine for runs in a folder.

        Raises:
          UserError: this machine or the cluster cannot do it; the message says what there is.
          MachineError: a node of the cluster does not answer.
        """
        self.check()
        if self.ray is not None:
            from reszoo.training.jobs.ray_engine import RayEngine

            return RayEngine(self.ray, folder, self._resources())
        return Processes(self.jobs or 1, self._resources())

    def capacity(self) -> Capacity:
        """Returns the capacity of the engine without creating it.

        Raises:
          UserError: this machine or the cluster cannot do it; the message says what there is.
        """
        self.check()
        resources = self._resources()
        if self.ray is not None:
            from reszoo.training.jobs import ray_cluster

            nodes = ray_cluster.alive_nodes(ray_cluster.connect(self.ray))
            workers, threads = ray_cluster.fitting_tasks(nodes, resources), resources.cpus or 1
            gpus = {} if resources.gpus else {"CUDA_VISIBLE_DEVICES": "-1"}
        else:
            workers = self.jobs or 1
            threads = resources.cpus or threads_for(workers)
            gpus = divide_gpus(workers, resources.gpus)[0]
        variables = dict.fromkeys(THREAD_VARIABLES, str(threads)) | gpus
        return Capacity(workers, threads, variables, self.ray is not None)

    def _resources(self) -> JobResources:
        return JobResources() if self.per_trial is None else parse_resources(self.per_trial)
