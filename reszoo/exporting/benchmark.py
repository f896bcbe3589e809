"""Benchmark of a network on this machine: latency, throughput, memory, and pairwise comparison.

Every measurement runs in a process of its own, so that memory and threads are those of one network.
Two networks that are compared run in alternating rounds, so that a busy machine slows both alike.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from reszoo.errors import UserError
from reszoo.exporting.benchmark_process import BenchmarkProcess
from reszoo.exporting.bundle_inputs import inside
from reszoo.inference.find_network import find_network, require_model
from reszoo.path_hints import missing_path_hint
from reszoo.runs import Run
from reszoo.system_info import inference_flags, machine, usable_cores
from reszoo.tflite.contract_file import (
    CONTRACT,
    check_hash,
    damaged_contract,
    find_tflite,
    has_hashes,
    is_bundle,
    read_contract,
)
from reszoo.tflite.model_file import find_model_file
from reszoo.tflite.trial_run import require_runnable

_SERVER_BATCH = 32
_ROUNDS = 20
_FEWEST_IMAGES, _MOST_CALLS, _FEWEST_CALLS = 200, 20_000, 3
_SECONDS = 0.5
"""Time to spend on a small network: rounds of less than a millisecond would measure the wake-up of
its process."""
_MOST_THREADS = 512


@dataclass(frozen=True)
class Spread:
    """Percentiles of the time of a call, in seconds."""

    median: float
    p90: float
    p99: float


@dataclass(frozen=True)
class Timing:
    """Times of one network at one thread count and one batch size."""

    network: str
    runtime: str
    threads: int
    batch: int
    calls: int
    wall: Spread
    processor: Spread
    """CPU time, the sum over all threads, in seconds."""
    images_per_second: float
    """Throughput by wall time."""
    load_seconds: float
    first_seconds: float
    """Wall time of the first call, which is part of the warm-up."""
    warm_up_calls: int
    """Number of calls before the timed ones."""
    peak_bytes: int | None
    """Peak memory of the process; None if the system does not report it."""
    runtime_bytes: int | None
    """Peak memory of Python and the runtime, before the network was loaded."""


@dataclass(frozen=True)
class PairedRatio:
    """Time of a network divided by that of another one, for each pair of alternating rounds."""

    threads: int
    batch: int
    wall: tuple[float, ...]
    processor: tuple[float, ...]


@dataclass(frozen=True)
class Benchmark:
    """Times of a network on this machine, and of another one that it is compared with."""

    network: str
    versus: str | None
    machine: dict[str, str | int]
    flags: tuple[str, ...]
    """CPU flags that matter for the speed of inference."""
    load_before: float | None
    """One-minute load average before the measurement."""
    load_after: float | None
    timings: tuple[Timing, ...]
    pairs: tuple[PairedRatio, ...]

    def to_dict(self) -> dict[str, Any]:
        """Returns plain values for JSON."""
        return {"device": "this machine"} | asdict(self)


@dataclass(frozen=True)
class _Subject:
    """A network to measure: how it is loaded, and from where."""

    name: str
    kind: str
    path: Path

    @property
    def batches(self) -> tuple[int, ...]:
        return (1,) if self.kind == "tflite" else (1, _SERVER_BATCH)


def benchmark(
    target: str | Path,
    *,
    versus: str | Path | None = None,
    threads: Sequence[int] = (1,),
    images: int | None = None,
) -> Benchmark:
    """Measures a network on the CPU of this machine.

    Args:
      target: a bundle's folder (its `.tflite`, else its ONNX file or SavedModel), any `.tflite`
        file, a run's folder or a `.keras` file.
      versus: another network to compare with, in alternating rounds of batches of one image.
      threads: thread counts to measure with.
      images: number of images to time at each thread count and batch size, but at least three
        batches. Defaults to as many as take half a second, at least 200.

    Raises:
      UserError: there is no such network, it cannot be run, or the inputs of the two differ in
        batch size or number of dimensions.
      MachineError: a measuring process ended unexpectedly, for example for lack of memory.
    """
    _refuse_many_threads(threads)
    subject = _resolve(target)
    other = None if versus is None else _resolve(versus)
    load_before = _load()
    timings: list[Timing] = []
    pairs: list[PairedRatio] = []
    for count in dict.fromkeys(threads):
        for batch in subject.batches:
            sides = [subject, other] if other is not None and batch == 1 else [subject]
            times, ratio = _measure(sides, count, batch, images)
            timings += times
            pairs += [ratio] if ratio is not None else []
    return Benchmark(
        network=subject.name,
        versus=other.name if other is not None else None,
        machine=machine(),
        flags=inference_flags(),
        load_before=load_before,
        load_after=_load(),
        timings=tuple(timings),
        pairs=tuple(pairs),
    )


def _refuse_many_threads(threads: Sequence[int]) -> None:
    """Raises for thread counts that no processor has: the system would run out of threads."""
    if max(threads) > _MOST_THREADS:
        raise UserError(
            f"{max(threads):,} threads are too many",
            expected=f"at most {_MOST_THREADS}; this machine has {usable_cores()} cores",
            found=f"{max(threads):,}",
            hint=f"write --threads {usable_cores()}",
        )


def _resolve(target: str | Path) -> _Subject:
    """Returns the network that a path names, without loading it."""
    path = Path(target)
    if (file := find_tflite(path)) is not None:
        file = find_model_file(file)
        if is_bundle(path) and has_hashes(contract := read_contract(path / CONTRACT)):
            check_hash(file, contract["sha256"])
        require_runnable(file)
        return _Subject(str(target), "tflite", file)
    if is_bundle(path):
        try:
            files = read_contract(path / CONTRACT)["files"]
            kind = "onnx" if "onnx" in files else "saved_model"
            return _Subject(str(target), kind, inside(path, files[kind]["path"]))
        except (KeyError, TypeError, ValueError) as error:
            raise damaged_contract(path / CONTRACT, error) from error
    if not path.exists():
        raise UserError(
            f"there is no file or folder {path}",
            expected="a bundle, a .tflite file, a run folder or a .keras file",
            hint=missing_path_hint(path),
        )
    found = find_network(path)
    if isinstance(found, Run):
        require_model(found)
    return _Subject(str(target), "keras", path)


def _measure(
    sides: Sequence[_Subject], threads: int, batch: int, images: int | None
) -> tuple[list[Timing], PairedRatio | None]:
    with contextlib.ExitStack() as stack:
        processes = [
            stack.enter_context(BenchmarkProcess(side.kind, side.path, threads, batch))
            for side in sides
        ]
        _refuse_other_inputs(sides, [process.start["shape"] for process in processes])
        slowest = max(process.start["warm_seconds"] for process in processes)
        for index, count in enumerate(_rounds(batch, images, slowest)):
            # The order alternates, since the network that goes first may find its memory still
            # in the caches.
            for process in processes if index % 2 == 0 else processes[::-1]:
                process.take_turn(count)
        timings = [
            _timing(side, process, threads, batch)
            for side, process in zip(sides, processes, strict=True)
        ]
    return timings, _ratio(processes, threads, batch)


def _refuse_other_inputs(sides: Sequence[_Subject], shapes: Sequence[Sequence[int]]) -> None:
    """Raises for two networks that do not take the same number of images per call.

    The sides of the images may differ: that is a comparison of two resolutions.
    """
    if len({(len(shape), *shape[:1]) for shape in shapes}) > 1:
        raise UserError(
            "the inputs of the two networks differ, so that a ratio of their times means nothing",
            where="--vs",
            expected="inputs of the same batch size and number of dimensions",
            found="; ".join(
                f"{side.name} takes ({', '.join(map(str, shape))})"
                for side, shape in zip(sides, shapes, strict=True)
            ),
            hint="leave out --vs, and measure each alone",
        )


def _rounds(batch: int, images: int | None, seconds: float) -> Iterator[int]:
    """Yields the number of calls of each round; they differ by at most one."""
    if images is None:
        images = max(_FEWEST_IMAGES, batch * min(round(_SECONDS / seconds), _MOST_CALLS))
    calls = max(images // batch, _FEWEST_CALLS if batch > 1 else 1)
    rounds = min(_ROUNDS, calls)
    yield from (calls * (index + 1) // rounds - calls * index // rounds for index in range(rounds))


def _timing(side: _Subject, process: BenchmarkProcess, threads: int, batch: int) -> Timing:
    wall = np.concatenate(process.wall)
    start = process.start
    return Timing(
        network=side.name,
        runtime=start["runtime"],
        threads=threads,
        batch=batch,
        calls=len(wall),
        wall=_spread(wall),
        processor=_spread(np.concatenate(process.processor)),
        images_per_second=float(batch * len(wall) / wall.sum()),
        load_seconds=start["load_seconds"],
        first_seconds=start["first_seconds"],
        warm_up_calls=start["warm_up_calls"],
        peak_bytes=process.finish(),
        runtime_bytes=start["runtime_bytes"],
    )


def _spread(seconds: np.ndarray) -> Spread:
    return Spread(*(float(value) for value in np.percentile(seconds, (50, 90, 99))))


def _ratio(processes: Sequence[BenchmarkProcess], threads: int, batch: int) -> PairedRatio | None:
    if len(processes) == 1:
        return None
    own, other = processes
    return PairedRatio(
        threads, batch, _quotients(own.wall, other.wall), _quotients(own.processor, other.processor)
    )


def _quotients(own: list[np.ndarray], other: list[np.ndarray]) -> tuple[float, ...]:
    return tuple(float(a.sum() / b.sum()) for a, b in zip(own, other, strict=True))


def _load() -> float | None:
    try:
        return os.getloadavg()[0]
    except (AttributeError, OSError):  # Windows
        return None
