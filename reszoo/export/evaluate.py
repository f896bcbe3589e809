"""How good is a .tflite on a whole split?"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from reszoo.data import Geometry, ImageData, batches, open_data
from reszoo.errors import UserError
from reszoo.export.runner import Runner
from reszoo.train.scores import Evaluation, score

_BATCH = 256
_LEAST_PROBABILITY = 1e-12


def evaluate_tflite(
    path: Path | str, data: Any, split: str = "test", *, threads: int | None = None
) -> Evaluation:
    """Evaluates a `.tflite` on every image of a split, as `reszoo.evaluate` does a Keras model.

    Args:
      path: the file; the contract.json beside it says how pictures are brought to its size.
      data: as for `train`.
      split: which part, in TFDS's words (`test`, `train[:10%]`).
      threads: threads for one image; all cores unless given.

    Raises:
      UserError: the file does not open, the split is empty, or the classes differ.
    """
    images = data if isinstance(data, ImageData) else open_data(data)
    runner = Runner(Path(path), threads=threads)
    classes = int(runner.output["shape"][-1])
    if classes != len(images.classes):
        raise UserError(
            f"{path} and the data {images.name} have different classes",
            expected=f"{classes} classes",
            found=f"{len(images.classes)} classes",
        )
    part = images.split(split)
    if not len(part):
        raise UserError(f"the split {split!r} of {images.name} is empty")
    source = batches(part, _geometry(Path(path), runner), batch_size=_BATCH)
    probabilities = np.concatenate([runner.probabilities(np.asarray(batch)) for batch, _ in source])
    logits = np.log(np.maximum(probabilities, _LEAST_PROBABILITY))
    labels = np.asarray(part.labels)
    return score(labels, logits, images.classes, data=images.name, split=split)


def _geometry(path: Path, runner: Runner) -> Geometry:
    """How pictures are brought to the file's size: as its contract says, else plainly."""
    contract = path.with_name("contract.json")
    if not contract.is_file():
        return Geometry(*runner.shape)
    try:
        facts = json.loads(contract.read_text(encoding="utf-8"))["preprocessing"]
        keys = ("height", "width", "channels", "crop", "interpolation", "antialias")
        geometry = Geometry(**{key: facts[key] for key in keys})
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{contract} is damaged", found=repr(error)) from error
    if geometry.shape != runner.shape:
        raise UserError(
            f"{contract} does not belong to {path.name}",
            expected=f"images of {runner.shape}",
            found=f"images of {geometry.shape}",
        )
    return geometry
