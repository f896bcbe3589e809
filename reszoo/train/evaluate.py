"""How good is a network on a split of a data set?"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from reszoo.data import Geometry, ImageData, batches, open_data
from reszoo.errors import UserError
from reszoo.train.loading import Target, Trained, load_trained
from reszoo.train.scores import Evaluation, score

_PIXELS_PER_BATCH = 1 << 21
"""About 2,000 images of 32x32 or 40 of 224x224: large enough for speed, small enough for memory."""


def evaluate(
    target: Target,
    data: Any = None,
    *,
    split: str = "test",
    skip_bad_images: bool = False,
    data_dir: Path | str | None = None,
) -> Evaluation:
    """Evaluates a network on every image of a split.

        >>> import reszoo
        >>> run = reszoo.train("digits-resnet8", data="digits")  # doctest: +SKIP
        >>> reszoo.evaluate(run).accuracy  # doctest: +SKIP
        0.98

    Args:
      target: a run, a `.keras` file or a Keras model.
      data: as for `train`; a run's own data unless given.
      split: which part, in TFDS's words (`test`, `train[:10%]`); data of one split need not say.
      skip_bad_images: leave broken files out instead of refusing the data.
      data_dir: where downloaded data sets lie.

    Raises:
      UserError: no such target, data or split, or their classes differ.
    """
    trained = load_trained(target)
    images = open_images(trained, data, skip_bad_images, data_dir)
    names = common_classes(trained, images)
    if split == "test" and images.only_split is not None:
        split = images.only_split
    part = images.split(split)
    found = logits(trained.network(), part, trained.geometry)
    return score(np.asarray(part.labels), found, names, data=images.name, split=split)


def logits(model: keras.Model, split: Any, geometry: Geometry) -> np.ndarray:
    """The logits of every image of a split, in its order: float32 of shape `(images, classes)`."""
    call = inference(model)
    source = batches(split, geometry, batch_size=batch_size_for(geometry))
    return np.concatenate([call(images).numpy() for images, _ in source])


def inference(model: keras.Model) -> Any:
    """The model as a graph that takes any batch; the same one for evaluation and prediction."""
    return tf.function(
        lambda images: model(images, training=False), jit_compile=False, reduce_retracing=True
    )


def batch_size_for(geometry: Geometry) -> int:
    """How many images to pass through a network at once."""
    return int(np.clip(_PIXELS_PER_BATCH // (geometry.height * geometry.width), 1, 512))


def open_images(
    trained: Trained, data: Any, skip_bad_images: bool, data_dir: Path | str | None
) -> ImageData:
    """The images to judge a network on: the data given, else a run's own.

    Raises:
      UserError: neither is there, or the data cannot be opened.
    """
    if isinstance(data, ImageData):
        return data
    if data is not None:
        return open_data(data, skip_bad_images=skip_bad_images, data_dir=data_dir)
    if trained.run is None:
        raise UserError("say which data to evaluate on", expected="--data", found="a model alone")
    return reopen(trained.run.data())


def reopen(facts: dict[str, Any]) -> ImageData:
    """Opens the data of a run again, by its data.json.

    Raises:
      UserError: it was given in memory, is gone, or is not what it was.
    """
    if not facts["reopens"]:
        raise UserError(
            "the run's data was given in memory and cannot be opened again",
            hint="pass the data once more",
        )
    data = open_data(
        facts["name"],
        skip_bad_images=facts["skip_bad_images"],
        data_dir=facts["data_dir"],
    )
    found = {"classes": list(data.classes), "splits": dict(data.splits)}
    for name, value in found.items():
        if facts[name] != value:
            raise UserError(
                f"the data {facts['name']} is not what it was when the run began",
                expected=f"{name} {_short(facts[name])}",
                found=_short(value),
                hint="restore the data, or train a new run on what is there now",
            )
    return data


def common_classes(trained: Trained, data: ImageData) -> tuple[str, ...]:
    """The class names that network and data agree on; bare numbers agree with any names."""
    outputs = trained.model.output_shape[-1]
    count = len(data.classes)
    numbered = data.classes == tuple(str(number) for number in range(count))
    if count != outputs and not (numbered and count < outputs):
        raise UserError(
            f"the network and the data {data.name} have different classes",
            expected=f"{outputs} classes",
            found=f"{count}: {_short(data.classes)}",
        )
    if numbered or trained.classes is None:
        return trained.class_names if numbered else tuple(data.classes)
    if trained.classes != tuple(data.classes):
        raise UserError(
            f"the network and the data {data.name} have different classes",
            expected=_short(trained.classes),
            found=_short(data.classes),
            hint="the order counts: each logit stands for one class",
        )
    return trained.classes


def _short(value: Any) -> str:
    text = ", ".join(str(one) for one in value) if isinstance(value, (list, tuple)) else str(value)
    return text if len(text) <= 200 else text[:200] + ", ..."
