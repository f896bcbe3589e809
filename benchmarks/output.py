"""What benchmarks print: spreads for people and, last, one line of JSON for programs."""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from typing import Any, NamedTuple

from machine import machine_facts, processor_of


class Spread(NamedTuple):
    """Median and extremes of repeated measurements."""

    median: float
    least: float
    most: float
    rounds: int

    def text(self, form: str, unit: str) -> str:
        """Returns the spread in words, with numbers formatted as `form` says."""
        return (
            f"median {self.median:{form}} {unit} "
            f"(of {self.rounds}: {self.least:{form}} to {self.most:{form}})"
        )


def spread(values: Sequence[float]) -> Spread:
    """Returns median and extremes."""
    return Spread(statistics.median(values), min(values), max(values), len(values))


def print_result(benchmark: str, **facts: Any) -> None:
    """Prints the line of JSON: the benchmark, the processor, and what was measured."""
    processor = processor_of(machine_facts())
    print(json.dumps({"benchmark": benchmark, "processor": processor, **facts}), flush=True)
