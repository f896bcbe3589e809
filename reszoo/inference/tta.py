"""Test-time augmentation: the logits of several views of an image, averaged."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

import numpy as np

from reszoo.data import ImageFormat
from reszoo.errors import Place, UserError
from reszoo.inference.metrics import clipped_log, softmax
from reszoo.spec.test_time import ONE_VIEW, PRESETS, Views

_CORNERS_AND_CENTRE = ((0.0, 0.0), (0.0, 1.0), (1.0, 0.0), (1.0, 1.0), (0.5, 0.5))


def resolve_views(views: Views | str | int | None, recipe: Views | None = None) -> Views:
    """Resolves a preset (`flip`, `10`) or views; None takes the recipe's, else a single view.

    Raises:
      UserError: the preset is unknown.
    """
    if views is None:
        return recipe or ONE_VIEW
    try:
        return Views.model_validate(views)
    except ValueError as error:
        expected = f"one of {', '.join(PRESETS)}"
        raise UserError(
            "unknown views",
            expected=expected,
            found=str(views),
            hint="write flip, or leave it out",
        ) from error


def tta_formats(
    views: Views, image_format: ImageFormat, where: Place | str | None = None
) -> tuple[ImageFormat, ...]:
    """Returns the image formats that the views require, one for each crop.

    Raises:
      UserError: evaluation takes the full image (`input.crop` is 1), so all crops would be equal.
    """
    if views.crops == 1:
        return (image_format,)
    if image_format.crop == 1.0:
        raise UserError(
            "there are no corners to crop: evaluation takes the full image",
            where=where,
            expected="`input.crop` below 1 in the architecture (0.875 is 224 of 256 pixels)",
            found="input.crop 1",
            hint="use other views, such as flip",
        )
    return tuple(replace(image_format, place=place) for place in _CORNERS_AND_CENTRE)


def tta_logits(
    views: Views, classify: Callable[[np.ndarray], np.ndarray], crops: Iterable[np.ndarray]
) -> np.ndarray:
    """Returns the logits `(images, classes)` of a batch, from its crops to `tta_formats`.

    They are the mean of the views' logits, or the logarithm of their mean probabilities, in
    float64. A single view keeps the network's own logits.
    """
    total: np.ndarray | float = 0.0
    count = 0
    for crop in crops:
        if views.count == 1:
            return classify(crop)
        count += 1
        for view, weight in _augment(crop, views):
            logits = classify(view)
            scores = softmax(logits) if views.average == "probabilities" else logits
            total = total + weight * scores
    mean = np.asarray(total, np.float64) / count
    return mean if views.average == "logits" else clipped_log(mean)


def _augment(images: np.ndarray, views: Views) -> Iterator[tuple[np.ndarray, float]]:
    """Yields the views of one crop with their weights, which sum to 1."""
    shifts = [(images, 1.0)]
    if by := views.shift:
        padded = np.pad(images, ((0, 0), (by, by), (by, by), (0, 0)), mode="reflect")
        height, width = images.shape[1:3]
        lower, upper = padded[:, :height, :width], padded[:, 2 * by :, 2 * by :]
        shifts = [(images, 0.5), (lower, 0.25), (upper, 0.25)]
    for shifted, weight in shifts:
        if not views.flip:
            yield shifted, weight
        else:
            yield shifted, weight / 2
            yield shifted[:, :, ::-1], weight / 2
