"""The photograph of a bundle: a test of decoding, turning, resizing and cropping.

The golden image has the input's size already. The photograph is a JPEG that is larger, of another
aspect ratio, and lies on its side: its EXIF orientation says how it is turned upright.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from reszoo.data import ImageFormat
from reszoo.data.images.decoding import encode_png, read_image
from reszoo.data.images.numpy_resizing import resize_in_numpy
from reszoo.inference.calibration import SampleImages

PHOTO, PHOTO_INPUT = "photo.jpg", "photo_input.png"
_ORIENTATION_TAG = 0x0112
_QUARTER_TURN = 6
"""EXIF: what is stored has to be turned clockwise by 90 degrees."""
_LARGEST_SIDE = 1600
_QUALITY = 90


def write_photograph(
    samples: SampleImages, image_format: ImageFormat, folder: Path
) -> tuple[dict[str, Any], np.ndarray] | None:
    """Writes the photograph and the input that it becomes into a bundle.

    Returns:
      The contract's entry, without what is expected of the files, and the input, uint8 `(height,
      width, channels)`. None for a network of neither 1 nor 3 channels: no JPEG becomes its input.
    """
    if image_format.channels not in (1, 3):
        return None
    original = samples.original
    upright = _generate(image_format) if original is None else _shrink(original)
    stored = np.rot90(upright).squeeze()
    exif = Image.Exif()
    exif[_ORIENTATION_TAG] = _QUARTER_TURN
    Image.fromarray(np.ascontiguousarray(stored)).save(
        folder / PHOTO, "JPEG", quality=_QUALITY, exif=exif
    )
    pixels = resize_in_numpy(read_image(folder / PHOTO), image_format)
    (folder / PHOTO_INPUT).write_bytes(encode_png(pixels))
    entry = {
        "image": PHOTO,
        "source": "an image of the data, stored anew" if original is not None else "generated",
        "stored_size": list(stored.shape[:2]),
        "exif_orientation": _QUARTER_TURN,
        "upright_size": list(upright.shape[:2]),
        "input": PHOTO_INPUT,
        "words": "Carry out the steps of `preprocessing` on the image, and compare the pixels with "
        "those of `input`: they differ by 1 at most where JPEG is decoded as the steps say. Then "
        "give them to a file, and compare with what is expected here, within the tolerance.",
    }
    return entry, pixels


def _shrink(image: np.ndarray) -> np.ndarray:
    """Returns an image whose longer side has at most 1,600 pixels, so that bundles stay small."""
    if max(image.shape[:2]) <= _LARGEST_SIDE:
        return image
    small = Image.fromarray(image.squeeze())
    small.thumbnail((_LARGEST_SIDE, _LARGEST_SIDE))
    pixels = np.asarray(small)
    return pixels if pixels.ndim == 3 else pixels[..., None]


def _generate(image_format: ImageFormat) -> np.ndarray:
    """Returns an RGB picture of smooth colours, edges and fine noise, larger than the input."""
    height, width = 4 * image_format.height + 5, 5 * image_format.width + 3
    down, across = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j]
    waves = [np.sin(9 * down + 4 * across + shift) + across * down for shift in (0, 2, 4)]
    values = 96 + 64 * np.stack(waves, axis=-1)
    values[(down - 0.4) ** 2 + (across - 0.6) ** 2 < 0.04] += 70
    values[np.abs(down - across) < 0.03] -= 90
    values += np.random.default_rng(0).normal(0, 4, values.shape)
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)
