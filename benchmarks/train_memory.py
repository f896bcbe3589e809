"""Peak memory of training, compared with other libraries.

Each side builds the network and takes its first steps in its own process, whose peak resident
memory the operating system reports:

    python benchmarks/train_memory.py --net resnet152 --batch 8 \
        --sides reszoo applications:float32

Sides and options are those of `train_step.py`. Prints a table, in which each side's peak is divided
by that of the last, and, last, one line of JSON.
"""

from __future__ import annotations

import statistics

from output import print_result
from processes import run_silently
from train_step import arguments, command


def main() -> None:
    """Measures and reports."""
    options = arguments(__doc__)
    peaks: dict[str, list[float]] = {side: [] for side in options.sides}
    for _ in range(options.rounds):
        for side, megabytes in peaks.items():
            megabytes.append(run_silently(command(side, options)).peak_mb)
    medians = {side: round(statistics.median(megabytes)) for side, megabytes in peaks.items()}
    ratios = {side: round(peak / medians[options.sides[-1]], 3) for side, peak in medians.items()}
    for side, peak in medians.items():
        print(f"{side:24}{peak:8,} MB{ratios[side]:8.2f}")
    print_result("train_memory", **vars(options), peak_mb=medians, ratios=ratios)


if __name__ == "__main__":
    main()
