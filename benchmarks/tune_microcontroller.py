"""Searches for a microcontroller's network, compared with keras-tuner at equal limits and budgets.

    python benchmarks/tune_microcontroller.py CIFAR OUT --minutes 12

CIFAR is a folder of class folders (`train/*`, `test/*`); the searches train on 1,000 images of each
class. Each side gets the same CPU time (`--minutes` of two cores), the same space and the same
training (reszoo's), and is stopped when its time is used up:

| side | strategy |
|---|---|
| reszoo | Hyperband within the limits, and above a least number of multiply-adds |
| keras-random, keras-hyperband | keras-tuner's RandomSearch and Hyperband, `max_model_size` |
| tpe | reszoo with Optuna's TPE, for comparison |

keras-tuner knows no limit but the number of weights, so its choice is its best network among those
within all limits. The chosen networks are then trained with three seeds and evaluated once on the
test split. Everything is kept in OUT: the same command continues where it was stopped.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import shutil
import signal
import statistics
import subprocess
import sys
import time
from pathlib import Path

IMAGES_PER_CLASS = 1_000
CORES = 2
SEARCH = """\
name: micro
base: resnet8
recipe: short32
space:
  stages[each].depth: {min: 1, max: 4}
  stages[each].width: {choices: [16, 24, 32, 48, 64], order: rising}
limits:
  target: microcontroller-128k
  arena_bytes: 64.0e+3
  parameters: 100.0e+3
  macs: MACS
strategy: STRATEGY
validation: 0.1
"""
"""The space and limits of the zoo's cifar10_microcontroller, and about as many weights as the
target has room for, which is what keras-tuner can limit."""
SIDES = ("reszoo", "keras-random", "keras-hyperband", "tpe")
SEEDS = (1, 2, 3)
T_97_5 = 4.303
"""Quantile of Student's t for an interval of 95 % from three values."""


def main() -> None:
    """Searches, trains what was chosen, and prints the table."""
    options = _options()
    # Children would ignore ctrl-C, as this process does where a shell runs it in the background.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    data = f"folder:{small_copy(options.cifar, options.out / 'data')}"
    for side in options.sides:
        search(side, data, options)
    for side in options.sides:
        for seed in SEEDS:
            train(side, seed, data, options)
    print_results(options)


def small_copy(cifar: Path, folder: Path) -> Path:
    """Returns a data folder with the first images of each class, and all test images."""
    if not (folder / "test").exists():
        for split, count in (("train", IMAGES_PER_CLASS), ("test", None)):
            for label in sorted((cifar / split).iterdir()):
                target = folder / f"{split}.part" / label.name
                target.mkdir(parents=True, exist_ok=True)
                for file in sorted(label.iterdir())[:count]:
                    shutil.copy(file, target / file.name)
            (folder / f"{split}.part").rename(folder / split)
    return folder


def search(side: str, data: str, options: argparse.Namespace) -> None:
    """Runs a side's search until it is done or its CPU time is used up."""
    folder = options.out / side
    folder.mkdir(parents=True, exist_ok=True)
    spent_file, budget = folder / "spent.json", 60.0 * CORES * options.minutes
    spent = json.loads(spent_file.read_text()) if spent_file.exists() else 0.0
    if spent >= budget:
        return
    page = folder / "page.yaml"
    page.write_text(page_of(side))
    if side.startswith("keras-"):
        worker = Path(__file__).with_name("tune_keras_tuner.py")
        words = [str(worker), side.removeprefix("keras-"), str(page), data, str(folder / "search")]
    else:
        words = ["-m", "reszoo", "tune", str(page), "--data", data, "-o", str(folder / "search")]
    with (folder / "log.txt").open("a") as log:
        process = subprocess.Popen([sys.executable, *words], stdout=log, stderr=log)
        used = 0.0
        while process.poll() is None and spent + used < budget:
            time.sleep(2)
            used = max(used, cpu_seconds(process.pid))
            spent_file.write_text(json.dumps(spent + used))
        if process.poll() is None:
            # keras-tuner takes an interrupted training for a failed one, and goes on.
            process.send_signal(signal.SIGKILL if side.startswith("keras-") else signal.SIGINT)
            process.wait()
        elif process.returncode:
            raise SystemExit(f"{side} failed: see {folder / 'log.txt'}")
    spent_file.write_text(json.dumps(budget))
    print(f"{side}: searched for {spent + used:,.0f} CPU seconds", flush=True)


def page_of(side: str) -> str:
    """Returns the search of a side; keras-tuner knows no lower bound, and need not meet one."""
    macs = "15.0e+6" if side.startswith("keras-") else "[10.0e+6, 15.0e+6]"
    strategy = "{kind: hyperband, max_epochs: 8, factor: 3, iterations: 4}"
    if side == "tpe":
        strategy = "{kind: tpe, trials: 60, max_epochs: 8}"
    return SEARCH.replace("MACS", macs).replace("STRATEGY", strategy)


def cpu_seconds(process: int) -> float:
    """Returns the CPU seconds of a process, of its descendants, and of those that have ended."""
    ticks, children = {}, {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                text = (folder / "stat").read_text()
            except OSError:  # it has ended meanwhile
                continue
            fields = text.rpartition(")")[2].split()
            ticks[int(folder.name)] = sum(map(int, fields[11:15]))
            children.setdefault(int(fields[1]), []).append(int(folder.name))
    family, total = [process], 0
    while family:
        member = family.pop()
        total += ticks.get(member, 0)
        family += children.get(member, [])
    return total / os.sysconf("SC_CLK_TCK")


def train(side: str, seed: int, data: str, options: argparse.Namespace) -> None:
    """Trains a side's choice with one seed, or resumes that."""
    best, run = options.out / side / "search" / "best.yaml", options.out / side / f"seed{seed}"
    if not best.exists():
        return
    words = ["train", str(best), "--recipe", "short32", "--epochs", str(options.epochs)]
    words += ["--data", data, "--seed", str(seed), "-o", str(run)]
    if (run / "run.json").exists():
        words = ["resume", str(run)]
    with (options.out / side / "log.txt").open("a") as log:
        command = [sys.executable, "-m", "reszoo", *words]
        subprocess.run(command, stdout=log, stderr=log, check=True)


def print_results(options: argparse.Namespace) -> None:
    """Prints a line per side: the mean test accuracy, its interval, and what the network costs."""
    from reszoo import spec
    from reszoo.planning.cost import cost

    for side in options.sides:
        folder = options.out / side
        if not (folder / "search" / "best.yaml").exists():
            print(f"{side:16} chose no network within the limits")
            continue
        runs = [json.loads((folder / f"seed{seed}" / "run.json").read_text()) for seed in SEEDS]
        accuracies = [run["test_accuracy"] for run in runs]
        spread = T_97_5 * statistics.stdev(accuracies) / math.sqrt(len(SEEDS))
        network = cost(spec.load(folder / "search" / "best.yaml"))
        print(
            f"{side:16} {statistics.mean(accuracies):.4f} +- {spread:.4f} of {len(SEEDS)} seeds, "
            f"{network.parameters:,} parameters, {network.macs:,} multiply-adds"
        )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("cifar", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--minutes", type=float, default=12.0, help="of two cores, for each side")
    parser.add_argument("--epochs", type=int, default=10, help="of the final trainings")
    parser.add_argument("--sides", nargs="+", choices=SIDES, default=list(SIDES[:3]))
    return parser.parse_args()


if __name__ == "__main__":
    main()
