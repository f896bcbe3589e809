"""Fitting a network to its data: classes, channels, image sizes and regularisation."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from reszoo.data import ImageData, ImageFormat
from reszoo.data.dataset import check_classes
from reszoo.data.images.resizing import training_format
from reszoo.errors import UserError
from reszoo.spec.architecture import Architecture
from reszoo.spec.recipe import Recipe, regularize
from reszoo.training.options import ClassWeights
from reszoo.training.progressive_resizing import training_formats


def fit_to_data(
    architecture: Architecture,
    recipe: Recipe,
    data: ImageData,
    *,
    classes: int | None = None,
    enlarge_small_images: bool = False,
) -> Architecture:
    """Returns the architecture as it is trained: with the data's classes, and regularised.

    Raises:
      UserError: the network does not fit the data; the message says what to do.
    """
    architecture = with_data_classes(architecture, data, classes)
    architecture = with_value_range(architecture, data)
    require_channels(architecture, data)
    if not enlarge_small_images:
        require_size(architecture, data, training_formats(architecture, recipe))
    return regularize(architecture, recipe.regularization)


def with_data_classes(
    architecture: Architecture, data: ImageData, classes: int | None = None
) -> Architecture:
    """Returns the architecture with the data's number of classes."""
    count = len(data.classes)
    check_classes(count, data.name, data.classes)
    overridden = architecture.is_overridden("classes")
    if classes is None and overridden:
        classes = architecture.classes
    if classes is not None and classes != count:
        raise UserError(
            f"{classes} classes were requested, but the data {data.name} have {count}",
            where=architecture.where("classes") if overridden else None,
            expected=str(count),
            found=str(classes),
            hint="leave out the number: it is taken from the data",
        )
    return architecture.model_copy(update={"classes": count})


def with_value_range(architecture: Architecture, data: ImageData) -> Architecture:
    """Returns the architecture with the training images' range of 16-bit values, if it asks for it.

    Raises:
      UserError: the data hold no 16-bit grey images, or all have one value.
    """
    if architecture.input.sixteen_bit != "full_range":
        return architecture
    low, high = data.value_range or (0, 0)
    if low == high:
        raise UserError(
            f"the training images of {data.name} have no range of 16-bit values",
            where=architecture.where("input", "sixteen_bit"),
            expected="a folder of 16-bit grey PNG or TIFF images of several values",
            found="full_range, and no such images",
            hint="--set input.sixteen_bit=high_byte",
        )
    values = architecture.input.model_copy(update={"sixteen_bit": (low, high)})
    return architecture.model_copy(update={"input": values})


def require_channels(architecture: Architecture, data: ImageData) -> None:
    """Refuses a network whose channels are not the data's; they never change silently."""
    height, width, channels = architecture.input.shape
    if channels != data.channels:
        takes, holds = colours_of(channels), colours_of(data.channels)
        raise UserError(
            f"{architecture.name} takes {takes} images and {data.name} holds {holds} ones",
            where=architecture.where("input", "shape"),
            expected=f"{data.channels} channels",
            found=f"input.shape {list(architecture.input.shape)}",
            hint=f"--set input.shape=[{height},{width},{data.channels}] (and the mean and std of "
            "as many channels), or another network",
        )


def colours_of(channels: int) -> str:
    """Returns what images of so many channels are called in messages: `grey`, or `4-channel`."""
    return {1: "grey", 3: "colour"}.get(channels, f"{channels}-channel")


def require_size(
    architecture: Architecture, data: ImageData, formats: Sequence[ImageFormat] = ()
) -> None:
    """Refuses images that would have to be enlarged: what is not in them cannot be learned.

    Raises:
      UserError: an image is smaller than the largest of the sizes.
    """
    if data.smallest is None:
        return
    largest = max(
        formats or (training_format(architecture.input),),
        key=lambda image_format: image_format.height * image_format.width,
    )
    height, width = data.smallest
    if height < largest.height or width < largest.width:
        fitting = (min(height, largest.height), min(width, largest.width))
        if largest.height == largest.width:
            fitting = (min(height, width),) * 2
        raise UserError(
            f"images of {data.name} are smaller than {architecture.name} needs",
            where=architecture.where("input", "shape"),
            expected=f"{largest.height}x{largest.width} pixels or more",
            found=f"down to {height} pixels high, {width} wide",
            hint=f"--set input.shape=[{fitting[0]},{fitting[1]},{largest.channels}], a network for "
            "smaller images, or --enlarge-small-images",
        )


def class_factors(
    class_weights: ClassWeights, labels: np.ndarray, classes: Sequence[str]
) -> tuple[float, ...] | None:
    """Returns the factor of each class in the loss.

    `balanced` gives a class of n among N examples of k classes N / (k n), so that all classes
    weigh the same and an example weighs 1 on average (scikit-learn's arithmetic).

    Raises:
      UserError: the weights name other classes than the data, or a class has no examples.
    """
    if class_weights is None:
        return None
    if class_weights == "balanced":
        counts = np.bincount(labels, minlength=len(classes))
        if empty := [name for name, count in zip(classes, counts, strict=True) if not count]:
            raise UserError(
                "classes without training images cannot be balanced",
                found=", ".join(empty),
                hint="add training images of them, or leave out --class-weights",
            )
        return tuple(float(len(labels) / (len(classes) * count)) for count in counts)
    if isinstance(class_weights, str):
        raise UserError(
            "unknown class weights",
            expected="balanced, or a number per class",
            found=class_weights,
            hint="write balanced, or CLASS=NUMBER for each class",
        )
    if set(class_weights) != set(classes):
        raise UserError(
            "class weights name other classes than the data",
            expected=", ".join(classes),
            found=", ".join(class_weights),
            hint="give a weight for each of these classes and no other",
        )
    return tuple(float(class_weights[name]) for name in classes)
