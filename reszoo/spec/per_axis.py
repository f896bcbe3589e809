"""Sizes per axis: one number for height and width, or `[height, width]`.

Equal numbers are stored as one, so that `[3, 3]` and `3` are the same spec.
"""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import PlainValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

_MOST = (1 << 31) - 1
"""The largest size that TensorFlow takes."""
_INTEGER = {"type": "integer", "minimum": 1, "maximum": _MOST}
_TEXT = re.compile(r"\s*(\d+)\s*[x,*]\s*(\d+)\s*")


def _validate(value: Any) -> Sides:
    sides = value if isinstance(value, list | tuple) else (value, value)
    if len(sides) == 2 and all(map(_is_size, sides)):
        return merged(sides[0], sides[1])
    context = {} if (meant := _meant(value)) is None else {"line": meant}
    raise PydanticCustomError(
        "per_axis",
        "a whole number from 1, or two as [height, width]",
        {"hint": "write one number such as 3, or two such as [1, 9]", **context},
    )


def _is_size(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= _MOST


def _meant(value: Any) -> int | list[int] | None:
    """Returns what `1x9`, `[3]`, `3.0`, `9` in quotes and a size of 0 stand for."""
    match value:
        case str() if match := _TEXT.fullmatch(value):
            return _meant([int(match[1]), int(match[2])])
        case str() if value.strip().isdecimal():
            return _meant(int(value))
        case [single]:
            return _meant(single)
        case [int() as height, int() as width] if bool not in map(type, value):
            sides = merged(_limited(height), _limited(width))
            return sides if isinstance(sides, int) else list(sides)
        case float() if value.is_integer():
            return _meant(int(value))
        case int() if not isinstance(value, bool):
            return _limited(value)
    return None


def _limited(size: int) -> int:
    return min(max(size, 1), _MOST)


Sides = int | tuple[int, int]
"""One number for both axes, or (height, width)."""
PerAxis = Annotated[
    Sides,
    PlainValidator(_validate),
    WithJsonSchema(
        {
            "anyOf": [
                _INTEGER,
                {
                    "type": "array",
                    "prefixItems": [_INTEGER, _INTEGER],
                    "minItems": 2,
                    "maxItems": 2,
                },
            ]
        }
    ),
]
"""Side of a window or a stride in pixels: one number, or (height, width) where they differ."""


def merged(height: int, width: int) -> Sides:
    """Returns two sizes as one number if they are equal."""
    return height if height == width else (height, width)


def axes(size: Sides) -> tuple[int, int]:
    """Returns a size as (height, width).

    Examples:
      >>> axes(3), axes((1, 9))
      ((3, 3), (1, 9))
    """
    return (size, size) if isinstance(size, int) else (size[0], size[1])


def times(size: Sides) -> str:
    """Returns a size in words, such as `3x3` or `1x9`."""
    return "x".join(map(str, axes(size)))


def short(size: Sides) -> str:
    """Returns a stride in words: `2`, or `1x2` where its axes differ."""
    return times(size) if isinstance(size, tuple) else str(size)
