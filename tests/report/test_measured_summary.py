"""The plan of a search says what was measured, and about how long the search will take."""

from __future__ import annotations

import dataclasses

from reszoo import spec
from reszoo.report.measured_summary import duration, measured_text, time_text
from reszoo.training.jobs.engines import Capacity
from reszoo.tuning.measured_sample import MeasuredSample
from reszoo.tuning.time_estimate import CandidateTime, TimeEstimate


def lines(text: str) -> list[str]:
    return [" ".join(line.split()) for line in text.splitlines()]


def test_a_sample_says_how_many_are_within_the_limits_and_what_they_cost():
    sample = MeasuredSample(
        target="microcontroller-64k",
        measured=20,
        feasible=13,
        violations={"arena_bytes": 7},
        example="70,012 arena_bytes are above 65,536",
        ranges={"arena_bytes": (8396, 70012), "latency_ms": (0.11, 2.5)},
    )
    assert lines(measured_text(sample)) == [
        "measured the first 20 candidates as the .tflite of microcontroller-64k, untrained",
        "within the limits 13 of 20",
        "rejected: arena_bytes 7",
        "such as 70,012 arena_bytes are above 65,536",
        "arena, bytes 8,396 to 70,012",
        "CPU ms, this machine 0.11 to 2.5",
    ]


def test_an_estimate_names_the_time_of_the_median_and_of_the_extremes():
    net = spec.load("resnet8_digits")
    small, median, large = (
        CandidateTime(net, macs, step, 100 * step)
        for macs, step in ((1_000, 0.01), (2_000, 0.02), (4_000, 0.05))
    )
    times, capacity = (300.0, 600.0, 5400.0), Capacity(2, 1, {})
    estimate = TimeEstimate(small, median, large, 32, 8.2, times, capacity)
    text = lines(time_text(estimate))
    assert "smallest 1,000 10.0 1.0 s 5 min" in text
    assert "largest 4,000 50.0 5.0 s 1 h 30 min" in text
    assert "time about 10 min, 2 trainings at a time" in text
    assert "measured one step of 32 images, untrained, on this machine with 1 thread" in text
    assert "start 8.2 s before a training's first step" in text
    cluster = dataclasses.replace(capacity, workers=8, on_cluster=True)
    text = lines(time_text(dataclasses.replace(estimate, capacity=cluster)))
    nodes = "on the nodes of the Ray cluster, if they are as fast"
    assert f"time about 10 min, 8 trainings at a time {nodes}" in text


def test_a_duration_has_two_units_at_most():
    durations = [duration(seconds) for seconds in (0.4, 59.4, 61, 599, 3599, 3600, 360_000)]
    assert durations == [
        "0.4 s",
        "59 s",
        "1 min 1 s",
        "9 min 59 s",
        "59 min",
        "1 h 0 min",
        "100 h 0 min",
    ]
