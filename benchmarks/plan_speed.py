"""Specs planned and costed per CPU second; each candidate differs, as in a search.

One by one: each differs from the network of the zoo in its number of classes. With shared segments:
in the widths and depths of its stages, and only blocks that no candidate before had are planned, as
in a search, which holds a `SegmentCosts`. Prints a line per network and, last, one line of JSON.
"""

from __future__ import annotations

import itertools
import random
import time
from collections.abc import Callable, Iterator

from output import print_result, spread

from reszoo import spec as specs
from reszoo.planning.cost import cost
from reszoo.planning.network import plan
from reszoo.planning.segment_costs import SegmentCosts
from reszoo.spec.architecture import Architecture

NETWORKS = ("resnet20", "resnet56", "resnet110", "highway19_cifar10", "resnet50", "resnet152")
ROUNDS = 5
SECONDS_PER_ROUND = 1.0
WIDEST, DEEPEST = 64, 8
"""Largest factor of the widths, and blocks that a stage may have beyond its own."""


def with_other_classes(base: Architecture) -> Iterator[Architecture]:
    """Yields specs that differ in their number of classes."""
    for classes in itertools.count(10):
        yield base.model_copy(update={"classes": classes})


def with_other_stages(base: Architecture) -> Iterator[Architecture]:
    """Yields specs that differ in the widths and depths of their stages, in random order."""
    generator, seen = random.Random(0), set()
    while True:
        depths = [generator.randint(1, stage.depth + DEEPEST) for stage in base.stages]
        factor = generator.randint(1, WIDEST)
        if (factor, *depths) in seen:
            continue
        seen.add((factor, *depths))
        stages = tuple(
            stage.model_copy(update={"width": factor * stage.width, "depth": depth})
            for stage, depth in zip(base.stages, depths, strict=True)
        )
        yield base.model_copy(update={"stages": stages})


def rate(candidates: Iterator[Architecture], weigh: Callable[[Architecture], object]) -> float:
    """Returns the specs weighed per CPU second."""
    done, begun = 0, time.process_time()
    while (elapsed := time.process_time() - begun) < SECONDS_PER_ROUND:
        weigh(next(candidates))
        done += 1
    return done / elapsed


def main() -> None:
    """Prints a line per network."""
    alone, shared = {}, {}
    for name in NETWORKS:
        base = specs.load(name)  # Reading the YAML is left out.
        plain = spread(
            [rate(with_other_classes(base), lambda spec: cost(plan(spec))) for _ in range(ROUNDS)]
        )
        # Each round begins without segments.
        held = spread([rate(with_other_stages(base), SegmentCosts().cost) for _ in range(ROUNDS)])
        print(f"{name:18}  one by one: {plain.text('7,.0f', 'specs a CPU second')}")
        print(f"{'':18}  with shared segments: {held.text('7,.0f', 'specs a CPU second')}")
        alone[name], shared[name] = round(plain.median, 1), round(held.median, 1)
    print_result(
        "plan_speed", specs_per_cpu_second=alone, specs_per_cpu_second_with_shared_segments=shared
    )


if __name__ == "__main__":
    main()
