"""The input of an architecture: the raw image, and its preprocessing inside the network."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, ValidationInfo, field_validator, model_validator
from pydantic_core import PydanticCustomError

from reszoo.spec.base import Fraction, Kinded, PositiveInt, Tuple, Value

SixteenBit = Literal["high_byte", "full_range"] | Annotated[tuple[int, int], Field(strict=False)]


class Contrast(Kinded):
    """Contrast normalisation per image, before any other preprocessing."""

    kind: Literal["global", "none"] = "none"
    """`global` subtracts the mean of all values of the image and divides by their deviation."""
    scale: Annotated[float, Field(gt=0)] = 1.0
    """Standard deviation of the normalised image."""
    epsilon: Annotated[float, Field(gt=0)] = 10.0
    """Added to the variance of the pixels (0..255), which is 0 for an image of one colour; 10 as in
    Coates 2011. With a much smaller value int8 cannot resolve the factors of ordinary images."""


class Input(Value):
    """The raw input image: uint8 or float values 0..255; normalisation is the first layer."""

    shape: tuple[PositiveInt, PositiveInt, PositiveInt] = Field(strict=False)
    """Height, width, channels."""
    contrast: Contrast = Contrast()
    """Contrast normalisation per image; the highway nets use `global`."""
    mean: float | Tuple[float] | Literal["image"] = 0.0
    """Subtracted from each pixel (0..255): one number, one per channel, or `image` for the mean of
    all training images (one number per pixel and channel), computed before training starts."""
    std: Annotated[float, Field(gt=0)] | Tuple[Annotated[float, Field(gt=0)]] = 255.0
    """Divides each pixel after the mean. Defaults to 1 with `contrast: global`, else to 255."""
    dropout: Fraction = 0.0
    """Dropout on the normalised pixels (the highway nets use 0.2)."""
    train_size: PositiveInt | None = None
    """Side of the square training image in pixels. Defaults to that of `shape`."""
    test_size: PositiveInt | None = None
    """Side of the square evaluation image in pixels. Defaults to that of `shape`."""
    crop: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Fraction of the resized image kept by the central crop in evaluation (0.875 for ImageNet)."""
    interpolation: Literal["bilinear", "bicubic"] = "bilinear"
    """Interpolation of resizing in evaluation."""
    antialias: bool = True
    """Whether resizing in evaluation filters before subsampling, as Pillow does."""

    sixteen_bit: SixteenBit | None = None
    """How 16-bit grey becomes 0..255: `high_byte` (the default); `full_range`, from the minimum to
    the maximum of the training images, which training measures and writes here as two numbers; or
    these numbers, such as `[0, 4095]` for 12-bit cameras. Values outside are clipped."""

    @field_validator("sixteen_bit")
    @classmethod
    def _check_sixteen_bit(cls, value: Any) -> Any:
        if isinstance(value, tuple) and not 0 <= value[0] < value[1] <= 0xFFFF:
            raise PydanticCustomError(
                "sixteen_bit_range",
                "two rising numbers from 0 to 65535",
                {"line": [0, 0xFFFF]},
            )
        # None and the word mean the same, and networks that are the same have one fingerprint.
        return None if value == "high_byte" else value

    @model_validator(mode="before")
    @classmethod
    def _default_std(cls, data: Any) -> Any:
        contrast = data.get("contrast") if isinstance(data, dict) else None
        kind = contrast.get("kind") if isinstance(contrast, dict) else contrast
        return {"std": 1.0, **data} if kind == "global" else data

    @field_validator("mean", "std")
    @classmethod
    def _check_contrast(cls, value: Any, info: ValidationInfo) -> Any:
        allowed = ("image", 0.0) if info.field_name == "mean" else (1.0,)
        contrast = info.data.get("contrast")
        if contrast is not None and contrast.kind == "global" and value not in allowed:
            words = {"mean": "0 or image", "std": "1"}[str(info.field_name)]
            raise PydanticCustomError(
                "contrast_and_pixels",
                "{words} beside `contrast: global`, after which values are not pixels of 0..255",
                {"words": words, "line": allowed[-1]},
            )
        return value

    @field_validator("train_size", "test_size")
    @classmethod
    def _check_mean_image(cls, value: Any, info: ValidationInfo) -> Any:
        if value is not None and info.data.get("mean") == "image":
            raise PydanticCustomError(
                "mean_image_of_two_sizes",
                "no value beside `mean: image`, since a mean image has one size",
                {"hint": "remove it, or the line `mean: image`"},
            )
        return value
