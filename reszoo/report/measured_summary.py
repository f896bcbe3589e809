"""Text of what `reszoo tune --plan` measures: candidates of a search, and the time it will take."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reszoo.counted import counted
from reszoo.report.text import facts, table

if TYPE_CHECKING:
    from reszoo.tuning.measured_sample import MeasuredSample
    from reszoo.tuning.time_estimate import CandidateTime, TimeEstimate

_LABELS = {"arena_bytes": "arena, bytes", "latency_ms": "CPU ms, this machine"}


def measured_text(sample: MeasuredSample) -> str:
    """Returns the text of a sample of measured candidates."""
    number = counted(sample.measured, "candidate")
    lines = [
        ("measured", f"the first {number} as the .tflite of {sample.target}, untrained"),
        ("within the limits", f"{sample.feasible} of {sample.measured}"),
    ]
    lines += [(f"  rejected: {name}", str(count)) for name, count in sample.violations.items()]
    if sample.example:
        lines.append(("  such as", sample.example))
    for name, (least, most) in sample.ranges.items():
        lines.append((_LABELS[name], f"{least:,} to {most:,}"))
    return facts(lines)


def time_text(estimate: TimeEstimate) -> str:
    """Returns the text of the time that a search will take."""
    rows = [
        _row("smallest", estimate.smallest, estimate.seconds[0]),
        _row("median", estimate.median, estimate.seconds[1]),
        _row("largest", estimate.largest, estimate.seconds[2]),
    ]
    header = ("candidate", "multiply-adds", "ms a step", "an epoch", "the search, if all were so")
    capacity = estimate.capacity
    workers, threads = counted(capacity.workers, "training"), counted(capacity.threads, "thread")
    where = " on the nodes of the Ray cluster, if they are as fast" if capacity.on_cluster else ""
    step = f"one step of {estimate.batch} images, untrained, on this machine with {threads}"
    lines = [
        ("time", f"about {duration(estimate.seconds[1])}, {workers} at a time{where}"),
        ("measured", step),
        ("start", f"{duration(estimate.start_seconds)} before a training's first step"),
    ]
    return f"{table(header, rows, 'lrrrr')}\n\n{facts(lines)}"


def duration(seconds: float) -> str:
    """Returns a time in words of two units at most.

    >>> duration(4.2), duration(90), duration(5400)
    ('4.2 s', '1 min 30 s', '1 h 30 min')
    """
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if minutes < 10 and rest else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours:,} h {minutes} min"


def _row(name: str, each: CandidateTime, seconds: float) -> tuple[str, ...]:
    return (
        name,
        f"{each.macs:,}",
        f"{1000 * each.step_seconds:,.1f}",
        duration(each.epoch_seconds),
        duration(seconds),
    )
