"""Options and processes of the benchmarks whose sides are libraries: `train_step`, `inference`."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

IN_TORCH = ("torch", "compile")
"""Sides that run in PyTorch, in the Python that `--torch-python` names."""


def parser_of(description: str | None, kinds: Sequence[str]) -> argparse.ArgumentParser:
    """Returns a parser with the options that both benchmarks have; `kinds` are its sides."""

    def side(text: str) -> str:
        if text.partition(":")[0] not in kinds:
            raise argparse.ArgumentTypeError(f"one of {', '.join(kinds)}, not {text}")
        return text

    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--net", default="resnet50")
    parser.add_argument("--sides", nargs="+", type=side, default=["reszoo", "applications"])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--torch-python", help="a Python that has torch and timm")
    return parser


def parse(parser: argparse.ArgumentParser) -> argparse.Namespace:
    """Parses the command line."""
    options = parser.parse_args()
    in_torch = [side for side in options.sides if side.partition(":")[0] in IN_TORCH]
    if in_torch and not options.torch_python:
        parser.error(f"{' and '.join(in_torch)} needs --torch-python")
    return options


def command(
    benchmark: str, side: str, precision: str, options: argparse.Namespace
) -> Sequence[str]:
    """Returns the command of one side: `BENCHMARK_keras.py` or `BENCHMARK_torch.py`, and its task.

    `precision` holds unless the side names its own, as `stock:float32` does.
    """
    kind, _, own = side.partition(":")
    in_torch = kind in IN_TORCH
    file = Path(__file__).with_name(f"{benchmark}_{'torch' if in_torch else 'keras'}.py")
    task = {**vars(options), "kind": kind, "precision": own or precision}
    return [options.torch_python if in_torch else sys.executable, str(file), json.dumps(task)]
