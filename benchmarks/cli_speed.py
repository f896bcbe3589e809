"""Time of the light commands, such as `reszoo list`: medians of whole processes, warm."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

COMMANDS = (("list",), ("show", "resnet152"), ("show", "resnet152", "--plan"), ("schema", "search"))
RUNS = 5


def seconds(command: tuple[str, ...]) -> float:
    """Returns the wall seconds of one process, from the start of Python to its end."""
    begun = time.perf_counter()
    subprocess.run([sys.executable, "-m", "reszoo", *command], check=True, capture_output=True)
    return time.perf_counter() - begun


def main() -> None:
    """Prints a line per command."""
    for command in COMMANDS:
        seconds(command)  # warms the file cache
        times = sorted(seconds(command) for _ in range(RUNS))
        print(
            f"reszoo {' '.join(command):24}  median {statistics.median(times):.3f} s  "
            f"(of {RUNS}: {times[0]:.3f} to {times[-1]:.3f} s)"
        )


if __name__ == "__main__":
    main()
