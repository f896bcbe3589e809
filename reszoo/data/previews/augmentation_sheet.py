"""Augmentation sheets: a picture of images, and of how each epoch augments them."""

from __future__ import annotations

import numpy as np
from PIL import Image

from reszoo.data.dataset import ImageData
from reszoo.data.images.resizing import ImageFormat
from reszoo.data.pipeline.batches import batches
from reszoo.data.pipeline.sampler import epoch_sampler
from reszoo.data.previews.contact_sheet import GAP, MARGIN, PAPER, paste_thumbnail
from reszoo.spec.augmentation import Augmentation

_SMALL_SIDE = 96  # Images up to this side keep their size, larger ones get that of ImageNet.
_IMAGENET_SIDE = 224
_GREY = (127.5,)


def augmentation_sheet(
    data: ImageData,
    split: str,
    augmentation: Augmentation,
    *,
    images: int = 8,
    epochs: int = 9,
    thumbnail: int = 96,
) -> Image.Image:
    """Draws a row per image: the original, and how the first epochs augment it.

    The images, an even number if they are mixed in pairs, are evenly spaced over the split; each is
    fitted into a square of side `thumbnail`. Grey stands for the mean pixel.
    """
    sample = data.split(split).sample(images)
    image_format = _image_format(data)
    recipe = augmentation.model_copy(update={"repeats": 1})
    [(original, _)] = batches(sample, image_format, batch_size=len(sample)).as_numpy_iterator()
    columns = [original]
    for epoch in range(epochs):
        [(augmented, _)] = batches(
            sample,
            image_format,
            batch_size=len(sample),
            seed=0,
            epoch=epoch,
            augmentation=recipe,
            fill=_GREY,
        ).as_numpy_iterator()
        sampler = epoch_sampler(len(sample), len(sample), seed=0, epoch=epoch)
        columns.append(augmented[np.argsort(sampler.rows)])
    return _draw(columns, thumbnail)


def _image_format(data: ImageData) -> ImageFormat:
    smallest = data.smallest
    if smallest is None or max(smallest) > _SMALL_SIDE:
        return ImageFormat(_IMAGENET_SIDE, _IMAGENET_SIDE, data.channels)
    return ImageFormat(*smallest, data.channels)


def _draw(columns: list[np.ndarray], thumbnail: int) -> Image.Image:
    """Draws the columns, with a wider gap after the first."""
    step = thumbnail + GAP
    width = 2 * MARGIN + len(columns) * step - GAP + MARGIN
    sheet = Image.new("RGB", (width, 2 * MARGIN + len(columns[0]) * step - GAP), PAPER)
    for column, images in enumerate(columns):
        x = MARGIN + column * step + (MARGIN if column else 0)
        for row, pixels in enumerate(images):
            paste_thumbnail(sheet, pixels, (x, MARGIN + row * step), thumbnail)
    return sheet
