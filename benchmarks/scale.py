"""How the cost of commands grows with the numbers of images, classes and candidates.

    python benchmarks/scale.py --rows predict evaluate data plan

Each row runs whole commands on generated images and prints their CPU time, and what the large case
costs beyond a small one:

| row | large | small |
|---|---|---|
| predict | 10,000 images of 48 px | 100 of them |
| evaluate | `--json`, 2,000 images of 5,000 classes | the same images, 10 classes |
| data | the first look at 10,000 images of 1 kB | 100 of them |
| plan | `tune --plan`, ten million candidates | |
"""

from __future__ import annotations

import argparse
import io
import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from output import print_result
from PIL import Image
from processes import ProcessCost, run_silently

RESZOO = (sys.executable, "-m", "reszoo")
OUTPUT = "output.txt"
SEARCH = """\
name: ten_million
base: resnet20
recipe: short32
space:
  stages[each].depth: {min: 1, max: 9}
  stages[each].width: {choices: [8, 12, 16, 20, 24, 28, 32, 40, 48, 56, 64, 80, 96, 112, 128]}
  stem.filters: {choices: [8, 16, 24, 32]}
limits: {parameters: 500.0e+3}
strategy: {kind: random, trials: 20, max_epochs: 9}
"""


def main() -> None:
    """Prints a line per row and, last, one of JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=list(ROWS))
    rows = {}
    for row in parser.parse_args().rows:
        with tempfile.TemporaryDirectory() as folder:
            os.environ["RESZOO_DATA"] = f"{folder}/prepared"
            numbers = ROWS[row](Path(folder))
        rows[row] = {name: round(number, 3) for name, number in numbers.items()}
        print(f"{row:9} " + ", ".join(f"{name} {number:,}" for name, number in rows[row].items()))
    print_result("scale", rows=rows)


def predict(folder: Path) -> dict[str, float]:
    """Compares predictions of many images with those of a few."""
    write_images(folder / "many", 10_000, side=48)
    few = folder / "few"
    few.mkdir()
    for file in sorted((folder / "many").iterdir())[:100]:
        shutil.copy(file, few)
    model = folder / "net.keras"
    cost(folder, "build", "resnet20", "-o", str(model))
    large, small = (
        cost(folder, "predict", str(model), str(images), "--csv", "--top", "1")
        for images in (folder / "many", few)
    )
    return {"cpu_s": large.cpu, "cpu_ms_per_image": 1000 * (large.cpu - small.cpu) / 9_900}


def evaluate(folder: Path) -> dict[str, float]:
    """Compares an evaluation of many classes with one of ten."""
    costs = []
    for classes in (10, 5_000):
        data, model = folder / f"data{classes}", folder / f"net{classes}.keras"
        # A class needs a training image.
        for split, count in (("train", 5_000), ("test", 2_000)):
            names = partial("{}/{:04}/{:05}.png".format, split)
            write_images(data, count, side=8, name=lambda i, n=classes, f=names: f(i % n, i))
        cost(folder, "build", "resnet8_digits", "--set", f"classes={classes}", "-o", str(model))
        words = ("evaluate", str(model), "--data", f"folder:{data}", "--json")
        cost(folder, *words)  # prepares the data
        costs.append(cost(folder, *words))
    small, large = costs
    return {
        "cpu_s": large.cpu,
        "cpu_s_beyond_ten_classes": large.cpu - small.cpu,
        "mb_beyond_ten_classes": large.peak_mb - small.peak_mb,
        "output_mb": (folder / OUTPUT).stat().st_size / 1e6,
    }


def data(folder: Path) -> dict[str, float]:
    """Compares the first look at many images with that at a few."""
    costs = []
    for count in (100, 10_000):
        name = folder / str(count)
        write_images(name, count, side=20, name=lambda i: f"{'ab'[i % 2]}/{i:05}.png")
        costs.append(cost(folder, "data", f"folder:{name}"))
    small, large = costs
    return {"cpu_s": large.cpu, "cpu_ms_per_image": 1000 * (large.cpu - small.cpu) / 9_900}


def plan(folder: Path) -> dict[str, float]:
    """Weighs a sample of a large space."""
    page = folder / "search.yaml"
    page.write_text(SEARCH)
    return {"cpu_s": cost(folder, "tune", str(page), "--data", "digits", "--plan").cpu}


ROWS: dict[str, Callable[[Path], dict[str, float]]] = {
    "predict": predict,
    "evaluate": evaluate,
    "data": data,
    "plan": plan,
}


def cost(folder: Path, *words: str) -> ProcessCost:
    """Runs a command of reszoo, which prints to `OUTPUT`, and returns what it cost."""
    (folder / OUTPUT).write_bytes(b"")
    return run_silently([*RESZOO, *words], folder / OUTPUT)


def write_images(
    folder: Path, count: int, side: int, name: Callable[[int], str] = "{:05}.png".format
) -> None:
    """Writes smooth RGB images with some noise."""
    random = np.random.default_rng(0)
    for index in range(count):
        coarse = Image.fromarray(random.integers(0, 256, (4, 4, 3), np.uint8))
        buffer = io.BytesIO()
        coarse.resize((side, side), Image.Resampling.BICUBIC).save(buffer, "PNG")
        file = folder / name(index)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(buffer.getvalue())


if __name__ == "__main__":
    main()
