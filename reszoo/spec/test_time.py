"""How is an image looked at when a trained network judges it? The `test_time` of a recipe."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import PydanticCustomError

from reszoo.spec.augmentation import Pixels
from reszoo.spec.base import Value

PRESETS: dict[str, dict[str, Any]] = {
    "1": {},
    "flip": {"flip": True},
    "5": {"crops": 5},
    "10": {"crops": 5, "flip": True},
    "airbench": {"flip": True, "shift": 1, "average": "logits"},
}
"""Short names: one look; with its mirror image; the crops of Krizhevsky 2012, as they are and
mirrored (He 2015's 10-crop testing); the six views of airbench."""


class Views(Value):
    """The views of one image whose answers are averaged: each crop, shifted each way, as it is and
    mirrored.
    """

    flip: bool = False
    """The mirror image, too."""
    crops: Literal[1, 5] = 1
    """5: the corners of the resized image and its centre, where `input.crop` leaves a margin."""
    shift: Pixels = 0
    """Shifted by so many pixels to the upper left and to the lower right, too, the border
    mirrored; what is not shifted weighs as much as both (airbench)."""
    average: Literal["probabilities", "logits"] = "probabilities"
    """Whether the mean is that of the softmax (Krizhevsky, He) or of what goes into it
    (airbench)."""

    @model_validator(mode="before")
    @classmethod
    def _expand(cls, data: Any) -> Any:
        if not isinstance(data, (str, int)):
            return data
        if str(data) not in PRESETS:
            words = ", ".join(PRESETS)
            raise PydanticCustomError("views", "{words} or a mapping", {"words": words})
        return PRESETS[str(data)]

    @classmethod
    def __get_pydantic_json_schema__(cls, core: Any, handler: Any) -> JsonSchemaValue:
        numbers = [int(word) for word in PRESETS if word.isdigit()]
        return {"anyOf": [{"enum": [*PRESETS, *numbers]}, handler(core)]}

    @property
    def count(self) -> int:
        """How many views there are."""
        return self.crops * (1 + self.flip) * (3 if self.shift else 1)

    @property
    def text(self) -> str:
        """In words, such as `10 views (5 crops, mirrored; mean of the probabilities)`."""
        if self.count == 1:
            return "1 view"
        kinds = [
            "5 crops" if self.crops == 5 else "",
            f"shifted by {self.shift}" if self.shift else "",
            "mirrored" if self.flip else "",
        ]
        return f"{self.count} views ({', '.join(filter(None, kinds))}; mean of the {self.average})"

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {"count": self.count, **self.model_dump()}


ONE_VIEW = Views()
