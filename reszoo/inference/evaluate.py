"""Evaluation of a network on a split of a data set.

What needs TensorFlow is imported where it is used: a `.tflite` file is evaluated on a folder or on
the digits without it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from reszoo.data import ImageData, ImageFormat, Split
from reszoo.data.dataset import nfc, numbered_classes
from reszoo.data.sources.plain_files import open_plain_files
from reszoo.errors import UserError
from reszoo.inference.finite_outputs import finite_outputs
from reszoo.inference.metrics import Agreement, Evaluation, agreement, clipped_log, score
from reszoo.inference.plain_evaluation import plain_logits
from reszoo.inference.predict import batch_size_for
from reszoo.inference.reliability import Mistake
from reszoo.inference.tflite_classifier import TFLiteClassifier
from reszoo.inference.thumbnails import thumbnails
from reszoo.inference.tta import resolve_views, tta_formats, tta_logits
from reszoo.runs import Run
from reszoo.spec.test_time import ONE_VIEW, Views
from reszoo.tflite.contract_file import find_tflite

if TYPE_CHECKING:
    import keras

    from reszoo.inference.folding import FoldedModel
    from reszoo.inference.trained import Target, TrainedModel

_SMALLEST_PROBABILITY = 1e-12
_COMPARED_IMAGES = 64
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
      target: a run or its folder, a `.keras` file, a bundle's folder or its `.tflite` file, or
        a Keras model.
      data: as for `train`. Defaults to the run's own data.
      split: a split in the syntax of TensorFlow Datasets (`test`, `train[:10%]`). Data with a
        single split are evaluated on that one by default.
      fast: evaluate the folded network (see `fold`) and report its agreement with the canonical
        one.
      views: test-time augmentation: `1`, `flip`, `5`, `10`, `airbench` or a `Views`. Defaults to
        `test_time` of the run's recipe, else a single view.
      skip_bad_images: skip unreadable files instead of refusing the data.
      data_dir: folder of downloaded data sets.

    Returns:
      Accuracy with its 95 % interval, top-5 accuracy, loss, precision and recall per class, the
      confusion matrix, calibration, and the most confident mistakes with their pictures.

    Raises:
      UserError: the target, the data or the split does not exist or is damaged, the classes of
        network and data differ, or the network's outputs are not finite.
    """
    if (file := find_tflite(target)) is not None:
        if fast:
            raise UserError(
                "a .tflite file cannot be folded",
                found="--fast (fast=True)",
                hint="leave out --fast: the export has already folded the normalisations",
            )
        if data is None:
            raise _no_data("a .tflite alone")
        resolved = resolve_views(views)
        classifier = TFLiteClassifier(file)
        plain = open_plain_files(data, split)
        image_data = plain or _open_data(data, skip_bad_images=skip_bad_images, data_dir=data_dir)
        skip = skip_bad_images if plain else None
        return _evaluate_tflite(classifier, image_data, split, resolved, skip)
    from reszoo.inference.folding import FoldedModel, fold
    from reszoo.inference.trained import load_trained

    trained = load_trained(target)
    views = resolve_views(views, trained.run.recipe().test_time if trained.run else None)
    image_data = open_images(trained, data, skip_bad_images, data_dir)
    classes = common_classes(trained.model.output_shape[-1], trained.classes, image_data)
    image_data = image_data.with_class_order(classes)
    examples = _select_split(image_data, split)
    network = fold(trained) if fast else inference_function(trained.evaluation_model())
    logits = _compute_logits(
        finite_outputs(network, trained.first_not_finite), examples, trained.image_format, views
    )
    evaluation = score(examples.labels, logits, classes, data=image_data.name, split=examples.name)
    comparison = _compare(trained, examples, network) if isinstance(network, FoldedModel) else None
    mistakes = _with_pictures(evaluation.mistakes, examples)
    return replace(evaluation, views=views, agreement=comparison, mistakes=mistakes)


def _with_pictures(mistakes: Sequence[Mistake], examples: Split) -> tuple[Mistake, ...]:
    pictures = thumbnails(examples, [mistake.index for mistake in mistakes])
    return tuple(replace(mistake, png=png) for mistake, png in zip(mistakes, pictures, strict=True))


def _compare(trained: TrainedModel, split: Split, folded: FoldedModel) -> Agreement:
    """Compares the folded network with the canonical one on a sample of a split."""
    sample = split.sample(_COMPARED_IMAGES)
    canonical = inference_function(trained.evaluation_model())
    logits, expected = (
        _compute_logits(network, sample, trained.image_format) for network in (folded, canonical)
    )
    return agreement(logits, expected, folded.computes)


def _evaluate_tflite(
    classifier: TFLiteClassifier,
    image_data: ImageData,
    split: str,
    views: Views,
    skip_plain: bool | None,
) -> Evaluation:
    """Evaluates on data of `open_plain_files` (`skip_plain` is of bad images) or `open_data`."""
    outputs = len(classifier.classes)
    # Without labels.txt the outputs are only numbered, which agrees with any names.
    labels = None if classifier.classes == numbered_classes(outputs) else classifier.classes
    classes = common_classes(outputs, labels, image_data)
    image_data = image_data.with_class_order(classes)
    examples = _select_split(image_data, split)

    def classify(pixels: np.ndarray) -> np.ndarray:
        return clipped_log(classifier.probabilities(pixels), _SMALLEST_PROBABILITY)

    if skip_plain is None:
        logits = _compute_logits(classify, examples, classifier.image_format, views)
        targets = examples.labels
    else:
        logits, targets = plain_logits(classify, classifier, examples, views, skip_plain)
    evaluation = score(targets, logits, classes, data=image_data.name, split=examples.name)
    return replace(evaluation, views=views)


def _open_data(data: Any, **options: Any) -> ImageData:
    """Calls `reszoo.data.open_data.open_data`, which imports TensorFlow."""
    from reszoo.data import open_data as module

    return module.open_data(data, **options)


def _select_split(image_data: ImageData, expression: str) -> Split:
    if expression == "test" and image_data.only_split is not None:
        expression = image_data.only_split
    return image_data.split(expression)


def _no_data(found: str) -> UserError:
    return UserError(
        "say which data to evaluate on",
        expected="--data",
        found=found,
        hint="name them with --data, such as --data folder:PATH",
    )


def _compute_logits(
    network: Callable[[Any], Any], split: Split, image_format: ImageFormat, views: Views = ONE_VIEW
) -> np.ndarray:
    """Returns the logits `(images, classes)` of a split in its order; float32 for one view."""
    from reszoo.data.pipeline.batches import batches

    formats, size = tta_formats(views, image_format), batch_size_for(image_format)
    # Five crops of one split in memory would be five copies.
    in_memory = None if len(formats) == 1 else False
    pipelines = [batches(split, crop, batch_size=size, in_memory=in_memory) for crop in formats]
    return np.concatenate(
        [
            tta_logits(
                views,
                lambda pixels: np.asarray(network(pixels)),
                (np.asarray(images) for images, _ in crops),
            )
            for crops in zip(*pipelines, strict=True)
        ]
    )


def inference_function(model: keras.Model) -> Any:
    """Wraps a model in a `tf.function` for batches of any size, without XLA."""
    import tensorflow as tf

    return tf.function(
        lambda images: model(images, training=False), jit_compile=False, reduce_retracing=True
    )


def open_images(
    trained: TrainedModel, data: Any, skip_bad_images: bool, data_dir: Path | str | None
) -> ImageData:
    """Opens the data to evaluate on; `data=None` opens the run's own again.

    Raises:
      UserError: there are neither data nor a run, or the data cannot be opened.
    """
    if isinstance(data, ImageData):
        return data
    if data is not None:
        return _open_data(data, skip_bad_images=skip_bad_images, data_dir=data_dir)
    if trained.run is None:
        raise _no_data("a model alone")
    return reopen_data(trained.run)


def reopen_data(run: Run, data: Any = None) -> ImageData:
    """Opens the data of a run again, or `data` in their place where they have moved.

    Raises:
      UserError: the data were given in memory, are gone, or have changed.
    """
    record = run.data()
    if data is None and not record["reopens"]:
        raise UserError(
            f"the data of {run.path} were given in memory and cannot be opened again",
            hint="pass the data again, with --data or data=...",
        )
    try:
        images = _open_data(
            record["name"] if data is None else data,
            skip_bad_images=record["skip_bad_images"],
            data_dir=record["data_dir"],
        )
    except UserError as error:
        if data is not None:
            raise
        raise UserError(
            f"the data of {run.path} cannot be opened: {error.what}",
            where=error.where,
            expected=error.expected,
            found=error.found or record["name"],
            hint="if they have moved, name them with --data, such as --data folder:PATH",
        ) from error
    # A file system may write the same names in another Unicode form.
    if list(map(nfc, record["classes"])) == list(map(nfc, images.classes)):
        images = replace(images, classes=tuple(record["classes"]))
    for key, value in (("classes", list(images.classes)), ("splits", dict(images.splits))):
        if record[key] != value:
            raise UserError(
                f"the data {images.name} have changed since {run.path} began",
                expected=f"{key} {_shorten(record[key])}",
                found=_shorten(value),
                hint="restore the data, or train a new run on the present data",
            )
    return images


def common_classes(
    outputs: int, classes: tuple[str, ...] | None, data: ImageData
) -> tuple[str, ...]:
    """Returns the class names of data and a network of `outputs` logits, in the network's order.

    Names are compared in Unicode's NFC, in any order, and the data may lack some. Numbered classes
    match any names, and so does a network whose `classes` are None.

    Raises:
      UserError: the data have classes that the network does not know.
    """
    count = len(data.classes)
    numbered = data.classes == numbered_classes(count)
    known = set(map(nfc, classes or ()))
    if classes is not None and not numbered and known.issuperset(map(nfc, data.classes)):
        return classes
    if count != outputs and not (numbered and count < outputs):
        raise UserError(
            f"the network and the data {data.name} have different classes",
            expected=f"{outputs} classes",
            found=f"{count}: {_shorten(data.classes)}",
            hint="evaluate on data of the network's classes, or train a network on these",
        )
    if numbered:
        return classes or numbered_classes(outputs)
    if classes is not None:
        raise UserError(
            f"the network and the data {data.name} have different classes",
            expected=_shorten(classes),
            found=_shorten(data.classes),
            hint="rename the data's classes as the network's, or train a network on these",
        )
    return tuple(data.classes)


def _shorten(value: Any) -> str:
    text = ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
    return text if len(text) <= 200 else text[:200] + ", ..."
