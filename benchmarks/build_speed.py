"""Time of `reszoo build resnet152 -o x.keras`, compared with keras.applications.

Both run as whole processes, in turn. The two times of a round are compared with each other, so that
a busy machine slows both alike:

    python benchmarks/build_speed.py --rounds 7

Prints a table and, last, one line of JSON.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from pathlib import Path

from output import print_result
from processes import ProcessCost, run_silently

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


def main() -> None:
    """Measures and reports."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as folder:
        sides = commands(Path(folder))
        costs: dict[str, list[ProcessCost]] = {name: [] for name in sides}
        for number in range(rounds + 1):
            for name, command in sides.items():
                cost = run_silently(command)
                if number:  # the first round only warms the disk's cache
                    costs[name].append(cost)
    report(costs)


def report(costs: dict[str, list[ProcessCost]]) -> None:
    """Prints a table of medians, and the median ratio of a round."""
    print(f"{'':20}{'wall s':>8}{'cpu s':>8}")
    for name, rounds in costs.items():
        wall, cpu, _ = map(statistics.median, zip(*rounds, strict=True))
        print(f"{name:20}{wall:8.2f}{cpu:8.2f}")
    pairs = list(zip(costs["reszoo"], costs["keras.applications"], strict=True))
    wall = statistics.median(ours.wall / theirs.wall for ours, theirs in pairs)
    cpu = statistics.median(ours.cpu / theirs.cpu for ours, theirs in pairs)
    print(f"{'paired ratio':20}{wall:8.2f}{cpu:8.2f}")
    ratios = {"wall_ratio": round(wall, 3), "cpu_ratio": round(cpu, 3)}
    print_result("build_speed", rounds=len(pairs), **ratios)


if __name__ == "__main__":
    main()
