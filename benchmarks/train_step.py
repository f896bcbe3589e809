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
from collections.abc import Sequence

import sides
from output import print_result
from turns import print_table, take_turns

SIDES = ("reszoo", "fit", "stock", "applications", "torch")


def main() -> None:
    """Measures and reports."""
    options = arguments(__doc__)
    commands = {side: command(side, options) for side in options.sides}
    costs = take_turns(commands, options.rounds, options.threads)
    table = print_table(costs, options.steps * options.batch)
    print_result("train_step", **vars(options) | {"sides": table})


def arguments(description: str | None) -> argparse.Namespace:
    """Parses the command line."""
    parser = sides.parser_of(description, SIDES)
    parser.add_argument("--set", nargs="*", default=[], help="changes of the spec, `padding=same`")
    parser.add_argument("--steps", type=int, default=4, help="steps in a turn")
    parser.add_argument("--precision", default="mixed_bfloat16")
    return sides.parse(parser)


def command(side: str, options: argparse.Namespace) -> Sequence[str]:
    """Returns the command of one side; see `train_keras.py` and `train_torch.py`."""
    return sides.command("train", side, options.precision, options)


if __name__ == "__main__":
    main()
