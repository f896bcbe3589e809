"""The loop of a search round its trainings: time per trial, and the parent's memory over 50 trials.

    python benchmarks/tune_loop.py --strategy random hyperband

Trainings are replaced by an accuracy that is made up from the values, so what is left is proposing,
checking and recording. Goals: under 100 ms per trial, and memory that is flat within 50 MB.
"""

from __future__ import annotations

import argparse
import hashlib
import itertools
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from output import print_result

TRIALS = 50
STRATEGIES = {
    "random": f"{{kind: random, trials: {TRIALS}, max_epochs: 4}}",
    "hyperband": "{kind: hyperband, max_epochs: 27, factor: 3}",
    "grid": f"{{kind: grid, trials: {TRIALS}, max_epochs: 4}}",
    "bayesian": f"{{kind: bayesian, trials: {TRIALS}, max_epochs: 4}}",
    "tpe": f"{{kind: tpe, trials: {TRIALS}, max_epochs: 4}}",
}
PAGE = """\
name: loop
base: resnet8_digits
recipe: digits
space:
  stages[each].depth: {{min: 1, max: 4}}
  stem.filters, stages[*].width: {{multiply: [0.5, 0.75, 1, 1.5, 2]}}
  block.connection: {{choices: [residual, highway]}}
limits: {{parameters: 100000, macs: 2.0e+6}}
strategy: {strategy}
validation: 0.2
"""


def main() -> None:
    """Prints a line per strategy, each measured in a process of its own."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--strategy", nargs="+", choices=STRATEGIES, default=["random"])
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.inside:
        print(json.dumps(measure(*options.strategy)))
        return
    strategies = {}
    for strategy in options.strategy:
        command = [sys.executable, __file__, "--inside", "--strategy", strategy]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        strategies[strategy] = numbers = json.loads(done.stdout.splitlines()[-1])
        print(
            f"{strategy:10} {numbers['trainings']} trainings: {numbers['cpu_ms']:.0f} CPU ms each "
            f"(at most {numbers['most_cpu_ms']:.0f}); memory {numbers['first_mb']:.0f} MB after "
            f"the first, {numbers['last_mb']:.0f} after the last",
            flush=True,
        )
    print_result("tune_loop", strategies=strategies)


def measure(strategy: str) -> dict[str, float]:
    """Returns the time of each trial's loop, and the memory after the first and the last."""
    from reszoo import tune
    from reszoo.tuning import Outcome

    ends: list[tuple[float, int]] = []

    def train(job: object) -> Outcome:
        digest = hashlib.sha256(repr(sorted(dict(job.changes).items())).encode()).digest()
        return Outcome(val_accuracy=0.5 + digest[0] / 600)

    def progress(event: object) -> None:
        if event.kind == "ends":
            ends.append((time.process_time(), memory()))

    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "page.yaml"
        page.write_text(PAGE.format(strategy=STRATEGIES[strategy]))
        tune(page, out=Path(folder) / "search", runner=train, progress=progress)
    times = [1000 * (end - begin) for (begin, _), (end, _) in itertools.pairwise(ends)]
    return {
        "trainings": len(ends),
        "cpu_ms": statistics.median(times),
        "most_cpu_ms": max(times),
        "first_mb": ends[0][1] / 1e6,
        "last_mb": ends[-1][1] / 1e6,
    }


def memory() -> int:
    """Returns the resident bytes of this process."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return 1024 * int(line.split()[1])
    return 0


if __name__ == "__main__":
    main()
