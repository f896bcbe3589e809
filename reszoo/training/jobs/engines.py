"""The choice of an engine: some processes on this machine, or a Ray cluster."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from reszoo.errors import UserError
from reszoo.training.jobs.job_resources import JobResources, parse_resources
from reszoo.training.jobs.task import Engine


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
        """Raises a `UserError` for words that cannot be right, before anything is started."""
        if self.ray is not None:
            from reszoo.training.jobs.ray_cluster import require_ray

            require_ray()
        if self.ray is not None and self.jobs is not None:
            raise UserError(
                "--jobs and --ray exclude each other",
                expected="processes on this machine, or the nodes of a cluster",
                found=f"--jobs {self.jobs} --ray {self.ray}",
                hint="leave out --jobs: a cluster performs as many trials as its nodes have room "
                "for, given --per-trial",
            )
        self._resources()

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
        from reszoo.training.jobs.processes import Processes

        return Processes(self.jobs or 1, self._resources())

    def _resources(self) -> JobResources:
        return JobResources() if self.per_trial is None else parse_resources(self.per_trial)
