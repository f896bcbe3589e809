"""What training does to images: the `augmentation` of a recipe."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from reszoo.spec.value import Positive, Probability, Value

Pixels = Annotated[int, Field(ge=0)]


class ResizedCrop(Value):
    """A random part of the image, resized to the training size (Szegedy 2014)."""

    area: tuple[Probability, Probability] = Field(default=(0.08, 1.0), strict=False)
    """Smallest and largest share of the image's area."""
    ratio: tuple[Positive, Positive] = Field(default=(3 / 4, 4 / 3), strict=False)
    """Smallest and largest width / height, drawn evenly in the logarithm."""

    @model_validator(mode="after")
    def _smallest_first(self) -> ResizedCrop:
        if self.area[0] > self.area[1] or self.ratio[0] > self.ratio[1]:
            raise PydanticCustomError("range_order", "area and ratio should be [smallest, largest]")
        return self


class Augmentation(Value):
    """What training does to each image; each draw is a pure function of (seed, epoch, index)."""

    flip: bool = False
    """Mirror left and right with probability one half."""
    shift: Pixels = 0
    """Translate by up to this many pixels each way; what comes in is the mean pixel (`zero`)."""
    crop_padding: Pixels = 0
    """Pad each side by this many pixels and crop the original size at a random place."""
    crop_fill: Literal["zero", "reflect"] = "zero"
    """What `crop_padding` pads with: 0 after normalisation, which is the architecture's mean pixel,
    or the image mirrored at its border."""
    resized_crop: ResizedCrop | None = None
    """A random part of the image instead of the whole, for photographs."""
    cutout: Pixels = 0
    """Side of a square that is set to the mean pixel at a random place (DeVries 2017)."""
