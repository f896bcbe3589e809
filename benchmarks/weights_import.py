"""Time and memory of loading ResNet-152 from safetensors.

Each measurement is a process: one only imports TensorFlow and Keras, the others load a state dict
with timm's names and random values as `reszoo build resnet152 --weights` does, and the last one
saves the network. What counts is the memory above the import, in units of the weights:

    python benchmarks/weights_import.py --rounds 5

Prints a table and, last, one line of JSON.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
from pathlib import Path

from output import print_result
from processes import ProcessCost, run_silently

IMPORT = "import tensorflow, keras"
LOAD = """
import sys
import reszoo
reszoo.load_pretrained(reszoo.load(sys.argv[1]), sys.argv[2])
"""


def write(network: str, path: Path) -> None:
    """Writes random weights of the network with timm's names."""
    import numpy as np
    from safetensors.numpy import save_file

    from reszoo.model.importing.convert import weight_shape
    from reszoo.model.importing.timm_names import timm_tensor_names
    from reszoo.planning.network import plan
    from reszoo.spec import load

    random = np.random.default_rng(0)
    spec = load(network)
    rows = plan(spec)
    state = {}
    for row in rows.rows:
        for weight, name in timm_tensor_names(row, spec).items():
            shape = weight_shape(rows, row, weight)
            if weight == "kernel":
                shape = (shape[-1], shape[-2], *shape[:-2])
            state[name] = random.standard_normal(shape, dtype="float32") * 0.01
            if weight == "moving_variance":
                state[name] += 1.0
    save_file(state, path)


def main() -> None:
    """Measures and reports."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--network", default="resnet152")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "model.safetensors"
        # in a child, so that this process stays small
        child = os.fork()
        if child == 0:
            write(options.network, file)
            os._exit(0)
        os.waitpid(child, 0)
        size = file.stat().st_size / (1 << 20)
        build = ["-m", "reszoo", "build", options.network, "--weights", str(file)]
        programs = {
            "import TensorFlow, Keras": ["-c", IMPORT],
            "load_pretrained": ["-c", LOAD, options.network, str(file)],
            "reszoo build -o": [*build, "-o", str(Path(folder) / "out.keras")],
        }
        rounds: dict[str, list[ProcessCost]] = {name: [] for name in programs}
        for _ in range(options.rounds):
            for name, words in programs.items():
                rounds[name].append(run_silently([sys.executable, *words]))
    report(rounds, size, options)


def report(rounds: dict[str, list[ProcessCost]], size: float, options: argparse.Namespace) -> None:
    """Prints a table of medians."""
    print(f"{'':26}{'wall s':>8}{'peak MB':>9}{'above import':>14}   weights: {size:.0f} MB")
    medians = {
        name: ProcessCost(*map(statistics.median, zip(*costs, strict=True)))
        for name, costs in rounds.items()
    }
    base = medians["import TensorFlow, Keras"].peak_mb
    programs = {}
    for name, cost in medians.items():
        ratio = (cost.peak_mb - base) / size
        print(f"{name:26}{cost.wall:8.2f}{cost.peak_mb:9.0f}{ratio:12.2f} x")
        programs[name] = {"wall_s": round(cost.wall, 2), "weights_above_import": round(ratio, 2)}
    facts = {"network": options.network, "rounds": options.rounds, "weights_mb": round(size)}
    print_result("weights_import", **facts, programs=programs)


if __name__ == "__main__":
    main()
