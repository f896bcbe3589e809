"""What does a network say of an image that it looks at in several ways? The mean of its answers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

import numpy as np

from reszoo.data import ImageFormat, Split
from reszoo.data.pipeline.batches import batches
from reszoo.errors import Place, UserError
from reszoo.inference.metrics import logits_of, softmax
from reszoo.spec.test_time import ONE_VIEW, PRESETS, Views

_CORNERS = ((0.0, 0.0), (0.0, 1.0), (1.0, 0.0), (1.0, 1.0))
_CENTRE = (0.5, 0.5)

Answer = Callable[[np.ndarray], np.ndarray]
"""Pixels `(images, height, width, channels)` to logits `(images, classes)`."""


def views_of(given: Views | str | int | None, recipe: Views | None = None) -> Views:
    """The views that were asked for by a word (`flip`, `10`), else a recipe's, else one.

    Raises:
      UserError: there is no such word.
    """
    if given is None:
        return recipe or ONE_VIEW
    try:
        return Views.model_validate(given)
    except ValueError as error:
        expected = f"one of {', '.join(PRESETS)}"
        raise UserError("unknown views", expected=expected, found=str(given)) from error


def geometries_of(
    views: Views, image_format: ImageFormat, where: Place | str | None = None
) -> tuple[ImageFormat, ...]:
    """The geometries in which an image is prepared for its views, one for each crop.

    Raises:
      UserError: the evaluation takes the whole image, so that its crops are all the same.
    """
    if views.crops == 1:
        return (image_format,)
    if image_format.crop == 1.0:
        raise UserError(
            "there are no corners to crop: evaluation takes the whole image",
            where=where,
            expected="`input.crop` below 1 in the architecture (0.875 is 224 of 256 pixels)",
            found="input.crop 1",
            hint="other views, such as flip",
        )
    return tuple(replace(image_format, place=place) for place in (*_CORNERS, _CENTRE))


def mean_answer(views: Views, answer: Answer, images: Iterable[np.ndarray]) -> np.ndarray:
    """What a network says of images by all of their views: logits `(images, classes)`.

    Args:
      views: which.
      answer: of the network to one view.
      images: the same images in each of `geometries_of`.

    Returns:
      The mean of the logits, or the logarithm of the mean of the probabilities; the network's own
      answer where there is one view.
    """
    total: np.ndarray | float = 0.0
    crops = 0
    for pixels in images:
        if views.count == 1:
            return answer(pixels)
        crops += 1
        for view, weight in _looks(pixels, views):
            found = answer(view)
            total = total + weight * (softmax(found) if views.average == "probabilities" else found)
    mean = np.asarray(total, np.float64) / crops
    if views.average == "logits":
        return mean
    return logits_of(mean)


def answers(
    views: Views, answer: Answer, split: Split, image_format: ImageFormat, size: int
) -> np.ndarray:
    """`mean_answer` for every image of a split, in its order, `size` images at a time."""
    prepared = geometries_of(views, image_format)
    # Five geometries of one split in memory would be five copies.
    in_memory = None if len(prepared) == 1 else False
    sources = [batches(split, one, batch_size=size, in_memory=in_memory) for one in prepared]
    return np.concatenate(
        [
            mean_answer(views, answer, (np.asarray(images) for images, _ in group))
            for group in zip(*sources, strict=True)
        ]
    )


def _looks(images: np.ndarray, views: Views) -> Iterator[tuple[np.ndarray, float]]:
    """The views of one crop, and what each of them weighs; together 1."""
    by = views.shift
    shifts = [(images, 1.0)]
    if by:
        sides = ((0, 0), (by, by), (by, by), (0, 0))
        larger = np.pad(images, sides, mode="reflect")
        height, width = images.shape[1:3]
        lower, upper = larger[:, :height, :width], larger[:, 2 * by :, 2 * by :]
        shifts = [(images, 0.5), (lower, 0.25), (upper, 0.25)]
    for shifted, weight in shifts:
        if not views.flip:
            yield shifted, weight
        else:
            yield shifted, weight / 2
            yield shifted[:, :, ::-1], weight / 2
