"""Time of commands as whole processes, warm: the light ones, or those on the command line.

    python benchmarks/cli_speed.py
    python benchmarks/cli_speed.py "train resnet8_digits --epochs 1"

Prints medians of wall and CPU time, from the start of Python to its end, and, last, one line of
JSON.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
import tempfile

from output import print_result, spread
from processes import run_silently

COMMANDS = ("list", "show resnet152", "show resnet152 --plan", "schema search")


def main() -> None:
    """Prints a line per command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("commands", nargs="*", default=COMMANDS, help="without the word reszoo")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    medians = {}
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        for command in options.commands:
            words = [sys.executable, "-m", "reszoo", *command.split()]
            run_silently(words)  # warms the file cache
            costs = [run_silently(words) for _ in range(options.rounds)]
            wall, cpu = spread([cost.wall for cost in costs]), spread([cost.cpu for cost in costs])
            print(f"reszoo {command}: {wall.text('.3f', 's')}; CPU {cpu.text('.3f', 's')}")
            medians[command] = {"wall_s": round(wall.median, 3), "cpu_s": round(cpu.median, 3)}
    print_result("cli_speed", rounds=options.rounds, commands=medians)


if __name__ == "__main__":
    main()
