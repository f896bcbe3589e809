"""The `augmentation` of a recipe: transformations of the training images.

Order: crop (`resized_crop` or `scale_jitter`), moves (padded crop, shift, flip), rotation, colours
(`randaugment` or `trivial_augment`, `jitter`, `lighting`), `cutout`, `erasing`, and last mixup and
cutmix.
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
    """A crop of random area and aspect ratio, resized to the training size (Szegedy 2014)."""

    area: tuple[Probability, Probability] = Field(default=(0.08, 1.0), strict=False)
    """Smallest and largest fraction of the image's area."""
    ratio: tuple[Positive, Positive] = Field(default=(3 / 4, 4 / 3), strict=False)
    """Smallest and largest width / height, drawn log-uniformly."""

    @model_validator(mode="after")
    def _check_order(self) -> RandomResizedCrop:
        _check_ranges("area and ratio", self.area, self.ratio)
        return self


class ScaleJitter(Value):
    """A random crop after resizing the shorter side to a random length (Simonyan 2014, He 2015)."""

    shorter_side: tuple[PositiveInt, PositiveInt] = Field(default=(256, 480), strict=False)
    """Smallest and largest length in pixels; at least the training size."""

    @model_validator(mode="after")
    def _check_order(self) -> ScaleJitter:
        _check_ranges("shorter_side", self.shorter_side)
        return self


class ColorJitter(Value):
    """Color jitter in random order, each by a factor in [1 - x, 1 + x] (torchvision)."""

    brightness: NotNegative = 0.0
    """x of the factor of all values."""
    contrast: NotNegative = 0.0
    """x of the factor of the distance to the mean grey."""
    saturation: NotNegative = 0.0
    """x of the factor of the distance to the pixel's own grey."""
    hue: Annotated[float, Field(ge=0, le=0.5)] = 0.0
    """Largest hue shift each way, as a fraction of the colour circle."""


class RandAugment(Value):
    """RandAugment (Cubuk 2019): random operations of one magnitude, as in timm.

    timm's `rand-m7-n2-mstd0.5-inc1` is {layers: 2, magnitude: 7, deviation: 0.5}.
    """

    layers: PositiveInt = 2
    """Number of operations per image, out of fifteen."""
    magnitude: Annotated[float, Field(ge=0, le=10)] = 9.0
    """Magnitude of the operations, from 0 to 10."""
    deviation: NotNegative = 0.0
    """Standard deviation of the magnitude, drawn per operation."""
    probability: Probability = 0.5
    """Probability that an operation is applied."""
    increasing: bool = True
    """Whether every operation is more severe at a higher magnitude. False: as first published,
    where solarize, posterize and the colour factors are not."""


class RandomErasing(Value):
    """Erases a random rectangle of the image (Zhong 2017)."""

    probability: Probability = 0.25
    """Probability that an image is erased."""
    area: tuple[Probability, Probability] = Field(default=(0.02, 0.33), strict=False)
    """Smallest and largest fraction of the image's area."""
    ratio: tuple[Positive, Positive] = Field(default=(0.3, 3.3), strict=False)
    """Smallest and largest width / height, drawn log-uniformly."""
    fill: Literal["mean", "noise"] = "mean"
    """Fill value: the mean pixel (0 after normalisation), or random values."""

    @model_validator(mode="after")
    def _check_order(self) -> RandomErasing:
        _check_ranges("area and ratio", self.area, self.ratio)
        return self


class Augmentation(Value):
    """Augmentation of training images; each draw is a pure function of (seed, epoch, index)."""

    flip: bool | Literal["alternating"] = False
    """Horizontal flip with probability 0.5; `alternating` does so in the first epoch and then flips
    each image in every other epoch (Jordan 2024)."""
    shift: Pixels = 0
    """Largest translation each way in pixels; the border is filled with the mean pixel. An image
    one pixel high moves to the left and right only."""
    crop_padding: Pixels = 0
    """Pixels of padding on each side, before a random crop of the original size."""
    crop_fill: Literal["zero", "reflect"] = "zero"
    """Fill of `crop_padding`: the architecture's mean pixel (0 after normalisation), or the image
    mirrored at its border."""
    resized_crop: RandomResizedCrop | None = None
    """Random resized crop, for photographs."""
    scale_jitter: ScaleJitter | None = None
    """Random scale and crop, for photographs."""
    rotation: Annotated[float, Field(ge=0, le=180)] = 0.0
    """Largest rotation each way in degrees; border pixels are repeated outward."""
    translation: Fraction = 0.0
    """Largest translation each way as a fraction of the side; border pixels are repeated."""
    randaugment: RandAugment | None = None
    """RandAugment: random operations per image."""
    trivial_augment: bool = False
    """One operation of random magnitude (TrivialAugmentWide, Mueller 2021)."""
    jitter: ColorJitter | None = None
    """Color jitter: brightness, contrast, saturation and hue."""
    lighting: NotNegative = 0.0
    """Standard deviation of PCA colour noise along ImageNet's axes; 0.1 in AlexNet."""
    cutout: Pixels = 0
    """Side in pixels of a random square that is set to the mean pixel (DeVries 2017)."""
    erasing: RandomErasing | None = None
    """Random erasing of a rectangle."""
    mixup: NotNegative = 0.0
    """Alpha of mixup, which blends images and labels by Beta(alpha, alpha); 0 disables it."""
    cutmix: NotNegative = 0.0
    """Alpha of cutmix: a rectangle of one image is pasted into another and labels are mixed by its
    area, drawn from Beta(alpha, alpha); 0 disables it."""
    cutmix_share: Share = 0.5
    """Fraction of image pairs that get cutmix rather than mixup if both are on."""
    repeats: PositiveInt = 1
    """Repeated augmentation: copies of each image per batch, each augmented differently. The number
    of steps per epoch stays, so an epoch sees fewer images (Berman 2019)."""

    @property
    def mixes(self) -> bool:
        """Whether mixup or cutmix is on, so that labels become class probabilities."""
        return self.mixup > 0 or self.cutmix > 0

    @model_validator(mode="after")
    def _check_exclusive(self) -> Augmentation:
        if self.resized_crop is not None and self.scale_jitter is not None:
            raise PydanticCustomError(
                "two_crops",
                "either resized_crop or scale_jitter: an image has one scale",
                {"hint": "write `resized_crop: null` or `scale_jitter: null`"},
            )
        if self.randaugment is not None and self.trivial_augment:
            raise PydanticCustomError(
                "two_policies",
                "either randaugment or trivial_augment",
                {"hint": "write `randaugment: null` or `trivial_augment: false`"},
            )
        return self


def _check_ranges(what: str, *ranges: tuple[float, float]) -> None:
    if any(low > high for low, high in ranges):
        hint = "write the smaller number first"
        raise PydanticCustomError(
            "range_order", f"{what} should be [smallest, largest]", {"hint": hint}
        )
