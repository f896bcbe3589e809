"""What users pass as images and labels, as pixels and numbers of classes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from reszoo.data.dataset import nfc
from reszoo.errors import UserError, first_line

EXPECTED_IMAGES = (
    "uint8, or float with values 0..255, of shape (examples, height, width[, channels])"
)
_EXPECTED_LABELS = "a class per image: whole numbers from 0, names, or one-hot rows"


def to_images(images: np.ndarray, where: str) -> np.ndarray:
    """Returns images as uint8 of shape (examples, height, width, channels), rounding floats."""
    if images.ndim == 3:
        images = images[..., None]
    if images.ndim != 4 or not all(images.shape[1:]):
        raise UserError(
            "the images have the wrong shape",
            where=where,
            expected=EXPECTED_IMAGES,
            found=str(images.shape),
            hint="give signals a height: images[:, None] makes them images one pixel high"
            if images.ndim == 2
            else "reshape them, one image per index of the first axis",
        )
    require_range([images], where)
    return to_uint8(images)


def to_labels(labels: np.ndarray, where: str) -> tuple[np.ndarray, tuple[str, ...] | None]:
    """Returns labels as int32, and the class names if they are strings."""
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim == 2:
        if not (np.isin(labels, (0, 1)).all() and (labels.sum(axis=1) == 1).all()):
            raise UserError(
                "the labels have two axes but are not one-hot",
                where=where,
                hint="pass the number of each image's class instead, of shape (images,)",
            )
        return labels.argmax(axis=1).astype(np.int32), None
    if labels.ndim != 1:
        raise UserError(
            "the labels should have one axis",
            where=where,
            found=str(labels.shape),
            hint="pass one number or name for each image: labels of shape (images,)",
        )
    if labels.dtype.kind in "USO":
        names, numbers = np.unique([_to_text(label) for label in labels], return_inverse=True)
        return numbers.astype(np.int32), tuple(str(name) for name in names)
    if labels.dtype.kind not in "biuf":
        raise UserError(
            "the labels are neither numbers nor names",
            where=where,
            expected=_EXPECTED_LABELS,
            found=str(labels.dtype),
            hint="number the classes 0, 1, 2, ..., or give their names as labels",
        )
    numbers = np.rint(labels.astype(np.float64))
    if not np.array_equal(numbers, labels) or not ((numbers >= 0) & (numbers < 1 << 31)).all():
        raise UserError(
            "the labels should be whole numbers from 0",
            where=where,
            found=f"{labels.min():g} to {labels.max():g}",
            hint="number the classes 0, 1, 2, ..., or give their names as labels",
        )
    return numbers.astype(np.int32), None


def _to_text(label: Any) -> str:
    """Returns a label as text; TensorFlow's strings are bytes."""
    return nfc(label.decode(errors="replace") if isinstance(label, bytes) else str(label))


def image_array(images: Any, where: str) -> np.ndarray:
    """Returns images as one array; raises a `UserError` if they differ in their sizes."""
    try:
        return np.asarray(images)
    except ValueError:
        raise UserError(
            "the images differ in their sizes",
            where=where,
            expected=EXPECTED_IMAGES,
            found="a list that cannot be stacked into an array",
            hint="give them as a tf.data.Dataset of (image, label), or as a folder of images",
        ) from None


def label_array(labels: Any, where: str) -> np.ndarray:
    """Returns labels as one array; raises a `UserError` if they differ in their lengths."""
    try:
        return np.asarray(labels)
    except ValueError as error:
        raise UserError(
            "the labels differ in their lengths",
            where=where,
            expected=_EXPECTED_LABELS,
            found=first_line(error),
            hint="give each image one class",
        ) from None


def require_range(images: Sequence[np.ndarray], where: str) -> None:
    """Raises a `UserError` for values outside 0..255, and for floats that look like 0..1."""
    dtype = images[0].dtype
    if dtype == np.uint8 or not images[0].size:
        return
    if not np.issubdtype(dtype, np.integer) and not np.issubdtype(dtype, np.floating):
        raise UserError(
            "the images are not numbers",
            where=where,
            expected=EXPECTED_IMAGES,
            found=str(dtype),
            hint="convert them: images.astype('uint8')",
        )
    low = min(float(image.min()) for image in images)
    high = max(float(image.max()) for image in images)
    if not (low >= 0 and high <= 255):  # Also true of NaN.
        raise UserError(
            "pixel values outside 0..255",
            where=where,
            expected=EXPECTED_IMAGES,
            found=f"{low:g} to {high:g}",
            hint=_scaling(low, high),
        )
    if np.issubdtype(dtype, np.floating) and 0 < high <= 1:
        raise UserError(
            "pixel values between 0 and 1",
            where=where,
            expected=EXPECTED_IMAGES,
            found=f"{low:g} to {high:g}",
            hint="multiply by 255: the network normalises raw pixels itself",
        )


def _scaling(low: float, high: float) -> str:
    """Returns how values outside 0..255 become pixels."""
    if not math.isfinite(low) or not math.isfinite(high):
        return "replace NaN and infinity first"
    if low >= 0 and high > 1023:
        most = (1 << int(high).bit_length()) - 1
        return f"multiply all splits by 255 / {most}: values up to {high:g} need that many bits"
    return "scale all splits alike, so that the darkest pixel is 0 and the brightest 255"


def to_uint8(images: np.ndarray) -> np.ndarray:
    """Returns values in 0..255 as uint8, rounding floats."""
    return images if images.dtype == np.uint8 else np.rint(images).astype(np.uint8)
