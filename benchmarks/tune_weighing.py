"""Candidates of a search weighed on their plans per second, on one core; the goal is 1,500.

    python benchmarks/tune_weighing.py cifar10 digits

A candidate is drawn in the order of the search, planned, costed and checked against the limits; no
candidate comes twice. Reading the page is left out. Prints a line per search and, last, one of
JSON.
"""

from __future__ import annotations

import argparse
import time
from itertools import islice

from output import print_result, spread

from reszoo.tuning.combinations import SeededOrder
from reszoo.tuning.resolved_search import resolve_search

GOAL = 1_500
ROUNDS = 5


def rate(search: str, seed: int, candidates: int) -> float:
    """Returns the candidates weighed per second; nothing is remembered from another round."""
    resolved = resolve_search(search, seed=seed)
    order = list(islice(SeededOrder(resolved.constraints.combinations, seed), candidates))
    # Wall time says what a busy machine does; CPU time says what the search costs.
    begun = time.process_time()
    for candidate in order:
        resolved.constraints.check(candidate)
    return len(order) / (time.process_time() - begun)


def main() -> None:
    """Prints a line per search."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("searches", nargs="*", default=["cifar10", "digits"])
    parser.add_argument("--candidates", type=int, default=3_000)
    options = parser.parse_args()
    medians = {}
    for search in options.searches:
        rates = spread([rate(search, seed, options.candidates) for seed in range(ROUNDS)])
        print(f"{search:24} {rates.text('7,.0f', 'candidates a CPU second')}; goal {GOAL:,}")
        medians[search] = round(rates.median)
    print_result("tune_weighing", candidates_per_cpu_second=medians)


if __name__ == "__main__":
    main()
