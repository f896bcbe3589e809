"""A plan measures a few candidates, in the order in which the search will draw them."""

from __future__ import annotations

from reszoo import spec
from reszoo.planning.cost import cost
from reszoo.tuning import measured_limits
from reszoo.tuning.measured_sample import measure_sample
from reszoo.tuning.resolved_search import resolve_search
from tests.tuning.searches import SEARCH, write


class Worker:
    """Stands for the helper process: the arena is made up from the parameters."""

    def __init__(self) -> None:
        self.asked = 0

    def __enter__(self):
        return self

    def __exit__(self, *error) -> None:
        pass

    def ask(self, request):
        self.asked += 1
        parameters = cost(spec.from_mapping(request["file"]["spec"])).parameters
        return {"file_bytes": 1, "arena_bytes": parameters, "problems": []}


def test_a_sample_counts_what_the_measured_limits_reject(tmp_path, monkeypatch):
    worker = Worker()
    monkeypatch.setattr(measured_limits, "start_worker", lambda: worker)
    search = spec.load_search(write(tmp_path, SEARCH + "limits: {arena_bytes: 12000}\n"))
    resolved = resolve_search(search)
    sample = measure_sample(resolved, 8)
    assert sample is not None
    sampler = resolved.sampler()
    arenas = [cost(resolved.space.spec(sampler.draw())).parameters for _ in range(8)]
    assert sample.measured == worker.asked == 8
    assert sample.feasible == sum(arena <= 12_000 for arena in arenas)
    assert sample.violations == {"arena_bytes": sum(arena > 12_000 for arena in arenas)}
    assert sample.ranges == {"arena_bytes": (min(arenas), max(arenas))}
    assert sample.target == "microcontroller"


def test_a_search_without_measured_limits_starts_no_process(tmp_path, monkeypatch):
    monkeypatch.setattr(measured_limits, "start_worker", None)
    assert measure_sample(resolve_search(spec.load_search(write(tmp_path)))) is None
