"""How good is a network on a split of a data set?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from reszoo.data import ImageData, ImageFormat, Split
from reszoo.data.open_data import open_data
from reszoo.errors import UserError
from reszoo.inference.folding import Folded, fold
from reszoo.inference.metrics import Agreement, Evaluation, agreement, logits_of, score
from reszoo.inference.tflite_classifier import TFLiteClassifier, is_tflite
from reszoo.inference.trained import Target, TrainedModel, load_trained
from reszoo.inference.tta import answers, views_of
from reszoo.spec.test_time import ONE_VIEW, Views

_PIXELS_PER_BATCH = 1 << 21
"""About 2,000 images of 32x32 or 40 of 224x224: large enough for speed, small enough for memory."""
_LEAST_PROBABILITY = 1e-12
COMPARED = 64
"""Images on which a folded network is compared with the canonical one."""


def evaluate(
    target: Target,
    data: Any = None,
    *,
    split: str = "test",
    fast: bool = False,
    views: Views | str | int | None = None,
    skip_bad_images: bool = False,
    data_dir: Path | str | None = None,
) -> Evaluation:
    """Evaluates a network on every image of a split.

        >>> import reszoo
        >>> run = reszoo.train("resnet8_digits", data="digits")  # doctest: +SKIP
        >>> reszoo.evaluate(run).accuracy  # doctest: +SKIP
        0.98

    Args:
      target: a run, a `.keras` file, an exported `.tflite` file, or a Keras model.
      data: as for `train`; a run's own data unless given.
      split: which part, in TFDS's words (`test`, `train[:10%]`); data of one split need not say.
      fast: evaluate the network as `fold` makes it, and say how it agrees with the canonical one.
      views: the views of an image whose answers are averaged: `1`, `flip`, `5`, `10`, `airbench`
        or a `Views`. The `test_time` of a run's recipe unless given, else one.
      skip_bad_images: leave broken files out instead of refusing the data.
      data_dir: where downloaded data sets lie.

    Raises:
      UserError: no such target, data or split, or their classes differ.
    """
    if is_tflite(target):
        if fast:
            raise UserError("a .tflite file computes as it does", found="fast, which folds a model")
        images = _images_for_tflite(data, skip_bad_images, data_dir)
        return _evaluate_tflite(Path(target), images, split, views_of(views))
    trained = load_trained(target)
    looks = views_of(views, trained.run.recipe().test_time if trained.run else None)
    images = open_images(trained, data, skip_bad_images, data_dir)
    names = common_classes(trained.model.output_shape[-1], trained.classes, images)
    split, part = _part(images, split)
    call = fold(trained) if fast else inference(trained.network())
    found = logits(call, part, trained.image_format, looks)
    scores = score(np.asarray(part.labels), found, names, data=images.name, split=split)
    scores = replace(scores, views=looks)
    if not isinstance(call, Folded):
        return scores
    return replace(scores, agreement=_agreement(trained, part, call))


def _agreement(trained: TrainedModel, part: Split, call: Folded) -> Agreement:
    """How the logits of a folded network agree with the canonical network's on some images."""
    chosen = part.sample(COMPARED)
    found = logits(call, chosen, trained.image_format)
    exact = logits(inference(trained.network()), chosen, trained.image_format)
    return agreement(found, exact, call.computes)


def _images_for_tflite(data: Any, skip_bad_images: bool, data_dir: Path | str | None) -> ImageData:
    if data is None:
        raise _no_data("a .tflite alone")
    return open_data(data, skip_bad_images=skip_bad_images, data_dir=data_dir)


def _evaluate_tflite(path: Path, images: ImageData, split: str, views: Views) -> Evaluation:
    classifier = TFLiteClassifier(path)
    outputs = len(classifier.classes)
    # Without labels.txt its outputs have numbers only, which agree with any names.
    labels = None if classifier.classes == bare_numbers(outputs) else classifier.classes
    names = common_classes(outputs, labels, images)
    split, part = _part(images, split)

    def answer(pixels: np.ndarray) -> np.ndarray:
        return logits_of(classifier.probabilities(pixels), _LEAST_PROBABILITY)

    image_format = classifier.image_format
    found = answers(views, answer, part, image_format, batch_size_for(image_format))
    scores = score(np.asarray(part.labels), found, names, data=images.name, split=split)
    return replace(scores, views=views)


def _part(images: ImageData, split: str) -> tuple[str, Split]:
    if split == "test" and images.only_split is not None:
        split = images.only_split
    part = images.split(split)
    if not len(part):
        raise UserError(f"the split {split!r} of {images.name} is empty")
    return split, part


def _no_data(found: str) -> UserError:
    return UserError("say which data to evaluate on", expected="--data", found=found)


def logits(
    call: Callable[[Any], Any], split: Split, image_format: ImageFormat, views: Views = ONE_VIEW
) -> np.ndarray:
    """What `inference` or `fold` says to every image of a split, in its order: logits
    `(images, classes)`, float32 where an image is looked at once.
    """
    size = batch_size_for(image_format)
    return answers(views, lambda images: call(images).numpy(), split, image_format, size)


def inference(model: keras.Model) -> Any:
    """The model as a graph that takes any batch; the same one for evaluation and prediction."""
    return tf.function(
        lambda images: model(images, training=False), jit_compile=False, reduce_retracing=True
    )


def batch_size_for(image_format: ImageFormat) -> int:
    """How many images to pass through a network at once."""
    return int(np.clip(_PIXELS_PER_BATCH // (image_format.height * image_format.width), 1, 512))


def open_images(
    trained: TrainedModel, data: Any, skip_bad_images: bool, data_dir: Path | str | None
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
        raise _no_data("a model alone")
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


def common_classes(
    outputs: int, classes: tuple[str, ...] | None, data: ImageData
) -> tuple[str, ...]:
    """The class names that a network and data agree on; data with bare numbers agree with any.

    Args:
      outputs: how many classes the network tells apart.
      classes: what it calls them, if it knows.
      data: what it is to be judged on.

    Raises:
      UserError: they are other classes, or in another order.
    """
    count = len(data.classes)
    numbers = bare_numbers(max(count, outputs))
    numbered = data.classes == numbers[:count]
    if count != outputs and not (numbered and count < outputs):
        raise UserError(
            f"the network and the data {data.name} have different classes",
            expected=f"{outputs} classes",
            found=f"{count}: {_short(data.classes)}",
        )
    if numbered:
        return classes or numbers[:outputs]
    if classes is not None and classes != tuple(data.classes):
        raise UserError(
            f"the network and the data {data.name} have different classes",
            expected=_short(classes),
            found=_short(data.classes),
            hint="the order counts: each output stands for one class",
        )
    return tuple(data.classes)


def bare_numbers(count: int) -> tuple[str, ...]:
    """The class names of data or a network that have none: 0, 1, 2, ..."""
    return tuple(str(number) for number in range(count))


def _short(value: Any) -> str:
    text = ", ".join(str(one) for one in value) if isinstance(value, (list, tuple)) else str(value)
    return text if len(text) <= 200 else text[:200] + ", ..."
