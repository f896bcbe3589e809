"""What do the workers of one training settle between them?

They step together, so whatever makes one of them do something else (a signal, a clock, a full disk)
must be known to all before any of them acts on it: each method here is called by all of them, in
the same order. Where there is one worker, nothing is asked and nothing is waited for.
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
from reszoo.runs.cluster.discovery import Cluster, named_workers
from reszoo.training.distribution.strategy import DeviceSetup

Result = TypeVar("Result")

_LONGEST = 120
_LOST = (
    tf.errors.UnavailableError,
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.DeadlineExceededError,
    tf.errors.InternalError,
    tf.errors.UnknownError,
)
"""What TensorFlow's collectives raise when a worker is gone; which one depends on who notices."""


class WorkerGroup:
    """The workers of a placement."""

    def __init__(self, placement: DeviceSetup) -> None:
        self.placement = placement
        self._gather = tf.function(self._gathered, reduce_retracing=True)

    def agree(self, **wishes: int) -> dict[str, int]:
        """The greatest of each wish over all workers: who wants nothing says 0 or False."""
        if self.placement.workers == 1:
            return wishes
        rows = self._rows(np.array([list(wishes.values())], np.int64))
        return dict(zip(wishes, rows.max(axis=0).tolist(), strict=True))

    def require_same(self, facts: Mapping[str, Any]) -> None:
        """Refuses workers that were started differently.

        Args:
          facts: what must be the same everywhere, by the names a person knows it by.

        Raises:
          UserError: on every worker; it says what differs, and on which.
        """
        if self.placement.workers == 1:
            return
        told = [json.loads(text) for text in self._texts(json.dumps(facts, default=str))]
        chief = told[0]
        for worker, found in enumerate(told):
            names = [one for one in {**chief, **found} if chief.get(one) != found.get(one)]
            if names:
                raise UserError(
                    f"worker {worker} was started differently from the chief: {', '.join(names)}",
                    where=self._cluster.addresses[worker],
                    expected=_listed(chief, names),
                    found=_listed(found, names),
                    hint="start all workers with the same command, files, data and versions",
                )

    def require_one_command(self, *, begins: bool) -> None:
        """Sends workers back of which some begin a run and others go on with it.

        It happens where one was started again before the run folder was there, and the others
        after: once more, and all of them go on.

        Raises:
          RestartError: on every worker.
        """
        commands = self.agree(train=begins, resume=not begins)
        if all(commands.values()):
            raise RestartError(
                "some workers begin the run and others go on with it",
                expected="`reszoo train` on all workers, or `reszoo resume`",
                found=f"`reszoo {'train' if begins else 'resume'}` on worker "
                f"{self.placement.worker}, and the other elsewhere",
                hint="start all of them again with the same command; `--supervise` does so itself",
            )

    def chief_first(self, act: Callable[[], Result], follow: Callable[[], Result]) -> Result:
        """The chief acts, and once that is done the others follow.

        Raises:
          UserError: on the others, where the chief failed; the chief raises what it was.
        """
        if self.placement.workers == 1:
            return act()
        error, done = None, None
        if self.placement.is_chief:
            try:
                done = act()
            except Exception as raised:
                error = raised
        failed = self.agree(failed=error is not None)["failed"]
        if error is not None:
            raise error
        if failed:
            raise UserError("the chief could not go on; it says why", where=self._chief)
        return follow() if done is None else done

    @property
    def _cluster(self) -> Cluster:
        assert self.placement.cluster is not None
        return self.placement.cluster

    @property
    def _chief(self) -> str:
        return named_workers(self._cluster, [0])

    def _texts(self, text: str) -> list[str]:
        """Every worker's text."""
        content = np.frombuffer(text.encode(), np.uint8).astype(np.int64)
        longest = self.agree(length=len(content))["length"]
        # Padded with spaces, which JSON may end with.
        padded = np.full((1, longest), ord(" "), np.int64)
        padded[0, : len(content)] = content
        return [bytes(row.astype(np.uint8)).decode() for row in self._rows(padded)]

    def _rows(self, row: np.ndarray) -> np.ndarray:
        """Every worker's row, in the order of the workers."""
        rows = self.placement.strategy.experimental_local_results(self._gather(tf.constant(row)))
        own = self.placement.replicas // self.placement.workers
        return rows[0].numpy()[::own]

    def _gathered(self, row: tf.Tensor) -> Any:
        def gather(own: tf.Tensor) -> tf.Tensor:
            # The identity gives it a device, without which it cannot be gathered.
            return tf.distribute.get_replica_context().all_gather(tf.identity(own), axis=0)

        return self.placement.strategy.run(gather, args=(row,))


@contextlib.contextmanager
def lost_workers_named(cluster: Cluster | None) -> Iterator[None]:
    """Turns TensorFlow's error about a worker that is gone into one sentence.

    Raises:
      RestartError: a worker is gone; the job can only be started again as a whole.
    """
    try:
        yield
    except _LOST as error:
        if cluster is None or not re.search("ollective|/job:worker|heartbeat", str(error)):
            raise
        lost = sorted(
            {int(task) for task in re.findall(r"/job:worker/replica:\d+/task:(\d+)", str(error))}
            - {cluster.worker}
        )
        raise RestartError(
            f"{named_workers(cluster, lost) if lost else 'a worker'} is gone, and the others "
            "cannot go on without it",
            found=_cause(error),
            hint="start all workers again: `reszoo resume` goes on from the last state, and "
            "`--supervise` does so by itself",
        ) from error


def flat(value: Any, name: str = "") -> dict[str, Any]:
    """Nested mappings and lists as one, with names such as `stages[0].depth`."""
    if isinstance(value, Mapping):
        pairs = [(f"{name}.{key}" if name else str(key), one) for key, one in value.items()]
    elif isinstance(value, list | tuple):
        pairs = [(f"{name}[{index}]", one) for index, one in enumerate(value)]
    else:
        return {name: value}
    return {key: leaf for part, one in pairs for key, leaf in flat(one, part).items()}


def _listed(facts: Mapping[str, Any], names: list[str]) -> str:
    text = ", ".join(f"{name} {facts.get(name, 'not said')}" for name in names)
    return text if len(text) <= _LONGEST else text[:_LONGEST] + " ..."


def _cause(error: Exception) -> str:
    """Returns the line that names the lost worker where there is one, else the first line."""
    lines = (line.strip() for line in str(error).splitlines())
    causes = (line[:200] for line in lines if "aborted" in line or "unhealthy" in line)
    return next(causes, first_line(error))
