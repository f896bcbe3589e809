"""Specs planned and costed per second; each candidate differs, as in a search."""

from __future__ import annotations

import statistics
import time

from reszoo import spec as specs
from reszoo.planning.cost import cost
from reszoo.planning.network import plan

NETWORKS = ("resnet20", "resnet56", "resnet110", "highway19_cifar10", "resnet50", "resnet152")
ROUNDS = 5
SECONDS_PER_ROUND = 1.0


def rate(name: str) -> float:
    """Returns the specs planned and costed per second on one core, without reading the YAML."""
    base = specs.load(name)
    done, begun = 0, time.perf_counter()
    while (elapsed := time.perf_counter() - begun) < SECONDS_PER_ROUND:
        cost(plan(base.model_copy(update={"classes": 10 + done})))
        done += 1
    return done / elapsed


def main() -> None:
    """Prints a line per network."""
    for name in NETWORKS:
        rates = sorted(rate(name) for _ in range(ROUNDS))
        print(
            f"{name:18}  median {statistics.median(rates):7.1f} specs/s  "
            f"(of {ROUNDS}: {rates[0]:.1f} to {rates[-1]:.1f})"
        )


if __name__ == "__main__":
    main()
