"""Limits that need the converted file: arena, latency, and the rules of an export target.

Converting takes seconds, so a candidate is measured only when it has passed its plan and is about
to become a trial, one at a time, untrained, in one helper process.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from reszoo import spec
from reszoo.errors import UserError
from reszoo.runs.line_process import LineProcess
from reszoo.spec.architecture import Architecture
from reszoo.spec.search import Limits, Search
from reszoo.spec.target import Target
from reszoo.tuning.constraints import TARGET, bounds
from reszoo.tuning.initial_candidates import resolve_path
from reszoo.tuning.measurement import Measurement, MeasurementLog, measurement_of

MEASURED = ("arena_bytes", "latency_ms")
"""Costs that are measured, each of which may be a limit or an objective."""
DEFAULT_TARGET = "microcontroller"
"""The target whose file is measured for a search that names none."""
WORKER = "reszoo.tuning.measure_worker"

Measure = Callable[[Architecture], Measurement]


class MeasuredLimits:
    """Checks networks on their converted files, each network once.

    Args:
      limits: the limits of the search.
      target: the target whose file is measured, and whose rules hold if the limits name it.
      log: what was measured before, and takes what is measured now.
      measure: measures a network.
    """

    def __init__(
        self, limits: Limits, target: Target, log: MeasurementLog, measure: Measure
    ) -> None:
        self.target = target
        self._judges = limits.target is not None
        self._limits = limits_measured(limits)
        self._log = log
        self._measure = measure

    def check(self, architecture: Architecture) -> Mapping[str, str]:
        """Returns a sentence for each limit that a network violates, by the limit's name."""
        measurement = self.measurement(architecture)
        violations = {}
        if measurement.problems and (self._judges or measurement.file_bytes is None):
            violations[TARGET] = "; ".join(measurement.problems)
        for name, limit in self._limits.items():
            if sentence := _violation(name, getattr(measurement, name), *bounds(limit)):
                violations[name] = sentence
        return violations

    def costs(self, architecture: Architecture) -> Mapping[str, float]:
        """Returns what a network costs by each measure that was measured, by the limit's name."""
        measured = self.measurement(architecture)
        amounts = {name: getattr(measured, name) for name in MEASURED}
        return {name: amount for name, amount in amounts.items() if amount is not None}

    def measurement(self, architecture: Architecture) -> Measurement:
        """Returns what a network costs; it is measured unless the log has it."""
        key = spec.fingerprint(architecture)
        if (known := self._log.get(key)) is not None:
            return known
        measured = self._measure(architecture)
        self._log.add(key, measured)
        return measured


@contextlib.contextmanager
def measured_limits(
    search: Search,
    target: Target | None,
    log: Path | None = None,
    announce: Callable[[int], None] = lambda number: None,
) -> Iterator[MeasuredLimits | None]:
    """Yields the measured limits of a search, or None where it needs no measurement.

    `target` is that of `measured_target`, and `log` the `measured.jsonl` of the search's folder.
    `announce` is told the number of each network before it is measured, which takes seconds.
    The helper process starts with the first measurement, and ends with the block.

    Raises:
      UserError: the log is damaged.
    """
    if target is None:
        yield None
        return
    words = {
        "target": spec.to_mapping(target),
        "judge": search.limits.target is not None,
        "latency": search.limits.latency_ms is not None or "latency_ms" in search.goals,
    }
    measured = MeasurementLog(log)
    with contextlib.ExitStack() as stack:
        worker: list[LineProcess] = []

        def measure(architecture: Architecture) -> Measurement:
            announce(measured.count + 1)
            if not worker:
                worker.append(stack.enter_context(start_worker()))
            request = {"spec": spec.to_mapping(architecture), **words}
            return measurement_of(worker[0].ask({"file": request}))

        yield MeasuredLimits(search.limits, target, measured, measure)


def limits_measured(limits: Limits) -> dict[str, float | tuple[float, float]]:
    """Returns those of a search's limits that are measured, but for the target's."""
    return {name: limit for name in MEASURED if (limit := getattr(limits, name)) is not None}


def measured_target(search: Search) -> Target | None:
    """Returns the target whose file is measured, or None where a search needs no measurement.

    Raises:
      UserError: there is no such target, or it writes no `.tflite`.
    """
    name, where = search.limits.target, search.where("limits", TARGET)
    if name is None:
        is_objective = any(measure in search.goals for measure in MEASURED)
        is_measured = is_objective or bool(limits_measured(search.limits))
        return spec.load_target(DEFAULT_TARGET) if is_measured else None
    try:
        target = spec.load_target(resolve_path(search, name))
    except UserError as error:
        raise error.changed(where=error.where or where) from None
    if "tflite" not in target.writes:
        raise UserError(
            f"the target {target.name} writes no .tflite that could be measured",
            where=where,
            expected="a target with tflite among writes",
            hint="write `target: mobile-int8`, or leave it out",
        )
    return target


def start_worker(environment: Mapping[str, str] | None = None) -> LineProcess:
    """Starts the helper process; by default TensorFlow sees no GPU in it, as a trial may use it."""
    return LineProcess(
        WORKER,
        what="the process that measures candidates",
        environment={"CUDA_VISIBLE_DEVICES": "-1"} if environment is None else environment,
    )


def _violation(name: str, amount: float | None, least: float, most: float) -> str | None:
    if amount is None:
        return f"{name} cannot be measured"
    if amount > most:
        return f"{amount:,} {name} are above {most:,g}"
    return f"{amount:,} {name} are below {least:,g}" if amount < least else None
