"""The speed of a search with two workers of one core against one: the wall time of the same search.

    python benchmarks/tune_workers.py              # processes on this machine
    python benchmarks/tune_workers.py --ray        # two Ray nodes of one CPU on this machine

Both sides train the same candidates of the digits with one thread each, every other round the other
way round. A machine of two quiet cores is needed; the goal is 1.7.
"""

from __future__ import annotations

import argparse
import contextlib
import statistics
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from output import print_result
from processes import run_silently

NODE = {"num_cpus": 1, "object_store_memory": 75 * 2**20, "include_dashboard": False}
PAGE = """\
name: workers
base: resnet8_digits
recipe: short8
space:
  stages[each].depth: {{min: 1, max: 2}}
  stem.filters, stages[*].width: {{multiply: [0.5, 1]}}
limits: {{parameters: 60000}}
strategy: {{kind: random, trials: {trials}, max_epochs: {epochs}}}
validation: 0.2
"""


def main() -> None:
    """Prints the wall times of each round, and the median ratio."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--ray", action="store_true", help="on two Ray nodes, not in processes")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--trials", type=int, default=8)
    parser.add_argument("--epochs", type=int, default=8)
    options = parser.parse_args()
    page = PAGE.format(trials=options.trials, epochs=options.epochs)
    ratios = []
    for round_ in range(options.rounds):
        seconds: dict[int, float] = {}
        for workers in (1, 2) if round_ % 2 == 0 else (2, 1):
            seconds[workers] = measure(page, workers, with_ray=options.ray)
        ratios.append(seconds[1] / seconds[2])
        print(f"1 worker {seconds[1]:.1f} s, 2 workers {seconds[2]:.1f} s, {ratios[-1]:.2f}x")
    print(f"median {statistics.median(ratios):.2f}x")
    print_result("tune_workers", rounds=options.rounds, ratio=round(statistics.median(ratios), 3))


def measure(page: str, workers: int, *, with_ray: bool) -> float:
    """Returns the seconds of a whole search; starting a Ray cluster is not part of them."""
    where = ray_nodes(workers) if with_ray else contextlib.nullcontext(["--jobs", str(workers)])
    with tempfile.TemporaryDirectory() as folder, where as options:
        (file := Path(folder) / "page.yaml").write_text(page)
        words = ["tune", str(file), "--per-trial", "cpus=1", "-o", str(Path(folder) / "search")]
        return run_silently([sys.executable, "-m", "reszoo", *words, *options]).wall


@contextlib.contextmanager
def ray_nodes(workers: int) -> Iterator[list[str]]:
    """Yields the options for a cluster of so many nodes, each with one CPU."""
    from ray.cluster_utils import Cluster

    # Ray replaces 127.0.0.1 by the outer address.
    head: dict[str, Any] = {"node_ip_address": "127.0.0.2", **NODE}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    for number in range(1, workers):
        cluster.add_node(node_ip_address=f"127.0.0.{number + 2}", **NODE)
    try:
        yield ["--ray", cluster.address]
    finally:
        cluster.shutdown()


if __name__ == "__main__":
    main()
