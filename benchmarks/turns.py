"""How do processes that do the same work take turns, so that a busy machine slows all alike?

Each side lives in a process of its own, with whatever Python and packages it needs; nothing but the
standard library is imported here.
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
    """What one round took."""

    wall: float
    processor: float
    """Of all threads together; other processes hardly change it."""


def take_turns(
    commands: Mapping[str, Sequence[str]], rounds: int, threads: int
) -> dict[str, list[Seconds]]:
    """What each side took in each round. All sides are started first, and warm when they begin."""
    sides = {name: _start(command, threads) for name, command in commands.items()}
    taken: dict[str, list[Seconds]] = {name: [] for name in sides}
    for _ in range(rounds):
        for name, side in sides.items():
            side.stdin.write("go\n")
            side.stdin.flush()
            taken[name].append(_answer(side))
    for side in sides.values():
        side.stdin.close()
        side.wait()
    return taken


def serve(turn: Callable[[], Seconds]) -> None:
    """In a side's process: takes a turn whenever a line comes in, and says what it took."""
    print(0.0, 0.0, flush=True)
    for _ in sys.stdin:
        print(*turn(), flush=True)


def timed(work: Callable[[], Any]) -> Callable[[], Seconds]:
    """A turn that is this work from beginning to end."""

    def turn() -> Seconds:
        begun = now()
        work()
        return since(begun)

    return turn


def now() -> Seconds:
    """The time, to be given to `since`."""
    return Seconds(time.perf_counter(), time.process_time())


def since(begun: Seconds) -> Seconds:
    """What was taken since then."""
    return Seconds(*(end - begin for end, begin in zip(now(), begun, strict=True)))


def print_table(taken: Mapping[str, Sequence[Seconds]], images: int) -> dict[str, Any]:
    """Prints and returns the median speeds of rounds of so many images, and each side's time by
    that of the first.
    """
    first, *_ = taken.values()
    result = {}
    print(f"{'':24}{'images/s':>10}{'time':>8}{'images/CPU s':>14}{'CPU time':>10}")
    for side, seconds in taken.items():
        speeds = [images / statistics.median(column) for column in zip(*seconds, strict=True)]
        pairs = zip(zip(*seconds, strict=True), zip(*first, strict=True), strict=True)
        ratios = [median_ratio(theirs, ours) for theirs, ours in pairs]
        print(f"{side:24}{speeds[0]:10.2f}{ratios[0]:8.2f}{speeds[1]:14.2f}{ratios[1]:10.2f}")
        names = ("images_per_second", "images_per_cpu_second", "time_ratio", "cpu_ratio")
        numbers = (round(number, 3) for number in (*speeds, *ratios))
        result[side] = dict(zip(names, numbers, strict=True))
    return result


def median_ratio(theirs: Sequence[float], ours: Sequence[float]) -> float:
    """How many times as long the others took, in the middle one of all rounds."""
    return statistics.median(other / own for other, own in zip(theirs, ours, strict=True))


def _start(command: Sequence[str], threads: int) -> Any:
    """A side that is ready for its first round."""
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "OMP_NUM_THREADS": str(threads)}
    side = subprocess.Popen(
        command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    _answer(side)
    return side


def _answer(side: Any) -> Seconds:
    line = side.stdout.readline()
    if not line:
        raise SystemExit(f"this failed: {' '.join(map(str, side.args))}")
    return Seconds(*map(float, line.split()))
