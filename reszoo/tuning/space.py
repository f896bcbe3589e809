"""The space of a search: its paths and choices, as candidates derived from a base spec."""

from __future__ import annotations

import copy
import itertools
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from reszoo import spec
from reszoo.errors import Place, UserError, did_you_mean
from reszoo.spec.architecture import Architecture
from reszoo.spec.base import KeyPath, Value, format_path
from reszoo.spec.search import Search
from reszoo.spec.search_space import EACH, SHARED, Choices, Pattern, parse_patterns

Candidate = tuple[int, ...]
"""A network of the space: the index of the choice in each dimension."""

DESCRIPTIVE = ("title", "source", "published", "weights")
"""Fields of a spec that do not change its network."""

_NOT_SEARCHED = {
    "name": "candidates are named after their search and number",
    "classes": "the number of classes comes from the data",
    **dict.fromkeys(DESCRIPTIVE, "it says nothing about the network"),
}


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

    @property
    def labels(self) -> list[Any]:
        """Every value, as shown to a person."""
        return [choice.label for choice in self.choices]


@dataclass(frozen=True)
class Space:
    """All candidates of a search, as plain values."""

    base: Architecture
    dimensions: tuple[Dimension, ...]

    @cached_property
    def size(self) -> int:
        """Number of candidates, infeasible ones included."""
        return math.prod(len(dimension.choices) for dimension in self.dimensions)

    def candidate(self, number: int) -> Candidate:
        """Returns the candidate of a number from 0 to `size` - 1."""
        indices = []
        for dimension in reversed(self.dimensions):
            number, index = divmod(number, len(dimension.choices))
            indices.append(index)
        return tuple(reversed(indices))

    def changes(self, candidate: Candidate) -> dict[str, Any]:
        """Returns what a candidate sets, as shown to a person: `{"stages[*].depth": 2}`."""
        return {
            dimension.name: dimension.choices[index].label
            for dimension, index in zip(self.dimensions, candidate, strict=True)
        }

    def spec(self, candidate: Candidate) -> Architecture:
        """Returns the network of a candidate; raises UserError if its choices do not match."""
        chosen = zip(self.dimensions, candidate, strict=True)
        return self.with_choices([dimension.choices[index] for dimension, index in chosen])

    def with_choices(self, choices: Sequence[Choice]) -> Architecture:
        """Returns the base with only these choices applied."""
        mapping = copy.deepcopy(self._mapping)
        for choice in choices:
            for path, value in choice.values:
                _set(mapping, path, copy.deepcopy(value))
        return spec.from_mapping(mapping)

    @cached_property
    def _mapping(self) -> dict[str, Any]:
        fields = spec.to_mapping(self.base).items()
        return {field: value for field, value in fields if field not in DESCRIPTIVE}


def build_space(search: Search, base: Architecture) -> Space:
    """Builds the space of a search around its base.

    Checks that each path is in the base, that each value is valid there, and that no two paths set
    the same field; errors have the line and column in the search.
    """
    dimensions = [
        dimension
        for text, choices in search.space.items()
        for dimension in _dimensions(search, base, text, choices)
    ]
    _check_paths_differ(search, dimensions)
    space = Space(base, tuple(dimensions))
    for dimension in dimensions:
        _check_values(space, dimension)
    return space


def same(left: Any, right: Any) -> bool:
    """Returns whether two values have the same JSON; those of `1` and `true` differ."""
    return _canonical_json(left) == _canonical_json(right)


def value_at(value: Any, path: KeyPath) -> Any:
    """Returns the field of a spec at a path, or its default; None below a field that is None."""
    for part in path:
        if value is None:
            return None
        value = value[part] if isinstance(part, int) else getattr(value, part)
    return value


def _dimensions(
    search: Search, base: Architecture, text: str, choices: Choices
) -> Iterator[Dimension]:
    where = search.where("space", text)
    patterns = parse_patterns(text)
    for pattern in patterns:
        if reason := _NOT_SEARCHED.get(str(pattern[0])):
            raise UserError(
                f"'{text}' cannot be searched: {reason}", where=where, hint="remove it from `space`"
            )
    paths = [path for pattern in patterns for path in _expand(base, pattern, text, where)]
    separate = EACH in patterns[0]  # the only pattern, then
    groups = [[path] for path in paths] if separate else [paths]
    for group in groups:
        name = format_path(group[0]) if separate else text
        yield Dimension(name, text, tuple(_choices(search, base, text, choices, group)))


def _expand(
    base: Architecture, pattern: Pattern, text: str, where: Place | str | None
) -> list[KeyPath]:
    """Returns the paths that a pattern stands for, each checked to be in the base."""
    reached: list[tuple[KeyPath, Any]] = [((), base)]
    for part in pattern:
        reached = [
            step for path, value in reached for step in _step(path, value, part, text, where)
        ]
    return [path for path, _ in reached]


def _step(
    path: KeyPath, value: Any, part: str | int, text: str, where: Place | str | None
) -> list[tuple[KeyPath, Any]]:
    if part in (SHARED, EACH) or isinstance(part, int):
        if not isinstance(value, tuple):
            raise UserError(
                f"'{text}' is not a path in the base: {format_path(path)} is not a list",
                where=where,
                hint=f"write {format_path(path)} without brackets",
            )
        if isinstance(part, int) and part >= len(value):
            raise UserError(
                f"'{text}' is not a path in the base",
                where=where,
                expected=f"{format_path(path)}[0] to {format_path(path)}[{len(value) - 1}]",
                found=f"{format_path(path)}[{part}]",
                hint=f"write {format_path(path)}[{len(value) - 1}] or {format_path(path)}[*]",
            )
        indices = [part] if isinstance(part, int) else range(len(value))
        return [((*path, index), value[index]) for index in indices]
    if value is None:
        # The base leaves this mapping to its default; its fields are checked by value.
        return [((*path, part), None)]
    fields = list(type(value).model_fields) if isinstance(value, Value) else []
    if part not in fields:
        raise UserError(
            f"'{text}' is not a path in the base",
            where=where,
            expected=f"a field of {format_path(path) or 'a spec'}: {', '.join(fields)}"
            if fields
            else f"{format_path(path)} holds {value!r} and no fields",
            found=str(part),
            hint=did_you_mean(str(part), fields) or f"remove '{text}' from `space`",
        )
    return [((*path, part), getattr(value, part))]


def _choices(
    search: Search, base: Architecture, text: str, choices: Choices, paths: list[KeyPath]
) -> list[Choice]:
    """Returns a choice for each value; factors that round to equal widths give one choice."""
    if choices.choices is not None:
        field, rows = "choices", [_spread(value, paths) for value in choices.choices]
    elif choices.multiply is not None:
        field = "multiply"
        numbers = [_whole_number(search, base, text, path) for path in paths]
        rows = [
            [max(1, math.floor(number * factor + 0.5)) for number in numbers]
            for factor in choices.multiply
        ]
    else:
        assert choices.min is not None and choices.max is not None
        values = range(choices.min, choices.max + 1, choices.step or 1)
        field, rows = "max", [[value] * len(paths) for value in values]
    different: dict[str, Choice] = {}
    for index, row in enumerate(rows):
        listed = (index,) if field != "max" else ()
        place = search.where("space", text, field, *listed)
        label = row[0] if all(same(value, row[0]) for value in row) else row
        choice = Choice(label, tuple(zip(paths, row, strict=True)), place)
        different.setdefault(_canonical_json(row), choice)
    return list(different.values())


def _spread(value: Any, paths: list[KeyPath]) -> list[Any]:
    """Spreads a list over as many fields as it has values; any other value is shared by all."""
    if len(paths) > 1 and isinstance(value, list | tuple) and len(value) == len(paths):
        return list(value)
    return [value] * len(paths)


def _whole_number(search: Search, base: Architecture, text: str, path: KeyPath) -> int:
    value = value_at(base, path)
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise UserError(
        f"'{text}' cannot be multiplied",
        where=search.where("space", text, "multiply"),
        expected=f"a whole number at {format_path(path)} of the base",
        found=f"{value!r}",
        hint="give its values with choices: [...]",
    )


def _check_paths_differ(search: Search, dimensions: list[Dimension]) -> None:
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


def _check_values(space: Space, dimension: Dimension) -> None:
    for choice in dimension.choices:
        try:
            space.with_choices([choice])
        except UserError as error:
            what = f"{dimension.name} cannot be {choice.label!r}: {error.what}"
            raise error.changed(what=what, where=choice.place) from None


def _set(mapping: dict[str, Any], path: KeyPath, value: Any) -> None:
    """Sets a field of a spec's mapping, creating the mappings before it where they are missing."""
    here: Any = mapping
    for part in path[:-1]:
        inner = here[part] if isinstance(part, int) else here.get(part)
        if not isinstance(inner, dict | list):
            # A plain string is short for its kind: `shortcut: projection`.
            inner = {} if inner is None else {"kind": inner}
            here[part] = inner
        here = inner
    here[path[-1]] = value


def _canonical_json(value: Any) -> str:
    return json.dumps(plain(value), sort_keys=True)


def plain(value: Any) -> Any:
    """Returns a value as dicts, lists and scalars, ready for JSON."""
    if isinstance(value, Value):
        return value.model_dump(mode="json")
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value
