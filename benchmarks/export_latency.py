"""Latency of exported files on one core: a highway twin beside its residual net, int8 beside float.

    python benchmarks/export_latency.py --rows twin int8

Untrained networks are converted for phones and compared as by `reszoo benchmark --vs`, in
alternating rounds. Prints the median ratio of the CPU times and its quartiles and, last, one line
of JSON.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from pathlib import Path

from output import print_result
from tflite_files import converted

from reszoo.exporting.benchmark import benchmark

HIGHWAY = ["block.connection=highway"]
ROWS = {
    "twin": (("resnet20", HIGHWAY, "mobile-int8"), ("resnet20", [], "mobile-int8")),
    "twin-1x1": (
        ("resnet20", [*HIGHWAY, "block.gate.kernel=1"], "mobile-int8"),
        ("resnet20", [], "mobile-int8"),
    ),
    "int8": (("resnet50", [], "mobile-float32"), ("resnet50", [], "mobile-int8")),
}
"""What is divided by what: network, changes, target."""


def main() -> None:
    """Prints a line per row."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=list(ROWS))
    parser.add_argument("--images", type=int, help="timed images of each network")
    options = parser.parse_args()
    ratios = {}
    for row in options.rows:
        with tempfile.TemporaryDirectory() as folder:
            files = [Path(folder) / "one.tflite", Path(folder) / "other.tflite"]
            for file, (network, changes, target) in zip(files, ROWS[row], strict=True):
                file.write_bytes(converted(network, changes, target))
            result = benchmark(files[0], versus=files[1], images=options.images)
        low, median, high = statistics.quantiles(result.pairs[0].processor, n=4)
        print(f"{row:10} {median:.3f} ({low:.3f} to {high:.3f})", flush=True)
        ratios[row] = {"median": round(median, 3), "low": round(low, 3), "high": round(high, 3)}
    print_result("export_latency", ratios=ratios)


if __name__ == "__main__":
    main()
