"""Turns among processes that do the same work, so that a busy machine slows all alike.

Each side runs in its own process, with the Python and packages it needs; this module imports only
the standard library.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple


class Seconds(NamedTuple):
    """Times of one round."""

    wall: float
    processor: float
    """Sum over all threads; other processes hardly change it."""


def take_turns(
    commands: Mapping[str, Sequence[str]], rounds: int, threads: int
) -> dict[str, list[Seconds]]:
    """Returns the times of each side in each round; all sides are started and warm beforehand."""
    sides = {name: _start(command, threads) for name, command in commands.items()}
    times: dict[str, list[Seconds]] = {name: [] for name in sides}
    for _ in range(rounds):
        for name, side in sides.items():
            side.stdin.write("go\n")
            side.stdin.flush()
            times[name].append(_read_times(side))
    for side in sides.values():
        side.stdin.close()
        side.wait()
    return times


def serve(turn: Callable[[], Seconds]) -> None:
    """In a side's process: takes a turn for every line on stdin, and prints its times."""
    print(0.0, 0.0, flush=True)
    for _ in sys.stdin:
        print(*turn(), flush=True)


def timed(work: Callable[[], Any]) -> Callable[[], Seconds]:
    """Returns a turn that times all of `work`."""

    def turn() -> Seconds:
        begun = now()
        work()
        return since(begun)

    return turn


def now() -> Seconds:
    """Returns the present time, for `since`."""
    return Seconds(time.perf_counter(), time.process_time())


def since(start: Seconds) -> Seconds:
    """Returns the time since `start`."""
    return Seconds(*(end - begin for end, begin in zip(now(), start, strict=True)))


def print_table(times: Mapping[str, Sequence[Seconds]], images: int) -> dict[str, Any]:
    """Prints and returns each side's median speed and its time relative to the first side.

    Args:
      times: of each side, from `take_turns`.
      images: number of images in a round.
    """
    first, *_ = times.values()
    result = {}
    print(f"{'':24}{'images/s':>10}{'time':>8}{'images/CPU s':>14}{'CPU time':>10}")
    for side, seconds in times.items():
        speeds = [images / statistics.median(column) for column in zip(*seconds, strict=True)]
        pairs = zip(zip(*seconds, strict=True), zip(*first, strict=True), strict=True)
        ratios = [median_ratio(theirs, ours) for theirs, ours in pairs]
        print(f"{side:24}{speeds[0]:10.2f}{ratios[0]:8.2f}{speeds[1]:14.2f}{ratios[1]:10.2f}")
        names = ("images_per_second", "images_per_cpu_second", "time_ratio", "cpu_ratio")
        numbers = (round(number, 3) for number in (*speeds, *ratios))
        result[side] = dict(zip(names, numbers, strict=True))
    return result


def median_ratio(theirs: Sequence[float], ours: Sequence[float]) -> float:
    """Returns the median over the rounds of their time divided by ours."""
    return statistics.median(other / own for other, own in zip(theirs, ours, strict=True))


def _start(command: Sequence[str], threads: int) -> Any:
    """Starts a side and waits until it is ready for its first round."""
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "OMP_NUM_THREADS": str(threads)}
    side = subprocess.Popen(
        command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    _read_times(side)
    return side


def _read_times(side: Any) -> Seconds:
    line = side.stdout.readline()
    if not line:
        raise SystemExit(f"this failed: {' '.join(map(str, side.args))}")
    return Seconds(*map(float, line.split()))
