"""The assembly of a training on workers that were all started alike."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from reszoo.training.assembly import Assembly, assemble
from reszoo.training.distribution.strategy import DeviceSetup
from reszoo.training.distribution.workers import WorkerGroup, lost_workers_explained
from reszoo.training.initial_weights import InitialWeights
from reszoo.training.job import TrainingJob
from reszoo.training.out_of_memory import memory_errors_explained
from reszoo.training.run_record import shared_facts


def assemble_on_workers(
    job: TrainingJob,
    setup: DeviceSetup,
    callbacks: Sequence[Any],
    *,
    until: int,
    begins: bool,
    initial_weights: InitialWeights | None = None,
) -> Assembly:
    """Builds the training once all workers agree on it.

    Args:
      job: what is trained.
      setup: the devices.
      callbacks: Keras callbacks.
      until: the epoch after which the training stops.
      begins: whether it begins, or else is resumed.
      initial_weights: trained weights that it starts from.

    Raises:
      UserError: the workers were started differently, or the training cannot be built.
      MachineError: its network does not fit into memory.
    """
    with lost_workers_explained(setup.cluster), memory_errors_explained(job, setup):
        workers = WorkerGroup(setup)
        workers.require_one_command(begins=begins)
        workers.require_same(shared_facts(job, setup, until=until))
        return assemble(job, setup, callbacks=callbacks, initial_weights=initial_weights)
