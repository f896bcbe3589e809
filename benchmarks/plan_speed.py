"""Specs planned and costed per CPU second; each candidate differs, as in a search.

Prints a line per network and, last, one line of JSON.
"""

from __future__ import annotations

import time

from output import print_result, spread

from reszoo import spec as specs
from reszoo.planning.cost import cost
from reszoo.planning.network import plan

NETWORKS = ("resnet20", "resnet56", "resnet110", "highway19_cifar10", "resnet50", "resnet152")
ROUNDS = 5
SECONDS_PER_ROUND = 1.0


def rate(name: str) -> float:
    """Returns the specs planned and costed per CPU second, without reading the YAML."""
    base = specs.load(name)
    done, begun = 0, time.process_time()
    while (elapsed := time.process_time() - begun) < SECONDS_PER_ROUND:
        cost(plan(base.model_copy(update={"classes": 10 + done})))
        done += 1
    return done / elapsed


def main() -> None:
    """Prints a line per network."""
    medians = {}
    for name in NETWORKS:
        rates = spread([rate(name) for _ in range(ROUNDS)])
        print(f"{name:18}  {rates.text('7.1f', 'specs a CPU second')}")
        medians[name] = round(rates.median, 1)
    print_result("plan_speed", specs_per_cpu_second=medians)


if __name__ == "__main__":
    main()
