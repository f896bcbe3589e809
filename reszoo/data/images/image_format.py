"""Image formats: the size and channels of a network's input, and how images are resized to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from reszoo.data.images.decoding import SixteenBit
from reszoo.errors import UserError


@dataclass(frozen=True, slots=True)
class ImageFormat:
    """The height, width and channels of a network's input, and how images are resized to it."""

    height: int
    width: int
    channels: int
    crop: float = 1.0
    """Share of the resized image's sides that the crop keeps."""
    interpolation: Literal["bilinear", "bicubic"] = "bilinear"
    antialias: bool = True
    sixteen_bit: SixteenBit = None
    """The range of 16-bit grey that becomes 0..255. Defaults to keeping the high byte."""
    place: tuple[float, float] = (0.5, 0.5)
    """Position of the crop, down and across, from 0 (upper or left border) to 1."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """Height, width and channels."""
        return self.height, self.width, self.channels


def require_convertible(channels: int, image_format: ImageFormat) -> None:
    """Raises a `UserError` if images of `channels` cannot be converted to the image format."""
    if channels != image_format.channels and {channels, image_format.channels} != {1, 3}:
        raise UserError(
            f"images of {channels} channels do not fit a network of {image_format.channels}",
            expected=f"images of {image_format.channels} channels",
            found=f"images of {channels} channels",
            hint=f"train a network whose input.shape ends with {channels}",
        )


def as_uint8(image: np.ndarray, image_format: ImageFormat) -> np.ndarray:
    """Rounds an image to uint8 0..255; one that the format cannot take raises a `UserError`."""
    require_convertible(image.shape[-1], image_format)
    return image if image.dtype == np.uint8 else round_to_uint8(image)


def round_to_uint8(values: np.ndarray) -> np.ndarray:
    """Rounds and clips values to 0..255."""
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)
