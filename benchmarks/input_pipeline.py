"""Speed of the input pipeline, compared with the JPEG decoder alone and with other loaders.

Synthetic photographs of 500 x 375 pixels and about 43 kB are written to a temporary folder. Each
loader turns them into batches of 224 x 224 random resized crops, half of them mirrored, as uint8;
`decode` only decodes them. Each runs in its own process on one core; they take turns, and the
times of a round are compared. CPU time is the one to trust, because other processes hardly change
it:

    python benchmarks/input_pipeline.py --rounds 7

torchvision is measured if a Python that has it is given: `--torch-python /path/to/python`.
Prints a table, in which each loader's time is divided by reszoo's, and, last, one line of JSON.
"""

from __future__ import annotations

import argparse
import itertools
import os
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from turns import print_table, serve, take_turns

SIZE = 224
KINDS = ("reszoo", "decode", "pillow", "torchvision")


def main() -> None:
    """Measures and reports; with --child, runs one of the loaders."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--images", type=int, default=384, help="a multiple of the batch")
    parser.add_argument("--times", type=int, default=8, help="passes over them in a turn")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--core", type=int, default=0, help="the core that every loader runs on")
    parser.add_argument("--torch-python", help="a Python that has torch and torchvision")
    parser.add_argument("--child", choices=KINDS, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        load(options)
        return
    from output import print_result  # imports reszoo, which the Python with torch may lack

    with tempfile.TemporaryDirectory() as folder:
        options.folder = Path(folder) / "photos"
        kilobytes = make_photos(options.folder, options.images)
        print(f"{options.images} photographs of 500 x 375 pixels, {kilobytes:.1f} kB; one core")
        kinds = [kind for kind in KINDS if kind != "torchvision" or options.torch_python]
        commands = {kind: command(kind, options) for kind in kinds}
        costs = take_turns(commands, options.rounds, threads=1)
        sides = print_table(costs, images_per_turn(options))
    print_result("input_pipeline", images=options.images, batch=options.batch, sides=sides)


def make_photos(folder: Path, count: int) -> float:
    """Writes photographs of smooth shapes with grain, and returns their mean size in kB."""
    import numpy as np
    from PIL import Image

    sizes = []
    for number in range(count):
        rng = np.random.default_rng(number)
        small = Image.fromarray(rng.integers(0, 256, (24, 32, 3), dtype=np.uint8))
        smooth = np.asarray(small.resize((500, 375), Image.Resampling.BICUBIC), np.float32)
        grain = rng.normal(0, 5, (375, 500, 1)).astype(np.float32)
        pixels = np.clip(smooth + grain, 0, 255).astype(np.uint8)
        path = folder / "train" / str(number % 2) / f"{number}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path, quality=80)
        sizes.append(path.stat().st_size / 1000)
    return statistics.mean(sizes)


def command(kind: str, options: argparse.Namespace) -> list[str]:
    """Returns the command of one loader."""
    python = options.torch_python if kind == "torchvision" else sys.executable
    return [python, *sys.argv, "--child", kind, "--folder", str(options.folder)]


def images_per_turn(options: argparse.Namespace) -> int:
    """Returns the number of images that count in a turn: all but the first pass.

    The first pass warms up. It also holds the start of an epoch, which takes a fifth of a second
    however long the epoch is, and ImageNet's has 1.28 million images.
    """
    return int((options.times - 1) * options.images)


def load(options: argparse.Namespace) -> None:
    """Reads the photographs whenever it is this loader's turn."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {options.core})
    loaders = {"decode": decode, "reszoo": ours, "pillow": pillow, "torchvision": torchvision}
    epochs = loaders[options.child](options)
    number = itertools.count()

    def first_pass() -> Iterator[Any]:
        batches = epochs(next(number))
        for _ in range(options.images // options.batch):
            next(batches)
        return batches

    def further_passes(batches: Iterator[Any]) -> None:
        images = sum(len(batch) for batch in batches)
        assert images == images_per_turn(options), images

    serve(first_pass, further_passes)


Epochs = Callable[[int], Iterator[Any]]


def decode(options: argparse.Namespace) -> Epochs:
    """Reads and decodes only: the upper limit."""
    import tensorflow as tf

    files = tf.data.Dataset.from_tensor_slices(paths(options)).repeat(options.times)
    # Only the shapes leave the graph: copying the pixels to Python is no part of decoding.
    shapes = files.map(
        lambda path: tf.shape(tf.io.decode_jpeg(tf.io.read_file(path), channels=3)),
        num_parallel_calls=tf.data.AUTOTUNE,
    )
    return lambda epoch: iter(shapes.batch(options.batch).prefetch(tf.data.AUTOTUNE))


def ours(options: argparse.Namespace) -> Epochs:
    """Reads as `reszoo train` does."""
    import numpy as np

    from reszoo.data import ImageFormat
    from reszoo.data.open_data import open_data
    from reszoo.data.pipeline.batches import batches
    from reszoo.spec.augmentation import Augmentation, RandomResizedCrop

    photos = open_data(f"folder:{options.folder}", data_dir=options.folder.parent).split("all")
    photos = photos.subset(np.tile(np.arange(len(photos)), options.times))
    recipe = Augmentation(flip=True, resized_crop=RandomResizedCrop())

    def epoch_of(epoch: int) -> Iterator[Any]:
        source = batches(
            photos,
            ImageFormat(SIZE, SIZE, 3),
            batch_size=options.batch,
            seed=0,
            epoch=epoch,
            augmentation=recipe,
        )
        return (images for images, _ in source)

    return epoch_of


def pillow(options: argparse.Namespace) -> Epochs:
    """Reads in the straightforward loop."""
    import numpy as np
    from PIL import Image

    files = paths(options)

    def image(path: str, rng: np.random.Generator) -> np.ndarray:
        photo = Image.open(path).convert("RGB")
        width, height = photo.size
        while True:
            area = width * height * rng.uniform(0.08, 1)
            ratio = np.exp(rng.uniform(np.log(3 / 4), np.log(4 / 3)))
            wide, high = round(np.sqrt(area * ratio)), round(np.sqrt(area / ratio))
            if wide <= width and high <= height:
                break
        left, top = rng.integers(width - wide + 1), rng.integers(height - high + 1)
        box = (left, top, left + wide, top + high)
        photo = photo.crop(box).resize((SIZE, SIZE), Image.Resampling.BILINEAR)
        if rng.random() < 0.5:
            photo = photo.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        return np.asarray(photo)

    def epoch_of(epoch: int) -> Iterator[Any]:
        rng = np.random.default_rng(epoch)
        order = rng.permutation(len(files))
        order = np.tile(order, options.times)
        for first in range(0, len(order), options.batch):
            chosen = order[first : first + options.batch]
            yield np.stack([image(files[place], rng) for place in chosen])

    return epoch_of


def torchvision(options: argparse.Namespace) -> Epochs:
    """Reads by torchvision's transforms in a DataLoader; workers would only cost on one core."""
    import torch
    from torchvision import datasets, transforms

    torch.set_num_threads(1)
    steps = transforms.Compose(
        [
            transforms.RandomResizedCrop(SIZE),
            transforms.RandomHorizontalFlip(),
            transforms.PILToTensor(),
        ]
    )
    data = datasets.ImageFolder(options.folder / "train", steps)
    data = torch.utils.data.ConcatDataset([data] * options.times)
    loader = torch.utils.data.DataLoader(data, batch_size=options.batch, shuffle=True)
    return lambda epoch: (images for images, _ in loader)


def paths(options: argparse.Namespace) -> list[str]:
    """Returns the paths of the photographs."""
    return sorted(str(path) for path in options.folder.rglob("*.jpg"))


if __name__ == "__main__":
    main()
