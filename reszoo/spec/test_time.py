"""Test-time augmentation (TTA): the `test_time` of a recipe."""

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
"""Short names: one view; with horizontal flip; the five crops of Krizhevsky 2012, and with flips
(10-crop testing of He 2015); the six views of airbench."""


class Views(Value):
    """Views of an image whose predictions are averaged: crops, shifts and flips, combined."""

    flip: bool = False
    """Whether to add horizontally flipped views."""
    crops: Literal[1, 5] = 1
    """5: the corners and the centre of the resized image, if `input.crop` leaves a margin."""
    shift: Pixels = 0
    """Pixels of two additional shifted views, to the upper left and the lower right, with mirrored
    borders; the unshifted view weighs as much as both (airbench)."""
    average: Literal["probabilities", "logits"] = "probabilities"
    """Average of the softmax (Krizhevsky, He) or of the logits (airbench)."""

    @model_validator(mode="before")
    @classmethod
    def _expand(cls, data: Any) -> Any:
        if not isinstance(data, (str, int)):
            return data
        if str(data) not in PRESETS:
            words = ", ".join(PRESETS)
            raise PydanticCustomError(
                "views", "{words} or a mapping", {"words": words, "line": "flip"}
            )
        return PRESETS[str(data)]

    @classmethod
    def __get_pydantic_json_schema__(cls, core: Any, handler: Any) -> JsonSchemaValue:
        numbers = [int(word) for word in PRESETS if word.isdigit()]
        mapping = super().__get_pydantic_json_schema__(core, handler)
        return {"anyOf": [{"enum": [*PRESETS, *numbers]}, mapping]}

    @property
    def count(self) -> int:
        """Number of views."""
        return self.crops * (1 + self.flip) * (3 if self.shift else 1)

    @property
    def text(self) -> str:
        """Description such as `10 views (5 crops, mirrored; mean of the probabilities)`."""
        if self.count == 1:
            return "1 view"
        kinds = [
            "5 crops" if self.crops == 5 else "",
            f"shifted by {self.shift}" if self.shift else "",
            "mirrored" if self.flip else "",
        ]
        return f"{self.count} views ({', '.join(filter(None, kinds))}; mean of the {self.average})"

    def to_dict(self) -> dict[str, Any]:
        """The views as JSON values."""
        return {"count": self.count, **self.model_dump()}


ONE_VIEW = Views()
