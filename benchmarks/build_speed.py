"""Time of `reszoo build resnet152 -o x.keras`, compared with keras.applications.

Both run as whole processes, in turn. The two times of a round are compared with each other, so that
a busy machine slows both alike:

    python benchmarks/build_speed.py --rounds 7

Prints a table and, last, one line of JSON.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from processes import run_silently

KERAS = """
import sys
import keras
keras.applications.ResNet152(weights=None).save(sys.argv[1])
"""


def commands(folder: Path) -> dict[str, list[str]]:
    """Returns the command of each side."""
    ours = [sys.executable, "-m", "reszoo", "build", "resnet152", "-o", str(folder / "ours.keras")]
    theirs = [sys.executable, "-c", KERAS, str(folder / "theirs.keras")]
    return {"reszoo": ours, "keras.applications": theirs}


def measure(command: Sequence[str]) -> tuple[float, float]:
    """Returns wall and processor seconds of one process."""
    wall, usage = run_silently(command)
    return wall, usage.ru_utime + usage.ru_stime


def main() -> None:
    """Measures and reports."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    times: dict[str, list[tuple[float, float]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for number in range(rounds + 1):
            for name, command in commands(Path(folder)).items():
                measured = measure(command)
                if number:  # the first round only warms the disk's cache
                    times.setdefault(name, []).append(measured)
    report(times)


def report(times: dict[str, list[tuple[float, float]]]) -> None:
    """Prints a table of medians, and the median ratio of a round."""
    print(f"{'':20}{'wall s':>8}{'cpu s':>8}")
    medians = {}
    for name, rounds in times.items():
        wall, cpu = (statistics.median(column) for column in zip(*rounds, strict=True))
        medians[name] = {"wall_s": round(wall, 2), "cpu_s": round(cpu, 2)}
        print(f"{name:20}{wall:8.2f}{cpu:8.2f}")
    pairs = list(zip(times["reszoo"], times["keras.applications"], strict=True))
    ratios = [statistics.median(ours[i] / theirs[i] for ours, theirs in pairs) for i in (0, 1)]
    print(f"{'paired ratio':20}{ratios[0]:8.2f}{ratios[1]:8.2f}")
    summary = {"wall_ratio": round(ratios[0], 3), "cpu_ratio": round(ratios[1], 3)}
    print(json.dumps({"benchmark": "build_speed", "rounds": len(pairs), **medians, **summary}))


if __name__ == "__main__":
    main()
