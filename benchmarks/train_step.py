"""Time of a training step on a CPU, compared with other libraries.

All sides train the same network on one constant batch with SGD, Nesterov momentum, loss and
accuracy. Each runs in its own process with the same number of threads; they take turns, and the
times of a round are compared:

    python benchmarks/train_step.py --net resnet50 --batch 16 --sides reszoo applications torch \
        --torch-python /tmp/timm/bin/python

| side | layers | loop |
|---|---|---|
| reszoo | the fast layers of `reszoo train` on a CPU | reszoo's own |
| fit | the same fast layers | Keras's `fit` |
| stock | the same network in stock Keras layers | `fit` |
| applications | that of keras.applications (ImageNet's ResNets) | `fit` |
| torch | timm's (ImageNet's ResNets), or a plain ResNet for CIFAR | PyTorch, eager |

A side may have its own precision: `stock:float32`. Prints a table, in which each side's time is
divided by that of the first, and, last, one line of JSON.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from turns import Seconds, print_table, take_turns

SIDES = ("reszoo", "fit", "stock", "applications", "torch")
_HERE = Path(__file__).parent


def main() -> None:
    """Measures and reports."""
    options = arguments(__doc__)
    commands = {side: command(side, options) for side in options.sides}
    report(take_turns(commands, options.rounds, options.threads), options)


def arguments(description: str | None) -> argparse.Namespace:
    """Parses the command line."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--net", default="resnet50")
    parser.add_argument("--set", nargs="*", default=[], help="changes of the spec, `padding=same`")
    parser.add_argument("--sides", nargs="+", type=_side, default=["reszoo", "applications"])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=4, help="steps in a round")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--precision", default="mixed_bfloat16")
    parser.add_argument("--torch-python", help="a Python that has torch and timm")
    options = parser.parse_args()
    if "torch" in {side.partition(":")[0] for side in options.sides} and not options.torch_python:
        parser.error("the side torch needs --torch-python")
    return options


def command(side: str, options: argparse.Namespace) -> Sequence[str]:
    """Returns the command of one side; see `train_keras.py` and `train_torch.py`."""
    kind, _, precision = side.partition(":")
    python = options.torch_python if kind == "torch" else sys.executable
    file = _HERE / ("train_torch.py" if kind == "torch" else "train_keras.py")
    task = {
        "kind": kind,
        "net": options.net,
        "overrides": options.set,
        "precision": precision or options.precision,
        "batch": options.batch,
        "steps": options.steps,
        "threads": options.threads,
    }
    return [python, str(file), json.dumps(task)]


def report(seconds: Mapping[str, Sequence[Seconds]], options: argparse.Namespace) -> None:
    """Prints the table and the line of JSON."""
    sides = print_table(seconds, options.steps * options.batch)
    facts = {
        name: getattr(options, name)
        for name in ("net", "set", "precision", "batch", "threads", "rounds", "steps")
    }
    print(json.dumps({"benchmark": "train_step", **facts, "sides": sides}))


def _side(text: str) -> str:
    if text.partition(":")[0] not in SIDES:
        raise argparse.ArgumentTypeError(f"one of {', '.join(SIDES)}, not {text}")
    return text


if __name__ == "__main__":
    main()
