"""Dimensions of a space: the paths of a search with the choices of each."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeGuard

from reszoo.errors import Place, UserError
from reszoo.spec.base import KeyPath, Value, format_path
from reszoo.spec.search import Search
from reszoo.spec.search_space import (
    DEFAULT_LOG_VALUES,
    EACH,
    RECIPE,
    Choices,
    Pattern,
    parse_patterns,
)
from reszoo.tuning.searched_paths import canonical_json, expand, same, value_in

DESCRIPTIVE = ("title", "source", "published", "weights")
"""Fields of a spec that do not change its network."""

_NOT_SEARCHED: Mapping[Pattern, str] = {
    ("name",): "candidates are named after their search and number",
    ("classes",): "the number of classes comes from the data",
    **{(field,): "it says nothing about the network" for field in DESCRIPTIVE},
    (RECIPE, "epochs"): "the epochs of a candidate are those of `strategy`",
    (RECIPE, "validation"): "candidates are compared on the same held-out images",
    (RECIPE, "name"): "recipes are named after their search and candidate",
    **{
        (RECIPE, field): "it says nothing about the training"
        for field in ("title", "source", "published")
    },
}
"""Why a field is not searched, by the first parts of its path."""


@dataclass(frozen=True, slots=True)
class Choice:
    """One value of a dimension."""

    label: Any
    """The value as shown to a person, or a list with one for each stage."""
    values: tuple[tuple[KeyPath, Any], ...]
    """The path and value of each field that this choice sets."""
    place: Place | str | None = None
    """Place of the value in the search."""


@dataclass(frozen=True, slots=True)
class Dimension:
    """Fields chosen together: one field, or one field of all stages."""

    name: str
    """The path: `stages[*].depth`, `stages[0].depth`, `block.connection`."""
    key: str
    """The key in the search's space: `stages[each].depth`."""
    choices: tuple[Choice, ...]
    rising: bool = False
    """Whether its value is not below that of the dimension before it with the same key."""

    @property
    def labels(self) -> list[Any]:
        """Every value, as shown to a person."""
        return [choice.label for choice in self.choices]

    @property
    def of_recipe(self) -> bool:
        """Whether the fields are those of the recipe."""
        return self.choices[0].values[0][0][0] == RECIPE


def build_dimensions(search: Search, roots: Mapping[str, Value]) -> tuple[Dimension, ...]:
    """Returns the dimensions of a search, with `roots` as in `expand`.

    Checks that each path is in the base or the recipe, that no two paths set the same field, and
    that values under `order` are numbers; errors have the line and column in the search.
    """
    dimensions = tuple(
        dimension
        for text, choices in search.space.items()
        for dimension in _dimensions(search, roots, text, choices)
    )
    _check_paths_differ(search, dimensions)
    return dimensions


def _dimensions(
    search: Search, roots: Mapping[str, Value], text: str, choices: Choices
) -> Iterator[Dimension]:
    where = search.where("space", text)
    patterns = parse_patterns(text)
    for pattern in patterns:
        reasons = (_NOT_SEARCHED.get(pattern[:length]) for length in (1, 2))
        if reason := next(filter(None, reasons), None):
            raise UserError(
                f"'{text}' cannot be searched: {reason}", where=where, hint="remove it from `space`"
            )
    paths = [path for pattern in patterns for path in expand(roots, pattern, text, where)]
    separate = EACH in patterns[0]  # the only pattern, then
    groups = [[path] for path in paths] if separate else [paths]
    for group in groups:
        name = format_path(group[0]) if separate else text
        values = tuple(_choices(search, roots, text, choices, group))
        dimension = Dimension(name, text, values, rising=choices.order == "rising")
        if dimension.rising:
            _check_numbers(dimension)
        yield dimension


def _choices(
    search: Search,
    roots: Mapping[str, Value],
    text: str,
    choices: Choices,
    paths: list[KeyPath],
) -> list[Choice]:
    """Returns a choice for each value; factors that round to equal widths give one choice."""
    if choices.choices is not None:
        field, rows = "choices", [_spread(value, paths) for value in choices.choices]
    elif choices.multiply is not None:
        field = "multiply"
        widths = [_whole_number(search, roots, text, path) for path in paths]
        rows = [
            [max(1, math.floor(number * factor + 0.5)) for number in widths]
            for factor in choices.multiply
        ]
    elif choices.log is not None:
        whole = all(_is_whole(value_in(roots, path)) for path in paths)
        least, most = choices.log
        field, numbers = "log", log_values(least, most, choices.values or DEFAULT_LOG_VALUES, whole)
        rows = [[number] * len(paths) for number in numbers]
    else:
        assert choices.min is not None and choices.max is not None
        values = range(choices.min, choices.max + 1, choices.step or 1)
        field, rows = "max", [[value] * len(paths) for value in values]
    different: dict[str, Choice] = {}
    for index, row in enumerate(rows):
        listed = (index,) if field in ("choices", "multiply") else ()
        place = search.where("space", text, field, *listed)
        label = row[0] if all(same(value, row[0]) for value in row) else row
        choice = Choice(label, tuple(zip(paths, row, strict=True)), place)
        different.setdefault(canonical_json(row), choice)
    return list(different.values())


def log_values(least: float, most: float, count: int, whole: bool) -> list[int | float]:
    """Returns numbers of equal ratio from the least to the most.

    Those between are rounded to four digits, so that they read well and are the same on every
    machine; all are rounded to whole numbers if `whole`.

    Examples:
      >>> log_values(0.1, 0.4, 3, whole=False)
      [0.1, 0.2, 0.4]
    """
    ratio = most / least
    between = [float(f"{least * ratio ** (i / (count - 1)):.4g}") for i in range(1, count - 1)]
    values = [least, *between, most]
    return [max(1, round(value)) for value in values] if whole else values


def _spread(value: Any, paths: list[KeyPath]) -> list[Any]:
    """Spreads a list over as many fields as it has values; any other value is shared by all."""
    if len(paths) > 1 and isinstance(value, list | tuple) and len(value) == len(paths):
        return list(value)
    return [value] * len(paths)


def _is_whole(value: Any) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)


def _whole_number(search: Search, roots: Mapping[str, Value], text: str, path: KeyPath) -> int:
    value = value_in(roots, path)
    if _is_whole(value):
        return value
    raise UserError(
        f"'{text}' cannot be multiplied",
        where=search.where("space", text, "multiply"),
        expected=f"a whole number at {format_path(path)} of the base",
        found=f"{value!r}",
        hint="give its values with choices: [...]",
    )


def _check_numbers(dimension: Dimension) -> None:
    for choice in dimension.choices:
        if isinstance(choice.label, bool) or not isinstance(choice.label, int | float):
            raise UserError(
                f"'{dimension.key}' cannot be ordered",
                where=choice.place,
                expected="numbers",
                found=f"{choice.label!r}",
                hint="remove `order`",
            )


def _check_paths_differ(search: Search, dimensions: tuple[Dimension, ...]) -> None:
    for left, right in itertools.combinations(dimensions, 2):
        for (first, _), (second, _) in itertools.product(
            left.choices[0].values, right.choices[0].values
        ):
            short, long = sorted((first, second), key=len)
            if long[: len(short)] == short:
                raise UserError(
                    f"'{left.key}' and '{right.key}' both set {format_path(long)}",
                    where=search.where("space", right.key),
                    hint="search each field once",
                )
