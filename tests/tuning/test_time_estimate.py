"""The estimate of a search's time measures what a training on this machine would get."""

from __future__ import annotations

from reszoo.training.jobs import processes
from reszoo.tuning.time_estimate import _environment


def test_a_step_is_measured_with_the_threads_of_a_training(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    monkeypatch.setattr(processes, "usable_cores", lambda: 8)
    assert set(_environment(4).values()) == {"2"}
    assert _environment(1) == {}
