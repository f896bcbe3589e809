"""The time that a search will take, from one training step of three of its candidates."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice

from reszoo import spec
from reszoo.runs.line_process import LineProcess
from reszoo.spec.architecture import Architecture
from reszoo.training.jobs.engines import Capacity
from reszoo.training.jobs.task import DataArguments
from reszoo.tuning.hyperband import Rung
from reszoo.tuning.measured_limits import start_worker
from reszoo.tuning.resolved_search import ResolvedSearch
from reszoo.tuning.rung_schedule import confirming_rung, planned_brackets, search_seconds
from reszoo.tuning.space import Candidate

_DRAWN = 500
_EVALUATION = 0.35
"""Time of an image in validation, which has no backward pass, relative to that in training."""


@dataclass(frozen=True, slots=True)
class CandidateTime:
    """The time of a candidate's training, predicted from one step of the untrained network."""

    architecture: Architecture
    macs: int
    step_seconds: float
    """Wall time of one training step."""
    epoch_seconds: float
    """Wall time of one epoch and its validation."""


@dataclass(frozen=True, slots=True)
class TimeEstimate:
    """The time of a search, if every candidate took as long as the one measured."""

    smallest: CandidateTime
    median: CandidateTime
    largest: CandidateTime
    batch: int
    """Images of a step."""
    start_seconds: float
    """Wall time before a training's first step: imports, data, tracing."""
    seconds: tuple[float, float, float]
    """Wall time of the search if all were the smallest, the median, the largest."""
    capacity: Capacity
    """How many trainings run at a time, and the threads of each, which the step had too."""


def estimate_time(
    resolved: ResolvedSearch, data: DataArguments, capacity: Capacity
) -> TimeEstimate | None:
    """Measures a training step of the smallest, the median and the largest candidate by macs.

    They are taken from the first 500 feasible ones in the search's order. The step is measured on
    this machine, with as many threads as a training gets. Returns None where there is none.

    Raises:
      UserError: the data do not fit the search.
    """
    sampler = resolved.sampler()
    drawn = list(islice(iter(sampler.draw, None), _DRAWN))
    if not drawn:
        return None
    by_macs = sorted(drawn, key=lambda candidate: _macs(resolved, candidate))
    chosen = (by_macs[-1], by_macs[len(by_macs) // 2], by_macs[0])
    began = time.perf_counter()
    with start_worker(capacity.environment) as worker:
        # The largest comes first: its time until the first step is the start of a training.
        steps = []
        for candidate in chosen:
            steps.append(_measure_step(worker, resolved, candidate, data))
            if len(steps) == 1:
                start = time.perf_counter() - began
    largest, median, smallest = (
        _candidate_time(resolved, candidate, step)
        for candidate, step in zip(chosen, steps, strict=True)
    )
    brackets = planned_brackets(resolved)

    # The best are trained again once all others are known.
    confirming = confirming_rung(resolved)
    stages = [brackets, [[confirming]]] if confirming else [brackets]

    def total(candidate: CandidateTime) -> float:
        def seconds(rung: Rung) -> float:
            return start + (rung.to_epoch - rung.from_epoch) * candidate.epoch_seconds

        return sum(search_seconds(stage, capacity.workers, seconds) for stage in stages)

    seconds = (total(smallest), total(median), total(largest))
    batch = int(steps[0]["batch"])
    return TimeEstimate(smallest, median, largest, batch, start, seconds, capacity)


def _measure_step(
    worker: LineProcess, resolved: ResolvedSearch, candidate: Candidate, data: DataArguments
) -> Mapping[str, float]:
    words = {
        "spec": spec.to_mapping(resolved.space.spec(candidate)),
        "recipe": spec.to_mapping(resolved.space.recipe(candidate)),
        "data": data.name,
        "skip_bad_images": data.skip_bad_images,
        "data_dir": None if data.data_dir is None else str(data.data_dir),
        "teachers": [str(teacher.path) for teacher in data.teachers],
        "seed": resolved.search.seed,
    }
    answer: Mapping[str, float] = worker.ask({"step": words})
    return answer


def _candidate_time(
    resolved: ResolvedSearch, candidate: Candidate, step: Mapping[str, float]
) -> CandidateTime:
    images = step["train_images"] + _EVALUATION * step["val_images"]
    return CandidateTime(
        architecture=resolved.space.spec(candidate),
        macs=_macs(resolved, candidate),
        step_seconds=step["seconds"],
        epoch_seconds=images / step["batch"] * step["seconds"],
    )


def _macs(resolved: ResolvedSearch, candidate: Candidate) -> int:
    price = resolved.constraints.check(candidate).cost
    assert price is not None, "a feasible candidate has a cost"
    return price.macs
