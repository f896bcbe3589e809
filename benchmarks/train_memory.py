"""Peak memory of training, compared with other libraries.

Each side builds the network and takes its first steps in its own process, whose peak resident
memory the operating system reports:

    python benchmarks/train_memory.py --net resnet152 --batch 8 \
        --sides reszoo applications:float32

Sides and options are those of `train_step.py`. Prints a table, in which each side's peak is divided
by that of the last, and, last, one line of JSON.
"""

from __future__ import annotations

import json
import statistics

from processes import run_silently
from train_step import arguments, command


def main() -> None:
    """Measures and reports."""
    options = arguments(__doc__)
    peaks: dict[str, list[float]] = {side: [] for side in options.sides}
    for _ in range(options.rounds):
        for side, megabytes in peaks.items():
            _, usage = run_silently(command(side, options))
            megabytes.append(usage.ru_maxrss / 1024)
    medians = {side: statistics.median(megabytes) for side, megabytes in peaks.items()}
    peer = medians[options.sides[-1]]
    for side, megabytes in medians.items():
        print(f"{side:24}{megabytes:8.0f} MB{megabytes / peer:8.2f}")
    facts = {name: getattr(options, name) for name in ("net", "set", "precision", "batch")}
    rounded = {side: round(megabytes) for side, megabytes in medians.items()}
    ratio = round(medians[options.sides[0]] / peer, 3)
    print(json.dumps({"benchmark": "train_memory", **facts, "peak_mb": rounded, "ratio": ratio}))


if __name__ == "__main__":
    main()
