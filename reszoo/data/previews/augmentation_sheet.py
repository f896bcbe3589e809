"""What does a recipe do to images? One picture: some of them, and what each epoch makes of them."""

from __future__ import annotations

import numpy as np
from PIL import Image

from reszoo.data.dataset import ImageData
from reszoo.data.images.resizing import ImageFormat
from reszoo.data.pipeline.batches import batches
from reszoo.data.pipeline.sampler import epoch_sampler
from reszoo.data.previews.contact_sheet import GAP, MARGIN, PAPER, mount
from reszoo.spec.augmentation import Augmentation

_SMALL = 96  # Images no larger are shown as they are, larger ones in the usual training size.
_PHOTO = 224
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
    """A picture with a row per image: as it is, and as it is in the first epochs of a training.

    Args:
      data: the data set.
      split: which part of the data to take images from, spread evenly.
      augmentation: what the recipe does; what it fills with the mean pixel is grey here.
      images: rows; an even number, where images are mixed in pairs.
      epochs: columns beside the first.
      thumbnail: side of the square an image is fitted into, in pixels.

    Returns:
      An RGB image.
    """
    chosen = data.split(split).sample(images)
    image_format = _image_format(data)
    once = augmentation.model_copy(update={"repeats": 1})
    [(plain, _)] = batches(chosen, image_format, batch_size=len(chosen)).as_numpy_iterator()
    columns = [plain]
    for epoch in range(epochs):
        [(changed, _)] = batches(
            chosen,
            image_format,
            batch_size=len(chosen),
            seed=0,
            epoch=epoch,
            augmentation=once,
            fill=_GREY,
        ).as_numpy_iterator()
        order = epoch_sampler(len(chosen), len(chosen), seed=0, epoch=epoch)
        columns.append(changed[np.argsort(order.rows)])
    return _drawn(columns, thumbnail)


def _image_format(data: ImageData) -> ImageFormat:
    smallest = data.smallest
    if smallest is None or max(smallest) > _SMALL:
        return ImageFormat(_PHOTO, _PHOTO, data.channels)
    return ImageFormat(*smallest, data.channels)


def _drawn(columns: list[np.ndarray], thumbnail: int) -> Image.Image:
    """The first column stands apart."""
    step = thumbnail + GAP
    width = 2 * MARGIN + len(columns) * step - GAP + MARGIN
    sheet = Image.new("RGB", (width, 2 * MARGIN + len(columns[0]) * step - GAP), PAPER)
    for place, images in enumerate(columns):
        x = MARGIN + place * step + (MARGIN if place else 0)
        for row, pixels in enumerate(images):
            mount(sheet, pixels, (x, MARGIN + row * step), thumbnail)
    return sheet
