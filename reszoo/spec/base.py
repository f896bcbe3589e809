"""Base classes of spec values: frozen, strict pydantic models without unknown fields."""

from __future__ import annotations

import re
from typing import Annotated, Any, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PrivateAttr,
    WithJsonSchema,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import PydanticCustomError

from reszoo.errors import Place
from reszoo.spec.field_docs import field_docs

KeyPath = tuple[str | int, ...]
"""Path of a value inside a document: `("stages", 2, "width")` for `stages[2].width`."""

SET_PREFIX = "--set "
"""Prefix of the place of a value from the command line."""

Item = TypeVar("Item")
Tuple = Annotated[tuple[Item, ...], Field(strict=False)]
"""A YAML list; tuples keep the values frozen and hashable."""

PositiveInt = Annotated[int, Field(ge=1, le=(1 << 31) - 1)]
"""A count or a size; TensorFlow's sizes end at 2^31 - 1."""
Positive = Annotated[float, Field(gt=0.0)]
Fraction = Annotated[float, Field(ge=0.0, lt=1.0)]
Probability = Annotated[float, Field(gt=0.0, le=1.0)]

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*(?<!\.)")
_MOST_NAME_CHARACTERS = 100
_DEVICES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)


def _check_name(name: str) -> str:
    if len(name) > _MOST_NAME_CHARACTERS or not _NAME.fullmatch(name) or _DEVICES.fullmatch(name):
        word = re.sub(r"[^A-Za-z0-9_-]+", "_", name).strip("_-")[:_MOST_NAME_CHARACTERS]
        word = f"my_{word}".rstrip("_") if not word or _DEVICES.fullmatch(word) else word
        raise PydanticCustomError(
            "name",
            "a letter or digit and then letters (a to z), digits, _ - and inner dots, at most "
            f"{_MOST_NAME_CHARACTERS}, and no device of Windows such as CON",
            {"line": word},
        )
    return name


Name = Annotated[str, AfterValidator(_check_name)]
"""Name of a document, which also names folders, files and graphs."""

_QUOTIENT = re.compile(r"\s*(\d+(?:\.\d+)?)\s*/\s*(\d+(?:\.\d+)?)\s*")


def _parse_quotient(value: Any) -> Any:
    match = _QUOTIENT.fullmatch(value) if isinstance(value, str) else None
    return float(match[1]) / float(match[2]) if match and float(match[2]) else value


ShareOfTraining = Annotated[
    float,
    Field(ge=0.0, lt=1.0),
    BeforeValidator(_parse_quotient),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "number", "minimum": 0.0, "exclusiveMaximum": 1.0},
                {"type": "string", "pattern": f"^{_QUOTIENT.pattern}$"},
            ]
        }
    ),
]
"""A point in the training from 0 to 1, also written as in papers: `30/90` for epoch 30 of 90."""


class Value(BaseModel):
    """A frozen value read from YAML, without type coercion of strings or booleans."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    @classmethod
    def __get_pydantic_json_schema__(cls, core: Any, handler: Any) -> JsonSchemaValue:
        mapping: JsonSchemaValue = handler(core)
        properties = handler.resolve_ref_schema(mapping).get("properties", {})
        docs = field_docs(cls)
        for name in properties.keys() & docs.keys():
            properties[name]["description"] = docs[name]
        return mapping


class Abbreviated(Value):
    """A value whose mapping may be abbreviated to the number of its first field."""

    @model_validator(mode="before")
    @classmethod
    def _expand(cls, data: Any) -> Any:
        return {cls._first_field(): data} if isinstance(data, int | float) else data

    @classmethod
    def __get_pydantic_json_schema__(cls, core: Any, handler: Any) -> JsonSchemaValue:
        mapping = super().__get_pydantic_json_schema__(core, handler)
        number = handler.resolve_ref_schema(mapping)["properties"][cls._first_field()]
        return {"anyOf": [number, mapping]}

    @classmethod
    def _first_field(cls) -> str:
        return next(iter(cls.model_fields))


class Kinded(Value):
    """A value whose mapping may be abbreviated to its kind: `pool: max` is `pool: {kind: max}`."""

    @model_validator(mode="before")
    @classmethod
    def _expand(cls, data: Any) -> Any:
        return {"kind": data} if isinstance(data, str) else data

    @classmethod
    def __get_pydantic_json_schema__(cls, core: Any, handler: Any) -> JsonSchemaValue:
        mapping = super().__get_pydantic_json_schema__(core, handler)
        kind = handler.resolve_ref_schema(mapping)["properties"]["kind"]
        short = {key: kind[key] for key in ("type", "enum", "const", "anyOf") if key in kind}
        return {"anyOf": [short, mapping]}


class Document(Value):
    """The value of a whole file, with the place in which each field was written."""

    _places: dict[KeyPath, Place] = PrivateAttr(default_factory=dict)

    def __eq__(self, other: object) -> bool:
        # Pydantic would compare the places too, but two files may say the same.
        return type(self) is type(other) and self.__dict__ == other.__dict__

    def where(self, *path: str | int) -> Place | str | None:
        """Place of a field for error messages: file, line and column, or its path.

        A default, which was never written, has the place of the nearest enclosing mapping.
        """
        for length in range(len(path), -1, -1):
            if place := self._places.get(tuple(path[:length])):
                return place
        return format_path(path) if path else None

    def is_overridden(self, *path: str | int) -> bool:
        """Whether the value of this field comes from `--set`."""
        place = self._places.get(path)
        return place is not None and place.file.startswith(SET_PREFIX)


def format_path(path: KeyPath) -> str:
    """Formats a path as in `--set`.

    Examples:
      >>> format_path(("stages", 2, "width"))
      'stages[2].width'
    """
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text
