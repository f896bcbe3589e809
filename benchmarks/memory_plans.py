"""Memory plans of small networks against the lower bound and TFLite-Micro's own planner.

Converts untrained networks of the zoo to int8 for the target microcontroller and prints the bytes
of feature maps of each (the lower bound by lifetimes, the best plan found, TFLite-Micro's own
planner), and the whole arena without and with the plan, measured if `tflite-micro` is installed;
last, one line of JSON.

    python benchmarks/memory_plans.py resnet20 resnet20+highway
    python benchmarks/memory_plans.py --all
"""

from __future__ import annotations

import argparse
from typing import Any

from output import print_result
from tflite_files import converted

from reszoo import spec as specs
from reszoo.planning.cost import cost
from reszoo.tflite.arena import arena_of
from reszoo.tflite.memory_plan import plan_memory, put_memory_plan
from reszoo.tflite.model_file import read_model

_MOST_LAYERS = 20
_MOST_PIXELS = 96 * 96
_TWIN = ["block.connection=highway"]


def small_networks() -> list[str]:
    """Returns the networks of the zoo of up to 20 layers and 96 x 96 pixels."""
    names = []
    for name in specs.names_of("architecture"):
        spec = specs.load(name)
        height, width, _ = spec.input.shape
        if height * width <= _MOST_PIXELS and cost(spec).depth <= _MOST_LAYERS:
            names.append(name)
    return names


def measure(name: str) -> dict[str, Any] | None:
    """Prints the line of a network; returns its numbers, None if its arena is not known."""
    base, _, twin = name.partition("+")
    model = read_model(converted(base, _TWIN if twin else [], "microcontroller"))
    plan, before = plan_memory(model), arena_of(model)
    after = arena_of(read_model(put_memory_plan(model, plan))) if plan else None
    if plan is None or before is None or after is None:
        print(f"{name:28} the arena size is not known before it runs", flush=True)
        return None
    saved = 1 - after.bytes / before.bytes
    print(
        f"{name:28} {plan.lower_bound:>9,} {plan.bytes:>9,} {plan.greedy_bytes:>9,} "
        f"{plan.tries:>5}  {before.bytes:>9,} {after.bytes:>9,} {saved:>6.1%}  {after.source}",
        flush=True,
    )
    return {
        "bound": plan.lower_bound,
        "plan": plan.bytes,
        "arena": before.bytes,
        "planned_arena": after.bytes,
        "saved": round(saved, 3),
        "source": after.source,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("networks", nargs="*", help="names; NAME+highway is the highway twin")
    parser.add_argument(
        "--all", action="store_true", help="all networks of up to 20 layers, 96 x 96 pixels"
    )
    options = parser.parse_args()
    header = f"{'bound':>9} {'plan':>9} {'greedy':>9} {'tries':>5}  {'arena':>9} {'planned':>9}"
    print(f"{'network':28} {header}  saved")
    names = options.networks or (small_networks() if options.all else ["resnet20"])
    networks = {name: numbers for name in names if (numbers := measure(name))}
    at_bound = sum(numbers["plan"] == numbers["bound"] for numbers in networks.values())
    print_result("memory_plans", networks=networks, at_bound=at_bound, count=len(networks))


if __name__ == "__main__":
    main()
