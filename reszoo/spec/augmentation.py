"""What training does to images: the `augmentation` of a recipe.

What is done is done in this order: a part of the image (`resized_crop` or `scale_jitter`), moves
(padded crop, shift, flip), turns, colours (`randaugment` or `trivial_augment`, `jitter`,
`lighting`), `cutout`, `erasing`, and last the mixing of two images.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from reszoo.spec.base import Fraction, Positive, PositiveInt, Probability, Value

Pixels = Annotated[int, Field(ge=0)]
NotNegative = Annotated[float, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]


class RandomResizedCrop(Value):
    """A random part of the image, resized to the training size (Szegedy 2014)."""

    area: tuple[Probability, Probability] = Field(default=(0.08, 1.0), strict=False)
    """Smallest and largest share of the image's area."""
    ratio: tuple[Positive, Positive] = Field(default=(3 / 4, 4 / 3), strict=False)
    """Smallest and largest width / height, drawn evenly in the logarithm."""

    @model_validator(mode="after")
    def _smallest_first(self) -> RandomResizedCrop:
        _require_order("area and ratio", self.area, self.ratio)
        return self


class ScaleJitter(Value):
    """The shorter side is resized to a random length, and a random part of the training size is cut
    out (Simonyan 2014, He 2015)."""

    shorter_side: tuple[PositiveInt, PositiveInt] = Field(default=(256, 480), strict=False)
    """Shortest and longest it becomes, in pixels; no shorter than the training size."""

    @model_validator(mode="after")
    def _smallest_first(self) -> ScaleJitter:
        _require_order("shorter_side", self.shorter_side)
        return self


class ColorJitter(Value):
    """Colours changed in random order, each by a factor in [1 - x, 1 + x] (torchvision)."""

    brightness: NotNegative = 0.0
    contrast: NotNegative = 0.0
    saturation: NotNegative = 0.0
    hue: Annotated[float, Field(ge=0, le=0.5)] = 0.0
    """Turns the hue by up to this share of the colour circle each way."""


class RandAugment(Value):
    """A few operations drawn from fifteen, all of one strength (Cubuk 2019), as timm does it:
    `rand-m7-n2-mstd0.5-inc1` is {layers: 2, magnitude: 7, deviation: 0.5}."""

    layers: PositiveInt = 2
    """Operations one after the other."""
    magnitude: Annotated[float, Field(ge=0, le=10)] = 9.0
    """Strength, from 0 to 10."""
    deviation: NotNegative = 0.0
    """Standard deviation of the strength, drawn anew for every operation."""
    probability: Probability = 0.5
    """Of each operation to be carried out at all."""
    increasing: bool = True
    """Every operation changes the image more at a higher strength. False: as first published, where
    solarize, posterize and the colour factors do not."""


class RandomErasing(Value):
    """A random rectangle of the image is erased (Zhong 2017)."""

    probability: Probability = 0.25
    area: tuple[Probability, Probability] = Field(default=(0.02, 0.33), strict=False)
    """Smallest and largest share of the image's area."""
    ratio: tuple[Positive, Positive] = Field(default=(0.3, 3.3), strict=False)
    """Smallest and largest width / height, drawn evenly in the logarithm."""
    fill: Literal["mean", "noise"] = "mean"
    """What is put there: the mean pixel (0 after normalisation), or random values."""

    @model_validator(mode="after")
    def _smallest_first(self) -> RandomErasing:
        _require_order("area and ratio", self.area, self.ratio)
        return self


class Augmentation(Value):
    """What training does to each image; each draw is a pure function of (seed, epoch, index)."""

    flip: bool | Literal["alternating"] = False
    """Mirror left and right with probability one half; `alternating`: so in the first epoch, and
    then each image in every other epoch (Jordan 2024)."""
    shift: Pixels = 0
    """Translate by up to this many pixels each way; what comes in is the mean pixel (`zero`)."""
    crop_padding: Pixels = 0
    """Pad each side by this many pixels and crop the original size at a random place."""
    crop_fill: Literal["zero", "reflect"] = "zero"
    """What `crop_padding` pads with: 0 after normalisation, which is the architecture's mean pixel,
    or the image mirrored at its border."""
    resized_crop: RandomResizedCrop | None = None
    """A random part of the image instead of the whole, for photographs."""
    scale_jitter: ScaleJitter | None = None
    """The image at a random scale, and a part of it, for photographs."""
    rotation: Annotated[float, Field(ge=0, le=180)] = 0.0
    """Turn by up to this many degrees each way; the border's pixels are repeated outward."""
    translation: Fraction = 0.0
    """Translate by up to this share of the side each way; the border's pixels are repeated."""
    randaugment: RandAugment | None = None
    """Operations of one strength, drawn per image."""
    trivial_augment: bool = False
    """One operation of a random strength (TrivialAugmentWide, Mueller 2021)."""
    jitter: ColorJitter | None = None
    """Brightness, contrast, saturation and hue."""
    lighting: NotNegative = 0.0
    """Standard deviation of colour noise along the principal axes of ImageNet's colours; AlexNet's
    is 0.1 (Krizhevsky 2012)."""
    cutout: Pixels = 0
    """Side of a square that is set to the mean pixel at a random place (DeVries 2017)."""
    erasing: RandomErasing | None = None
    """A random rectangle that is erased."""
    mixup: NotNegative = 0.0
    """Blend two images and their labels in a proportion drawn from Beta(x, x); 0: do not."""
    cutmix: NotNegative = 0.0
    """Put a rectangle of one image into another; its share of the area, which the labels share too,
    is drawn from Beta(x, x). 0: do not."""
    cutmix_share: Share = 0.5
    """Share of the pairs of images that get cutmix, where there is mixup too."""
    repeats: PositiveInt = 1
    """How often an image occurs in a batch, each time augmented anew; an epoch has as many steps as
    before, and sees fewer images (Berman 2019)."""

    @property
    def mixes(self) -> bool:
        """Whether images are mixed, so that labels become shares of classes."""
        return self.mixup > 0 or self.cutmix > 0

    @model_validator(mode="after")
    def _one_of_a_kind(self) -> Augmentation:
        if self.resized_crop is not None and self.scale_jitter is not None:
            raise PydanticCustomError(
                "two_crops", "either resized_crop or scale_jitter, an image has one scale"
            )
        if self.randaugment is not None and self.trivial_augment:
            raise PydanticCustomError("two_policies", "either randaugment or trivial_augment")
        return self


def _require_order(what: str, *ranges: tuple[float, float]) -> None:
    if any(low > high for low, high in ranges):
        raise PydanticCustomError("range_order", f"{what} should be [smallest, largest]")
