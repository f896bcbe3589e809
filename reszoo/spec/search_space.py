"""The space of a search: paths into a spec or recipe, and the values of each."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from reszoo.spec.base import Positive, PositiveInt, Tuple, Value

SHARED, EACH = "*", "each"
Pattern = tuple[str | int, ...]
"""A path into a spec; `*` and `each` match every item of a list."""

RECIPE = "recipe"
"""First part of the paths into the recipe: `recipe.schedule.peak`."""

DEFAULT_LOG_VALUES = 5

_PATH = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*|\[(\d+|\*|each)\])*")
_PART = re.compile(r"([A-Za-z_]\w*)|\[(\d+|\*|each)\]")
_MOST_VALUES = 1000


def parse_patterns(text: str) -> tuple[Pattern, ...]:
    """Parses `"stages[*].depth"` as `(("stages", "*", "depth"),)`; commas join coupled fields.

    Raises:
      ValueError: the text is not a path.
    """
    patterns = []
    for path in text.split(","):
        if not _PATH.fullmatch(path.strip()):
            raise ValueError(text)
        keys = (name or index for name, index in _PART.findall(path))
        patterns.append(tuple(int(key) if key.isdigit() else key for key in keys))
    return tuple(patterns)


def _check_patterns(text: str) -> str:
    try:
        patterns = parse_patterns(text)
    except ValueError:
        raise PydanticCustomError(
            "search_path",
            "Input should be a path into a spec, such as stages[*].depth or block.connection",
            {"hint": "write the keys joined by dots, and numbers in brackets: stages[0].depth"},
        ) from None
    if any(sum(part in (SHARED, EACH) for part in pattern) > 1 for pattern in patterns):
        raise PydanticCustomError(
            "search_wildcards",
            "a path with one [*] or [each]",
            {"hint": "write numbers in place of the other brackets"},
        )
    if len(patterns) > 1 and any(EACH in pattern for pattern in patterns):
        raise PydanticCustomError(
            "search_each",
            "[each] in a path of its own",
            {"hint": "write [*] in place of [each], or a line for each path"},
        )
    if len({pattern[0] == RECIPE for pattern in patterns}) > 1:
        raise PydanticCustomError(
            "search_coupled_recipe",
            "paths that are all in the recipe, or all in the spec",
            {"hint": "write a line for each path"},
        )
    return text


SearchPath = Annotated[str, AfterValidator(_check_patterns)]
"""A key of the space: a path, or several joined by commas."""


class Choices(Value):
    """Values of one field: a list, a range, steps of equal ratio, or multiples of the base's."""

    choices: Annotated[Tuple[Any], Field(min_length=1)] | None = None
    """Values as a spec writes them. If a choice sets several fields (`[*]`), a list with one entry
    per field gives each its own value."""
    min: int | None = None
    """Smallest value of the range."""
    max: int | None = None
    """Largest value of the range, inclusive."""
    step: PositiveInt | None = None
    """Step of the range. Defaults to 1."""
    multiply: Annotated[Tuple[Positive], Field(min_length=1)] | None = None
    """Factors of the base spec's integers, rounded; stages keep their proportions."""
    log: Annotated[Tuple[Positive], Field(min_length=2, max_length=2)] | None = None
    """Smallest and largest value; those between have equal ratios, and are rounded to four digits,
    or to whole numbers where the base has one."""
    values: Annotated[int, Field(ge=2, le=_MOST_VALUES)] | None = None
    """`log`: number of values, both ends included. Defaults to 5."""
    order: Literal["rising"] | None = None
    """`[each]`: `rising` keeps only candidates whose values never fall from stage to stage."""

    @model_validator(mode="after")
    def _check_kind(self) -> Choices:
        has_range = (self.min, self.max, self.step) != (None, None, None)
        kinds = (self.choices is not None, self.multiply is not None, self.log is not None)
        if sum((*kinds, has_range)) != 1:
            raise PydanticCustomError(
                "search_choices",
                "Input should be one of: choices: [...], min: and max:, log: [...], or "
                "multiply: [...]",
                {
                    "hint": "keep one of them, and remove the others"
                    if self.model_fields_set - {"values", "order"}
                    else "write `{choices: [VALUE, VALUE]}`"
                },
            )
        self._check_log()
        if has_range:
            self._check_range()
        return self

    def _check_log(self) -> None:
        if self.log is None and self.values is not None:
            raise PydanticCustomError(
                "search_values",
                "no values, which belong to log: [...]",
                {"hint": "remove `values`, or write `log: [LEAST, MOST]`"},
            )
        if self.log is not None and self.log[0] >= self.log[1]:
            raise PydanticCustomError(
                "search_log_order",
                "a first value of log below the second",
                {"hint": f"write `log: [{self.log[1]:g}, {self.log[0]:g}]`"}
                if self.log[0] > self.log[1]
                else {"hint": f"write `choices: [{self.log[0]:g}]`"},
            )

    def _check_range(self) -> None:
        if self.min is None or self.max is None:
            raise PydanticCustomError(
                "search_range",
                "a range with both min and max",
                {"hint": f"add `{'min' if self.min is None else 'max'}:`"},
            )
        if self.min > self.max:
            raise PydanticCustomError(
                "search_range_order",
                "a min that is not above max",
                {"hint": f"write `min: {self.max}` and `max: {self.min}`"},
            )
        if (self.max - self.min) // (self.step or 1) >= _MOST_VALUES:
            raise PydanticCustomError(
                "search_range_size",
                "a range of at most 1000 values",
                {"hint": f"write `step: {(self.max - self.min) // _MOST_VALUES + 1}` beside them"},
            )
