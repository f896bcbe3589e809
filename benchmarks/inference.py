"""Inference speed of a trained network on a CPU, compared with other libraries.

All sides compute the same network on one constant batch. The moving statistics are random, because
those of a new network are 0 and 1, so that its folded biases vanish. Each side runs in its own
process with the same number of threads; they take turns, and the times of a round are compared:

    python benchmarks/inference.py --net resnet50 --batch 16 --torch-python /tmp/timm/bin/python \
        --sides reszoo canonical applications torch compile

| side | what it is |
|---|---|
| reszoo | `reszoo.fold`, as `evaluate --fast` and `predict` use it |
| canonical | the network as it is saved, in one graph |
| applications | `predict_on_batch` of keras.applications |
| torch | timm's network in PyTorch, eager |
| compile | the same under `torch.compile` with frozen weights |

Precisions are bfloat16 (PyTorch: autocast) for reszoo, torch and compile, float32 for the others,
unless given with the side: `reszoo:float32`, `applications:mixed_bfloat16`. Prints a table, in
which each side's time is divided by that of the first, and, last, one line of JSON.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from turns import print_table, take_turns

PRECISIONS = {
    "reszoo": "bfloat16",
    "canonical": "float32",
    "applications": "float32",
    "torch": "bfloat16",
    "compile": "bfloat16",
}
"""Default precision of each side."""
_IN_TORCH = ("torch", "compile")
_HERE = Path(__file__).parent


def main() -> None:
    """Measures and reports."""
    options = arguments()
    commands = {side: command(side, options) for side in options.sides}
    seconds = take_turns(commands, options.rounds, options.threads)
    sides = print_table(seconds, options.calls * options.batch)
    names = ("net", "batch", "threads", "rounds", "calls")
    facts = {name: getattr(options, name) for name in names}
    print(json.dumps({"benchmark": "inference", **facts, "sides": sides}))


def arguments() -> argparse.Namespace:
    """Parses the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--net", default="resnet50")
    parser.add_argument("--sides", nargs="+", default=["reszoo", "canonical", "applications"])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--calls", type=int, default=10, help="batches in a round")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--torch-python", help="a Python that has torch and timm")
    options = parser.parse_args()
    kinds = {side.partition(":")[0] for side in options.sides}
    if unknown := kinds - PRECISIONS.keys():
        parser.error(f"sides are {', '.join(PRECISIONS)}, not {', '.join(unknown)}")
    if kinds.intersection(_IN_TORCH) and not options.torch_python:
        parser.error("the sides torch and compile need --torch-python")
    return options


def command(side: str, options: argparse.Namespace) -> Sequence[str]:
    """Returns the command of one side; see `inference_keras.py` and `inference_torch.py`."""
    kind, _, precision = side.partition(":")
    in_torch = kind in _IN_TORCH
    python = options.torch_python if in_torch else sys.executable
    file = _HERE / ("inference_torch.py" if in_torch else "inference_keras.py")
    task = {
        "kind": kind,
        "net": options.net,
        "precision": precision or PRECISIONS[kind],
        "batch": options.batch,
        "calls": options.calls,
        "threads": options.threads,
    }
    return [python, str(file), json.dumps(task)]


if __name__ == "__main__":
    main()
