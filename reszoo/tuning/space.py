"""The space of a search: its dimensions, as candidates derived from a base spec and a recipe."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from reszoo import spec
from reszoo.errors import UserError
from reszoo.spec.architecture import Architecture
from reszoo.spec.base import Value
from reszoo.spec.recipe import Recipe
from reszoo.spec.search import Search
from reszoo.spec.search_space import RECIPE
from reszoo.tuning.dimensions import DESCRIPTIVE, Choice, Dimension, build_dimensions
from reszoo.tuning.searched_paths import with_value

Candidate = tuple[int, ...]
"""A network of the space: the index of the choice in each dimension."""


@dataclass(frozen=True)
class Space:
    """All candidates of a search, as plain values."""

    base: Architecture
    base_recipe: Recipe
    """The recipe of every candidate but for the fields of it that are searched."""
    dimensions: tuple[Dimension, ...]

    @property
    def roots(self) -> dict[str, Value]:
        """The base and its recipe, by the first part of their paths; see `expand`."""
        return {"": self.base, RECIPE: self.base_recipe}

    @cached_property
    def size(self) -> int:
        """Number of candidates, infeasible ones included."""
        return math.prod(len(dimension.choices) for dimension in self.dimensions)

    @property
    def searches_recipe(self) -> bool:
        """Whether candidates differ in their recipe."""
        return any(dimension.of_recipe for dimension in self.dimensions)

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
        return self.with_choices(self._chosen(candidate))

    def recipe(self, candidate: Candidate) -> Recipe:
        """Returns the recipe of a candidate; raises UserError if its choices do not match."""
        return self.recipe_with_choices(self._chosen(candidate))

    def with_choices(self, choices: Sequence[Choice]) -> Architecture:
        """Returns the base with only these choices applied, those of the recipe left out."""
        mapping = self._mapping
        for choice in choices:
            for path, value in choice.values:
                if path[0] != RECIPE:
                    mapping = with_value(mapping, path, value)
        architecture: Architecture = spec.from_mapping(mapping)
        return architecture

    def recipe_with_choices(self, choices: Sequence[Choice]) -> Recipe:
        """Returns the base recipe with only these choices of the recipe applied."""
        if not self.searches_recipe:
            return self.base_recipe
        mapping = spec.to_mapping(self.base_recipe)
        for choice in choices:
            for path, value in choice.values:
                if path[0] == RECIPE:
                    mapping = with_value(mapping, path[1:], value)
        recipe: Recipe = spec.from_mapping(mapping, "recipe")
        return recipe

    def with_choice(self, dimension: Dimension, choice: Choice) -> Architecture | Recipe:
        """Returns the base, or the base recipe, with one choice of a dimension applied."""
        if dimension.of_recipe:
            return self.recipe_with_choices([choice])
        return self.with_choices([choice])

    def _chosen(self, candidate: Candidate) -> list[Choice]:
        chosen = zip(self.dimensions, candidate, strict=True)
        return [dimension.choices[index] for dimension, index in chosen]

    @cached_property
    def _mapping(self) -> dict[str, Any]:
        fields = spec.to_mapping(self.base).items()
        return {field: value for field, value in fields if field not in DESCRIPTIVE}


def build_space(search: Search, base: Architecture, recipe: Recipe) -> Space:
    """Builds the space of a search around its base and its recipe.

    Checks that each path is in one of them, that each value is valid there, and that no two paths
    set the same field; errors have the line and column in the search.
    """
    roots: dict[str, Value] = {"": base, RECIPE: recipe}
    space = Space(base, recipe, build_dimensions(search, roots))
    for dimension in space.dimensions:
        _check_values(space, dimension)
    return space


def _check_values(space: Space, dimension: Dimension) -> None:
    for choice in dimension.choices:
        try:
            space.with_choice(dimension, choice)
        except UserError as error:
            what = f"{dimension.name} cannot be {choice.label!r}: {error.what}"
            raise error.changed(what=what, where=choice.place) from None
