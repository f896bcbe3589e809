"""Run the whole workflow on the embedded digits in a few minutes.

Trains a small residual net and its highway twin, evaluates both, exports the better one to int8,
checks it against Keras, classifies some images with it, and searches depth and width. Each step
is a command that you can run yourself.
"""

from __future__ import annotations

import itertools
import shlex
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from pathlib import Path

from reszoo.cli.options import add_output
from reszoo.cli.start_tensorflow import start_tensorflow
from reszoo.runs import Run

TWINS = ("resnet8_digits", "highway8_digits")
_PICTURES = 5


def add_options(parser: ArgumentParser) -> None:
    add_output(parser, "FOLDER", "the output folder (default: demo/1, demo/2, ...)")


def run(options: Namespace) -> int:
    """Runs the steps until one fails, and returns its exit code."""
    from reszoo.cli.program import main

    folder = Path(options.out) if options.out else _unused_folder(Path("demo"))
    for title, *words in _steps(folder, debug=options.debug):
        argv = [str(word) for word in words]
        print(f"\n=== {title}\n$ reszoo {shlex.join(argv)}\n", flush=True)
        if code := main(argv):
            return code
    print(_summary(folder))
    return 0


def _steps(folder: Path, *, debug: bool) -> Iterator[tuple[str | Path, ...]]:
    """Yields each step's title and the words of its command; a step needs those before it."""
    for network in TWINS:
        yield f"train {network}", "train", network, "--data", "digits", "-o", folder / network
    for network in TWINS:
        yield f"evaluate {network} on the test images", "evaluate", folder / network
    better, bundle = _better_twin(folder), folder / "bundle"
    title = f"export {better}, better on held-out training images, and compare it with Keras"
    yield title, "export", folder / better, "--target", "mobile-int8", "-o", bundle
    pictures = _write_pictures(folder / "pictures", debug=debug)
    title = "classify images with the int8 file"
    yield title, "predict", bundle / "model.tflite", pictures, "--top", "3"
    search = folder / "search"
    yield "search depth and width", "tune", "digits_tiny", "--data", "digits", "-o", search


def _unused_folder(parent: Path) -> Path:
    paths = (parent / str(number) for number in itertools.count(1))
    return next(path for path in paths if not path.exists())


def _better_twin(folder: Path) -> str:
    def val_accuracy(network: str) -> float:
        best = Run.open(folder / network).info.get("best") or {}
        return float(best.get("val_accuracy", 0.0))

    return max(TWINS, key=val_accuracy)


def _write_pictures(folder: Path, *, debug: bool) -> Path:
    """Writes some test digits as PNG files named after the true digit."""
    start_tensorflow(debug=debug)
    from PIL import Image

    from reszoo.data import ImageFormat
    from reszoo.data.open_data import open_data
    from reszoo.data.pipeline.batches import batches

    folder.mkdir(parents=True, exist_ok=True)
    split = open_data("digits").split("test")
    images, labels = next(iter(batches(split, ImageFormat(8, 8, 1), batch_size=_PICTURES)))
    for index, (image, label) in enumerate(zip(images.numpy(), labels.numpy(), strict=True), 1):
        path = folder / f"{index}_is_a_{int(label)}.png"
        Image.fromarray(image[..., 0].astype("uint8")).save(path)
    return folder


def _summary(folder: Path) -> str:
    from reszoo.report.text import facts, format_command

    paths = [
        ("runs", ", ".join(str(folder / network) for network in TWINS)),
        ("metrics", str(folder / _better_twin(folder) / "metrics.jsonl")),
        ("int8 file", str(folder / "bundle" / "model.tflite")),
        ("contract", str(folder / "bundle" / "contract.json")),
        ("parity report", str(folder / "bundle" / "parity.md")),
        ("pictures", str(folder / "pictures")),
        ("best of the search", str(folder / "search" / "best.yaml")),
    ]
    following = facts([("next", format_command("report", folder))])
    return f"\n=== done; all results are in {folder}\n{facts(paths)}\n\n{following}"
