"""What each of several jobs gets is read early, and GPUs are divided."""

from __future__ import annotations

import pytest

from reszoo.errors import UserError
from reszoo.training.jobs.job_resources import JobResources, divide_gpus, parse_resources


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("cpus=2", JobResources(cpus=2)),
        ("cpus=2,gpus=1", JobResources(cpus=2, gpus=1)),
        (" gpus=0, memory_gb=1.5 ", JobResources(gpus=0, memory_gb=1.5)),
    ],
)
def test_resources_are_read(word, expected):
    assert parse_resources(word) == expected


@pytest.mark.parametrize(
    "word",
    ["", "cpus", "cpus=0", "cpus=-1", "cpus=1.5", "gpus=x", "memory_gb=nan", "memory_gb=inf", "2"],
)
def test_other_words_are_refused_with_an_example(word):
    with pytest.raises(UserError) as caught:
        parse_resources(word)
    assert (caught.value.where, caught.value.found) == ("--per-trial", word)
    assert "cpus=2,gpus=1" in (caught.value.expected or "")


def test_a_misspelled_resource_is_recognised():
    with pytest.raises(UserError, match="did you mean 'cpus'"):
        parse_resources("cpu=2")


@pytest.mark.parametrize(
    ("visible", "workers", "each", "expected"),
    [
        ("", 2, None, [None, None]),
        ("-1", 2, None, [None, None]),
        ("0,1,2,3", 1, None, [None]),
        ("0,1,2,3", 2, None, ["0,1", "2,3"]),
        ("4,5,6", 3, 1, ["4", "5", "6"]),
        ("4,5,-1,6", 2, 1, ["4", "5"]),
        ("0", 3, 0, ["-1", "-1", "-1"]),
        ("GPU-ab,GPU-cd", 2, None, ["GPU-ab", "GPU-cd"]),
    ],
)
def test_each_worker_sees_gpus_of_its_own(visible, workers, each, expected):
    environments = divide_gpus(workers, each, {"CUDA_VISIBLE_DEVICES": visible})
    assert [environment.get("CUDA_VISIBLE_DEVICES") for environment in environments] == expected


@pytest.mark.parametrize(("visible", "each"), [("0", None), ("", 1), ("0,1", 2)])
def test_too_few_gpus_are_refused(visible, each):
    with pytest.raises(UserError, match="do not fit this machine"):
        divide_gpus(2, each, {"CUDA_VISIBLE_DEVICES": visible})
