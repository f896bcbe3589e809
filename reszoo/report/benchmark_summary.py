"""Summary of a benchmark: the machine, a line per measurement, and the ratios of pairs."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import TYPE_CHECKING

from reszoo.counted import counted
from reszoo.report.text import MISSING, facts, format_bytes, table

if TYPE_CHECKING:
    from reszoo.exporting.benchmark import Benchmark, PairedRatio, Spread, Timing

_NOT_THE_DEVICE = (
    "These are times of this machine's CPU, not of a phone, a microcontroller or another device."
)
_PAIRS_SHOWN = 20


def benchmark_text(benchmark: Benchmark) -> str:
    """Returns the machine, the times of each measurement, and the ratios of the pairs."""
    header = (
        *("network", "threads", "batch", "calls"),
        *("median", "p90", "p99", "CPU median", "images/s", "peak memory"),
    )
    rows = [_timing(timing) for timing in benchmark.timings]
    sections = [
        facts(_machine(benchmark)),
        table(header, rows, "lrrrrrrrrr"),
        _warm_up(benchmark.timings),
    ]
    sections += [_pair(benchmark, pair) for pair in benchmark.pairs]
    return "\n\n".join([*sections, _NOT_THE_DEVICE])


def _machine(benchmark: Benchmark) -> list[tuple[str, str]]:
    host = benchmark.machine
    lines = [
        ("processor", f"{host['processor']}, {counted(int(host['cores']), 'usable core')}"),
        ("flags", ", ".join(benchmark.flags) or "none that matters for inference, or unknown"),
        ("system", str(host["system"])),
        ("runtime", "; ".join(dict.fromkeys(timing.runtime for timing in benchmark.timings))),
    ]
    if benchmark.load_before is not None and benchmark.load_after is not None:
        loads = f"{benchmark.load_before:.2f} before, {benchmark.load_after:.2f} after"
        lines.append(("load average", loads + _busy(benchmark.load_before, int(host["cores"]))))
    return lines


def _busy(load: float, cores: int) -> str:
    """Returns a warning if the machine was busy; the measurement itself is one process."""
    if load < 0.5 * cores:
        return ""
    return ": the machine was busy, so trust CPU time and ratios, not wall time"


def _timing(timing: Timing) -> tuple[str, ...]:
    return (
        timing.network,
        str(timing.threads),
        str(timing.batch),
        str(timing.calls),
        *_spread(timing.wall),
        _milliseconds(timing.processor.median),
        f"{timing.images_per_second:,.1f}",
        MISSING if timing.peak_bytes is None else format_bytes(timing.peak_bytes),
    )


def _spread(spread: Spread) -> tuple[str, str, str]:
    return _milliseconds(spread.median), _milliseconds(spread.p90), _milliseconds(spread.p99)


def _milliseconds(seconds: float) -> str:
    return f"{1000 * seconds:,.3f} ms"


def _warm_up(timings: Sequence[Timing]) -> str:
    """Returns a table of load and warm-up, and of the memory beyond Python and the runtime."""
    header = ("network", "threads", "batch", "load", "first call", "warm-up calls", "own memory")
    rows = [
        (
            timing.network,
            str(timing.threads),
            str(timing.batch),
            _milliseconds(timing.load_seconds),
            _milliseconds(timing.first_seconds),
            str(timing.warm_up_calls),
            _own_memory(timing),
        )
        for timing in timings
    ]
    return "Before the timed calls:\n" + table(header, rows, "lrrrrrr")


def _own_memory(timing: Timing) -> str:
    if timing.peak_bytes is None or timing.runtime_bytes is None:
        return MISSING
    return format_bytes(max(timing.peak_bytes - timing.runtime_bytes, 0))


def _pair(benchmark: Benchmark, pair: PairedRatio) -> str:
    rows = [
        (name, *(f"{value:.3f}" for value in _quartiles(ratios)))
        for name, ratios in (("CPU time", pair.processor), ("wall time", pair.wall))
    ]
    title = (
        f"{benchmark.network} / {benchmark.versus}, {counted(pair.threads, 'thread')}, "
        f"{counted(len(pair.wall), 'pair')} of alternating rounds:"
    )
    each = " ".join(f"{ratio:.3f}" for ratio in pair.processor[:_PAIRS_SHOWN])
    header = ("ratio", "median", "lower quartile", "upper quartile")
    return "\n".join([title, table(header, rows, "lrrr"), f"CPU ratio of each pair: {each}"])


def _quartiles(ratios: Sequence[float]) -> tuple[float, float, float]:
    if len(ratios) < 2:
        return ratios[0], ratios[0], ratios[0]
    low, middle, high = statistics.quantiles(ratios, n=4, method="inclusive")
    return middle, low, high
