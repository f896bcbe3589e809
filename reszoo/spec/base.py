"""The base of every value a YAML file becomes: frozen, strict, with no unknown fields."""

from __future__ import annotations

import re
from typing import Annotated, Any, TypeVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PrivateAttr,
    WithJsonSchema,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue

from reszoo.errors import Place

KeyPath = tuple[str | int, ...]
"""Where a value stands inside a file: `("stages", 2, "width")` is written `stages[2].width`."""

SET_PREFIX = "--set "
"""How the place of a value starts that came from the command line."""

Item = TypeVar("Item")
Tuple = Annotated[tuple[Item, ...], Field(strict=False)]
"""A YAML list; tuples keep the values frozen and hashable."""

PositiveInt = Annotated[int, Field(ge=1)]
Positive = Annotated[float, Field(gt=0.0)]
Fraction = Annotated[float, Field(ge=0.0, lt=1.0)]
Probability = Annotated[float, Field(gt=0.0, le=1.0)]

_QUOTIENT = re.compile(r"\s*(\d+(?:\.\d+)?)\s*/\s*(\d+(?:\.\d+)?)\s*")


def _divided(value: Any) -> Any:
    found = _QUOTIENT.fullmatch(value) if isinstance(value, str) else None
    return float(found[1]) / float(found[2]) if found and float(found[2]) else value


ShareOfTraining = Annotated[
    float,
    Field(ge=0.0, lt=1.0),
    BeforeValidator(_divided),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "number", "minimum": 0.0, "exclusiveMaximum": 1.0},
                {"type": "string", "pattern": f"^{_QUOTIENT.pattern}$"},
            ]
        }
    ),
]
"""A place in the training, from 0 to 1; may be written as papers do, `30/90` for epoch 30 of 90."""


class Value(BaseModel):
    """A frozen value read from YAML. Numbers are not made of strings, nor booleans of numbers."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        strict=True,
        allow_inf_nan=False,
        use_attribute_docstrings=True,
    )


class Kinded(Value):
    """A value whose mapping may be shortened to its kind: `pool: max` is `pool: {kind: max}`."""

    @model_validator(mode="before")
    @classmethod
    def _expand(cls, data: Any) -> Any:
        return {"kind": data} if isinstance(data, str) else data

    @classmethod
    def __get_pydantic_json_schema__(cls, core: Any, handler: Any) -> JsonSchemaValue:
        mapping = handler(core)
        kind = handler.resolve_ref_schema(mapping)["properties"]["kind"]
        short = {key: kind[key] for key in ("type", "enum", "const", "anyOf") if key in kind}
        return {"anyOf": [short, mapping]}


class Document(Value):
    """A whole file: a value that remembers where each of its fields was written."""

    _places: dict[KeyPath, Place] = PrivateAttr(default_factory=dict)

    def __eq__(self, other: object) -> bool:
        # Pydantic would compare the places too, but two files may say the same.
        return type(self) is type(other) and self.__dict__ == other.__dict__

    def where(self, *path: str | int) -> Place | str | None:
        """The place of a field for an error message: file, line and column, or its written path.

        A field that was never written (a default) has the place of the nearest mapping around it.
        """
        for length in range(len(path), -1, -1):
            if place := self._places.get(tuple(path[:length])):
                return place
        return format_path(path) if path else None

    def is_overridden(self, *path: str | int) -> bool:
        """Whether `--set` gave this very field its value."""
        place = self._places.get(path)
        return place is not None and place.file.startswith(SET_PREFIX)


def format_path(path: KeyPath) -> str:
    """`("stages", 2, "width")` as a person writes it: `stages[2].width`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text
