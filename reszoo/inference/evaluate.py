"""Evaluation of a network on a split of a data set.

What needs TensorFlow is imported where it is used: a `.tflite` file is evaluated on a folder or on
the digits without it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from reszoo.data import ImageData, ImageFormat, Split
from reszoo.data.dataset import numbered_classes
from reszoo.data.images.decoding import SixteenBit
from reszoo.data.sources.plain_files import open_plain_files
from reszoo.errors import UserError
from reszoo.inference.evaluation_data import common_classes, no_data, open_images, open_named
from reszoo.inference.finite_outputs import finite_outputs
from reszoo.inference.metrics import Agreement, Evaluation, agreement, clipped_log, score
from reszoo.inference.mistakes import check_mistakes_file, find_images, write_mistakes
from reszoo.inference.plain_evaluation import plain_logits
from reszoo.inference.predict import batch_size_for
from reszoo.inference.tflite_classifier import TFLiteClassifier
from reszoo.inference.tta import resolve_views, tta_formats, tta_logits
from reszoo.quiet_import import quiet_import
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
    mistakes: Path | str | None = None,
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
      mistakes: a file for the mistakes, most confident first: all as a `.csv` table, or the first
        48 with their pictures on a `.png` sheet.

    Returns:
      Accuracy with its 95 % interval, top-5 accuracy, loss, precision and recall per class, the
      confusion matrix, calibration, and the mistakes, most confident first.

    Raises:
      UserError: the target, the data or the split does not exist or is damaged, the classes of
        network and data differ, the network's outputs are not finite, or the file for the mistakes
        has another ending.
      MachineError: the file for the mistakes cannot be written.
    """
    if mistakes is not None:
        check_mistakes_file(mistakes)
    if (file := find_tflite(target)) is not None:
        if fast:
            raise UserError(
                "a .tflite file cannot be folded",
                found="--fast (fast=True)",
                hint="leave out --fast: the export has already folded the normalisations",
            )
        if data is None:
            raise no_data("a .tflite alone")
        resolved = resolve_views(views)
        classifier = TFLiteClassifier(file)
        plain = open_plain_files(data, split)
        image_data = plain or open_named(data, skip_bad_images=skip_bad_images, data_dir=data_dir)
        skip = skip_bad_images if plain else None
        evaluation, examples = _evaluate_tflite(classifier, image_data, split, resolved, skip)
        sixteen_bit = classifier.image_format.sixteen_bit
        return _with_mistakes(evaluation, examples, sixteen_bit, mistakes)
    with quiet_import():
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
    evaluation = replace(evaluation, views=views, agreement=comparison)
    return _with_mistakes(evaluation, examples, trained.image_format.sixteen_bit, mistakes)


def _with_mistakes(
    evaluation: Evaluation, examples: Split, sixteen_bit: SixteenBit, file: Path | str | None
) -> Evaluation:
    """Adds files and pictures to the mistakes, and writes them into a file if one is named."""
    found = find_images(evaluation.mistakes, examples, sixteen_bit)
    evaluation = replace(evaluation, mistakes=found)
    if file is not None:
        write_mistakes(file, evaluation, examples, sixteen_bit)
    return evaluation


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
) -> tuple[Evaluation, Split]:
    """Evaluates on data of `open_plain_files`, for which `skip_plain` is set, or of `open_data`.

    The returned split lacks skipped images.
    """
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
    else:
        logits, readable = plain_logits(classify, classifier, examples, views, skip_plain)
        examples = examples.subset(readable)
    evaluation = score(examples.labels, logits, classes, data=image_data.name, split=examples.name)
    return replace(evaluation, views=views), examples


def _select_split(image_data: ImageData, expression: str) -> Split:
    if expression == "test" and image_data.only_split is not None:
        expression = image_data.only_split
    return image_data.split(expression)


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
        lambda images: model(images, training=False),
        autograph=False,
        jit_compile=False,
        reduce_retracing=True,
    )
