"""Coordination between workers: every decision is all-reduced before anyone acts on it.

Workers step together, so whatever makes one of them do something else (a signal, a clock, a full
disk) must be known to all of them first. All workers call each method here, in the same order. With
one worker, nothing is communicated and nothing waits.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

import numpy as np
import tensorflow as tf

from reszoo.errors import RestartError, UserError, first_line
from reszoo.runs.cluster.discovery import Cluster, describe_workers
from reszoo.training.distribution.strategy import DeviceSetup

Result = TypeVar("Result")

_LONGEST = 120
_LOST_WORKER = (
    tf.errors.UnavailableError,
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.DeadlineExceededError,
    tf.errors.InternalError,
    tf.errors.UnknownError,
)
"""What TensorFlow's collectives raise when a worker is gone; it depends on who notices first."""


class WorkerGroup:
    """The workers of a device setup."""

    def __init__(self, setup: DeviceSetup) -> None:
        self.setup = setup
        self._gather = tf.function(self._gathered, autograph=False, reduce_retracing=True)

    def all_reduce_max(self, **flags: int) -> dict[str, int]:
        """Returns the maximum of each flag over all workers."""
        if self.setup.workers == 1:
            return flags
        rows = self._rows(np.array([list(flags.values())], np.int64))
        return dict(zip(flags, rows.max(axis=0).tolist(), strict=True))

    def require_same(self, facts: Mapping[str, Any]) -> None:
        """Refuses workers that were started differently.

        Args:
          facts: what must be equal on all workers, by names that the user knows.

        Raises:
          UserError: on every worker; it names what differs, and where.
        """
        if self.setup.workers == 1:
            return
        gathered = [json.loads(text) for text in self._all_gather(json.dumps(facts, default=str))]
        chief = gathered[0]
        for worker, own in enumerate(gathered):
            names = [name for name in {**chief, **own} if chief.get(name) != own.get(name)]
            if names:
                raise UserError(
                    f"worker {worker} was started differently from the chief: {', '.join(names)}",
                    where=self._cluster.addresses[worker],
                    expected=_listed(chief, names),
                    found=_listed(own, names),
                    hint="start all workers with the same command, files, data and versions",
                )

    def require_one_command(self, *, begins: bool) -> None:
        """Refuses workers of which some begin the run and others resume it.

        It happens where one was restarted before the run folder existed, and the others after:
        once restarted again, all of them resume.

        Raises:
          RestartError: on every worker.
        """
        commands = self.all_reduce_max(train=begins, resume=not begins)
        if all(commands.values()):
            raise RestartError(
                "some workers begin the run and others resume it",
                expected="`reszoo train` on all workers, or `reszoo resume`",
                found=f"`reszoo {'train' if begins else 'resume'}` on worker "
                f"{self.setup.worker}, and the other elsewhere",
                hint="start all of them again with the same command; `--supervise` does so for you",
            )

    def chief_first(self, act: Callable[[], Result], follow: Callable[[], Result]) -> Result:
        """Calls `act` on the chief, then `follow` on the others, and returns each one's result.

        Raises:
          UserError: on the others, where the chief failed; the chief raises its own error.
        """
        if self.setup.workers == 1:
            return act()
        if self.setup.is_chief:
            try:
                done = act()
            except Exception:
                self.all_reduce_max(failed=True)
                raise
            self.all_reduce_max(failed=False)
            return done
        if self.all_reduce_max(failed=False)["failed"]:
            raise UserError(
                "the chief failed; its own message says why",
                where=describe_workers(self._cluster, [0]),
                hint="do what the chief's error says, and start all workers again",
            )
        return follow()

    @property
    def _cluster(self) -> Cluster:
        assert self.setup.cluster is not None
        return self.setup.cluster

    def _all_gather(self, text: str) -> list[str]:
        """Returns the text of every worker, in the order of the workers."""
        content = np.frombuffer(text.encode(), np.uint8).astype(np.int64)
        longest = self.all_reduce_max(length=len(content))["length"]
        # Padded with spaces, which JSON may end with.
        padded = np.full((1, longest), ord(" "), np.int64)
        padded[0, : len(content)] = content
        return [bytes(row.astype(np.uint8)).decode() for row in self._rows(padded)]

    def _rows(self, row: np.ndarray) -> np.ndarray:
        """Returns the row of every worker, in the order of the workers."""
        rows = self.setup.strategy.experimental_local_results(self._gather(tf.constant(row)))
        own = self.setup.replicas // self.setup.workers
        return rows[0].numpy()[::own]

    def _gathered(self, row: tf.Tensor) -> Any:
        def gather(own: tf.Tensor) -> tf.Tensor:
            # The identity gives it a device, without which it cannot be gathered.
            return tf.distribute.get_replica_context().all_gather(tf.identity(own), axis=0)

        return self.setup.strategy.run(gather, args=(row,))


@contextlib.contextmanager
def lost_workers_explained(cluster: Cluster | None) -> Iterator[None]:
    """Turns TensorFlow's error about a lost worker into one sentence.

    Raises:
      RestartError: a worker is gone; the job can only be restarted as a whole.
    """
    try:
        yield
    except _LOST_WORKER as error:
        if cluster is None or not re.search("ollective|/job:worker|heartbeat", str(error)):
            raise
        lost = sorted(
            {int(task) for task in re.findall(r"/job:worker/replica:\d+/task:(\d+)", str(error))}
            - {cluster.worker}
        )
        raise RestartError(
            f"{describe_workers(cluster, lost) if lost else 'a worker'} is gone, and the others "
            "cannot continue without it",
            found=_cause(error),
            hint="start all workers again: `reszoo resume` continues from the last checkpoint; "
            "`--supervise` does so automatically",
        ) from error


def flatten(value: Any, name: str = "") -> dict[str, Any]:
    """Flattens nested mappings and lists to names such as `stages[0].depth`."""
    if isinstance(value, Mapping):
        pairs = [(f"{name}.{key}" if name else str(key), item) for key, item in value.items()]
    elif isinstance(value, list | tuple):
        pairs = [(f"{name}[{index}]", item) for index, item in enumerate(value)]
    else:
        return {name: value}
    return {key: leaf for path, item in pairs for key, leaf in flatten(item, path).items()}


def _listed(facts: Mapping[str, Any], names: list[str]) -> str:
    text = ", ".join(f"{name} {facts.get(name, 'not set')}" for name in names)
    return text if len(text) <= _LONGEST else text[:_LONGEST] + " ..."


def _cause(error: Exception) -> str:
    """Returns the line that names the lost worker where there is one, else the first line."""
    lines = (line.strip() for line in str(error).splitlines())
    causes = (line[:200] for line in lines if "aborted" in line or "unhealthy" in line)
    return next(causes, first_line(error))
