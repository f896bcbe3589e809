"""The helper process measures untrained networks; one process serves all tests of this file."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from reszoo import spec
from reszoo.runs.line_process import LineProcess
from reszoo.tuning.measurement import measurement_of

TEACHER = Path(__file__).parents[1] / "fixtures" / "v0_1" / "finished"
NET = {
    "name": "tiny",
    "input": {"shape": [8, 8, 1], "mean": 80, "std": 96},
    "stem": {"kind": "conv", "filters": 4, "kernel": 3},
    "block": {"transform": "basic", "connection": "residual"},
    "stages": [{"depth": 1, "width": 4}],
    "classes": 10,
}


@pytest.fixture(scope="module")
def worker() -> Iterator[LineProcess]:
    environment = {"CUDA_VISIBLE_DEVICES": "-1"}
    with LineProcess("reszoo.tuning.measure_worker", what="w", environment=environment) as process:
        yield process


def measure(worker: LineProcess, target: str, limits: dict | None = None, **words):
    mapping = spec.to_mapping(spec.load_target(target))
    mapping["limits"] = limits or {}
    request = {"spec": NET, "target": mapping, "judge": True, "latency": False, **words}
    return measurement_of(worker.ask({"file": request}))


def test_a_network_has_its_size_its_arena_and_its_latency(worker):
    before = "tensorflow" in sys.modules
    measured = measure(worker, "microcontroller", latency=True)
    assert measured.problems == ()
    assert measured.macs == 8 * 8 * (9 * 1 * 4 + 2 * 9 * 4 * 4) + 4 * 10
    assert measured.arena_bytes > 2 * 8 * 8 * 4
    assert 3_000 < measured.file_bytes < 30_000
    assert 0 < measured.latency_ms < 1_000
    assert ("tensorflow" in sys.modules) == before, "only the helper imports TensorFlow"


def test_what_exceeds_the_target_is_told_with_its_amount(worker):
    measured = measure(worker, "microcontroller", {"arena_bytes": 1000})
    amount = f"{measured.arena_bytes:,}"
    excess = f"{measured.arena_bytes - 1000:,}"
    assert measured.problems == (f"the arena takes {amount} bytes of 1,000: {excess} too many",)
    assert measured.latency_ms is None
    assert measure(worker, "microcontroller", {"arena_bytes": 1000}, judge=False).problems == ()


def test_a_step_has_its_time_and_the_numbers_of_images(worker):
    recipe = spec.to_mapping(spec.load_recipe("short8", ["validation.fraction=0.2"]))
    words = {"spec": NET, "recipe": recipe, "data": "digits", "seed": 0}
    words |= {"skip_bad_images": False, "data_dir": None, "teachers": [str(TEACHER)]}
    step = worker.ask({"step": words})
    assert step["train_images"] + step["val_images"] == 1437
    assert step["val_images"] == 287
    assert 0 < step["seconds"] < step["start_seconds"]
