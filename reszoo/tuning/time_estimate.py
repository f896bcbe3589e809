"""The time that a search will take, from one training step of three of its candidates."""

from __future__ import annotations

import dataclasses
import heapq
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from reszoo import spec
from reszoo.runs.line_process import LineProcess
from reszoo.spec.architecture import Architecture
from reszoo.spec.search_strategy import DEFAULT_BATCH
from reszoo.training.jobs.task import DataArguments
from reszoo.tuning.hyperband import Rung
from reszoo.tuning.measured_limits import start_worker
from reszoo.tuning.resolved_search import ResolvedSearch
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
    workers: int


def estimate_time(
    resolved: ResolvedSearch, data: DataArguments, workers: int = 1
) -> TimeEstimate | None:
    """Measures a training step of the smallest, the median and the largest candidate by macs.

    They are taken from the first 500 feasible ones in the search's order. Returns None where there
    is none.

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
    with start_worker() as worker:
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

        return sum(search_seconds(stage, workers, seconds) for stage in stages)

    seconds = (total(smallest), total(median), total(largest))
    batch = int(steps[0]["batch"])
    return TimeEstimate(smallest, median, largest, batch, start, seconds, workers)


def planned_brackets(resolved: ResolvedSearch) -> list[list[Rung]]:
    """Returns the rungs that wait for each other, for each part of the search that does not wait.

    A strategy that learns from results trains a batch at a time; references wait for nothing.
    """
    strategy = resolved.search.strategy
    brackets: list[list[Rung]] = []
    for _ in range(resolved.iterations):
        numbers = dict.fromkeys(rung.bracket for rung in resolved.rungs)
        brackets += [[rung for rung in resolved.rungs if rung.bracket == each] for each in numbers]
    if strategy.kind in ("bayesian", "tpe", "pareto"):
        size = strategy.batch or DEFAULT_BATCH
        brackets = [[part for rung in each for part in _parts(rung, size)] for each in brackets]
    if references := len(resolved.search.references):
        brackets.append([Rung(0, 0, references, 0, resolved.max_epochs)])
    return brackets


def confirming_rung(resolved: ResolvedSearch) -> Rung | None:
    """Returns the trainings of the best candidates with other seeds, if the search has them."""
    confirm = resolved.search.confirm
    if confirm is None:
        return None
    return Rung(0, 0, confirm.best * confirm.seeds, 0, resolved.max_epochs)


def search_seconds(
    brackets: Sequence[Sequence[Rung]], workers: int, seconds: Callable[[Rung], float]
) -> float:
    """Returns the time of all trainings on workers that take the next one as soon as they can.

    Brackets run at once; in each, a rung begins when the rung before is done. `seconds` is the
    time of one training of a rung.
    """
    ready = [(bracket, 0) for bracket, rungs in enumerate(brackets) for _ in range(_size(rungs, 0))]
    left = {(bracket, 0): _size(rungs, 0) for bracket, rungs in enumerate(brackets)}
    running: list[tuple[float, int, int]] = []
    now = 0.0
    while ready or running:
        while ready and len(running) < workers:
            bracket, position = ready.pop(0)
            end = now + seconds(brackets[bracket][position])
            heapq.heappush(running, (end, bracket, position))
        now, bracket, position = heapq.heappop(running)
        left[bracket, position] -= 1
        following = position + 1
        if not left[bracket, position] and following < len(brackets[bracket]):
            left[bracket, following] = _size(brackets[bracket], following)
            ready += [(bracket, following)] * left[bracket, following]
    return now


def _measure_step(
    worker: LineProcess, resolved: ResolvedSearch, candidate: Candidate, data: DataArguments
) -> Mapping[str, float]:
    words = {
        "spec": spec.to_mapping(resolved.space.spec(candidate)),
        "recipe": spec.to_mapping(resolved.space.recipe(candidate)),
        "data": data.name,
        "skip_bad_images": data.skip_bad_images,
        "data_dir": None if data.data_dir is None else str(data.data_dir),
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


def _size(rungs: Sequence[Rung], position: int) -> int:
    return rungs[position].candidates


def _parts(rung: Rung, size: int) -> list[Rung]:
    """Divides a rung into rungs of at most `size` candidates."""
    counts = [min(size, rung.candidates - begin) for begin in range(0, rung.candidates, size)]
    return [dataclasses.replace(rung, candidates=count) for count in counts]
