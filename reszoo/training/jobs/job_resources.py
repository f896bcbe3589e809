"""What each of several jobs gets: CPU threads, GPUs and memory."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from reszoo.errors import UserError, did_you_mean

_VISIBLE = "CUDA_VISIBLE_DEVICES"
_EXAMPLE = "cpus=2,gpus=1,memory_gb=8"
_KINDS = {"cpus": int, "gpus": int, "memory_gb": float}


@dataclass(frozen=True, slots=True)
class JobResources:
    """What each job gets; None leaves it to the engine."""

    cpus: int | None = None
    """Also the number of its CPU threads."""
    gpus: int | None = None
    memory_gb: float | None = None
    """Memory that a node of a cluster must have free; nothing enforces it."""


def parse_resources(word: str) -> JobResources:
    """Returns the resources that a word such as `cpus=2,gpus=1` asks for.

    >>> parse_resources("cpus=2,gpus=1")
    JobResources(cpus=2, gpus=1, memory_gb=None)

    Raises:
      UserError: it says something else.
    """
    amounts: dict[str, Any] = {}
    for part in word.split(","):
        name, _, amount = part.strip().partition("=")
        try:
            amounts[name] = _KINDS[name](amount)
            valid = amounts[name] > 0 or (name == "gpus" and amounts[name] == 0)
        except (KeyError, ValueError):
            valid = False
        if not valid or amounts[name] == float("inf"):
            similar = None if name in _KINDS else did_you_mean(name, _KINDS)
            raise UserError(
                "the resources of each trial cannot be read",
                where="--per-trial",
                expected=_EXAMPLE,
                found=word,
                hint=similar or f"--per-trial {_EXAMPLE}, or some of these",
            )
    return JobResources(**amounts)


def divide_gpus(
    workers: int, each: int | None, environment: Mapping[str, str] | None = None
) -> list[dict[str, str]]:
    """Returns the environment of each worker, in which TensorFlow sees the worker's GPUs alone.

    TensorFlow takes all memory of every GPU that it sees, so no two workers share one.

    Args:
      workers: number of workers.
      each: GPUs of each worker. Defaults to an equal part.
      environment: defaults to that of this process.

    Raises:
      UserError: there are too few.
    """
    gpus = _visible_gpus(os.environ if environment is None else environment)
    if each is None:
        if workers == 1 or not gpus:
            return [{} for _ in range(workers)]
        each = max(1, len(gpus) // workers)
    if workers * each > len(gpus):
        raise UserError(
            f"{workers} at a time with {each} GPU{'s' * (each != 1)} each do not fit this machine",
            where="--jobs",
            expected=f"{workers * each} GPUs",
            found=str(len(gpus)),
            hint="lower --jobs, or train on CPUs with --per-trial gpus=0",
        )
    parts = [gpus[worker * each : (worker + 1) * each] for worker in range(workers)]
    return [{_VISIBLE: ",".join(part) or "-1"} for part in parts]


def _visible_gpus(environment: Mapping[str, str]) -> list[str]:
    """Returns the names of NVIDIA's GPUs that this process may use, without TensorFlow."""
    if (words := environment.get(_VISIBLE)) is not None:
        names = [word.strip() for word in words.split(",")]
        return names[: names.index("-1")] if "-1" in names else [name for name in names if name]
    if shutil.which("nvidia-smi") is None:
        return []
    listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, timeout=60)
    lines = [line for line in listed.stdout.splitlines() if line.startswith("GPU ")]
    return [str(number) for number in range(len(lines))]
