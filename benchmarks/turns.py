"""Turns among processes that do the same work, so that a busy machine slows all alike.

Each side runs in its own process, with the Python and packages it needs; this module imports only
the standard library. A virtual machine may reclaim memory that a side frees while it waits, and
whoever touches such memory first pays page faults. Every turn therefore begins with an uncounted
warm-up, and page faults and system time are counted beside the times.
"""

from __future__ import annotations

import contextlib
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

Warm = TypeVar("Warm")


class Cost(NamedTuple):
    """What a turn, or a whole process, cost."""

    wall: float
    """Seconds."""
    cpu: float
    """Seconds of all threads, system time included; other processes hardly change them."""
    system: float
    """Seconds of the CPU time that were spent in the kernel."""
    faults: float
    """Minor page faults: memory that was touched for the first time since it was mapped."""


def take_turns(
    commands: Mapping[str, Sequence[str]], rounds: int, threads: int
) -> dict[str, list[Cost]]:
    """Returns the costs of each side in each round; all sides are started and warm beforehand."""
    costs: dict[str, list[Cost]] = {name: [] for name in commands}
    with contextlib.ExitStack() as started:
        sides = {
            name: started.enter_context(_start(command, threads))
            for name, command in commands.items()
        }
        for side in sides.values():
            _read_cost(side)
        for _ in range(rounds):
            for name, side in sides.items():
                side.stdin.write("go\n")
                side.stdin.flush()
                costs[name].append(_read_cost(side))
    return costs


def serve(warm_up: Callable[[], Warm], work: Callable[[Warm], Any]) -> None:
    """In a side's process: takes a turn for every line on stdin, and prints its cost.

    Args:
      warm_up: uncounted, at the start and again before each `work`.
      work: what is counted; gets what `warm_up` returned.
    """
    warm_up()
    print(*Cost(0.0, 0.0, 0.0, 0.0), flush=True)
    for _ in sys.stdin:
        warm = warm_up()
        start = _now()
        work(warm)
        cost = Cost(*(end - begin for end, begin in zip(_now(), start, strict=True)))
        print(*cost, flush=True)


def print_table(costs: Mapping[str, Sequence[Cost]], images: int) -> dict[str, Any]:
    """Prints and returns each side's median speed and its time relative to the first side.

    Args:
      costs: of each side, from `take_turns`.
      images: number of images in a turn.
    """
    first, *_ = costs.values()
    result = {}
    print(f"{'':24}" + "".join(f"{name:>{width}}" for name, width, _ in _COLUMNS))
    for side, turns in costs.items():
        numbers = _summary(turns, first, images)
        cells = zip(numbers.values(), _COLUMNS, strict=True)
        print(
            f"{side:24}" + "".join(f"{number:{width}{form}}" for number, (_, width, form) in cells)
        )
        result[side] = {name: round(number, 3) for name, number in numbers.items()}
    return result


_COLUMNS = (
    ("images/s", 10, ".2f"),
    ("time", 8, ".2f"),
    ("images/CPU s", 14, ".2f"),
    ("CPU time", 10, ".2f"),
    ("system s", 10, ".3f"),
    ("faults", 10, ",.0f"),
)
"""Heading, width and format of the numbers of `_summary`."""


def _summary(turns: Sequence[Cost], first: Sequence[Cost], images: int) -> dict[str, float]:
    """Returns the medians of a side's turns, and of their ratios to those of the first side."""
    wall, cpu, system, faults = map(statistics.median, zip(*turns, strict=True))
    pairs = list(zip(turns, first, strict=True))
    return {
        "images_per_second": images / wall,
        "time_ratio": statistics.median(theirs.wall / ours.wall for theirs, ours in pairs),
        "images_per_cpu_second": images / cpu,
        "cpu_ratio": statistics.median(theirs.cpu / ours.cpu for theirs, ours in pairs),
        "system_seconds": system,
        "minor_faults": faults,
    }


def _now() -> Cost:
    """Returns what this process has cost so far."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return Cost(time.perf_counter(), time.process_time(), usage.ru_stime, usage.ru_minflt)


def _start(command: Sequence[str], threads: int) -> Any:
    """Starts a side, which warms up and prints when it is ready for its first round."""
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "OMP_NUM_THREADS": str(threads)}
    return subprocess.Popen(
        command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def _read_cost(side: Any) -> Cost:
    line = side.stdout.readline()
    if not line:
        raise SystemExit(f"this failed: {' '.join(map(str, side.args))}")
    return Cost(*map(float, line.split()))
