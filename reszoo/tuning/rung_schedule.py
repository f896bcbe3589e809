"""When the trainings of a search run: which wait for which, and how long all of them take."""

from __future__ import annotations

import dataclasses
import heapq
from collections.abc import Callable, Sequence

from reszoo.spec.search_strategy import BATCHED
from reszoo.tuning.hyperband import Rung
from reszoo.tuning.resolved_search import ResolvedSearch


def planned_brackets(resolved: ResolvedSearch) -> list[list[Rung]]:
    """Returns the rungs that wait for each other, for each part of the search that does not wait.

    A strategy that learns from results trains a batch at a time; references wait for nothing.
    """
    brackets: list[list[Rung]] = []
    for _ in range(resolved.iterations):
        numbers = dict.fromkeys(rung.bracket for rung in resolved.rungs)
        brackets += [[rung for rung in resolved.rungs if rung.bracket == each] for each in numbers]
    if resolved.search.strategy.kind in BATCHED:
        size = resolved.batch
        brackets = [[part for rung in each for part in _parts(rung, size)] for each in brackets]
    if references := len(resolved.search.references):
        brackets.append([Rung(0, 0, references, 0, resolved.max_epochs)])
    return brackets


def confirming_rung(resolved: ResolvedSearch) -> Rung | None:
    """Returns the trainings of the best candidates with other seeds, if the search has them."""
    confirm = resolved.search.confirm
    if confirm is None:
        return None
    return Rung(0, 0, confirm.trainings, 0, resolved.max_epochs)


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


def _size(rungs: Sequence[Rung], position: int) -> int:
    return rungs[position].candidates


def _parts(rung: Rung, size: int) -> list[Rung]:
    """Divides a rung into rungs of at most `size` candidates."""
    counts = [min(size, rung.candidates - begin) for begin in range(0, rung.candidates, size)]
    return [dataclasses.replace(rung, candidates=count) for count in counts]
