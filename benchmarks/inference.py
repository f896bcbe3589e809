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

import sides
from output import print_result
from turns import print_table, take_turns

PRECISIONS = {
    "reszoo": "bfloat16",
    "canonical": "float32",
    "applications": "float32",
    "torch": "bfloat16",
    "compile": "bfloat16",
}
"""Default precision of each side."""


def main() -> None:
    """Measures and reports."""
    parser = sides.parser_of(__doc__, list(PRECISIONS))
    parser.add_argument("--calls", type=int, default=10, help="batches in a turn")
    options = sides.parse(parser)
    commands = {
        side: sides.command("inference", side, PRECISIONS[side.partition(":")[0]], options)
        for side in options.sides
    }
    costs = take_turns(commands, options.rounds, options.threads)
    table = print_table(costs, options.calls * options.batch)
    print_result("inference", **vars(options) | {"sides": table})


if __name__ == "__main__":
    main()
