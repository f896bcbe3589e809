"""Initial candidates of a search: the specs and values of `start_from`, found in its space."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from reszoo import spec
from reszoo.errors import Place, UserError, did_you_mean
from reszoo.spec.architecture import Architecture
from reszoo.spec.lookup import is_path
from reszoo.spec.recipe import Recipe
from reszoo.spec.search import Search
from reszoo.spec.search_space import EACH
from reszoo.tuning.constraints import Constraints
from reszoo.tuning.dimensions import DESCRIPTIVE, Dimension
from reszoo.tuning.searched_paths import plain, same, value_at, value_in
from reszoo.tuning.space import Candidate, Space


def resolve_path(search: Search, name: str) -> str:
    """Resolves a file name relative to the search's own file; any other name stays as it is."""
    place = search.where()
    if is_path(name) and isinstance(place, Place):
        file = Path(place.file).parent / name
        return os.fspath(file) if file.is_file() else name
    return name


def load_architecture(search: Search, name: str, where: Place | str | None) -> Architecture:
    """Loads a spec of the zoo, or from a file that is looked for beside the search first."""
    try:
        return spec.load(resolve_path(search, name))
    except UserError as error:
        # An error inside that file has a place of its own.
        raise error.changed(where=error.where or where) from None


def find_initial_candidates(
    search: Search, space: Space, constraints: Constraints
) -> tuple[Candidate, ...]:
    """Returns the candidates of `start_from`, in order, checked to be in the space and feasible."""
    candidates = []
    for index, start in enumerate(search.start_from):
        where = search.where("start_from", index)
        if isinstance(start, str):
            architecture = load_architecture(search, start, where)
            candidate = _from_spec(space, architecture, start, where)
        else:
            candidate = candidate_from_values(space, start, where)
        check = constraints.check(candidate)
        if not check.feasible:
            raise UserError(
                f"start_from[{index}] cannot be tried: {'; '.join(check.violations.values())}",
                where=where,
                hint="raise the limits or leave it out",
            )
        candidates.append(candidate)
    return tuple(candidates)


def find_candidate(space: Space, architecture: Architecture, recipe: Recipe) -> Candidate | None:
    """Returns the candidate with the values of a spec and a recipe; None if there is none."""
    indices = [
        _find_recipe_choice(space, dimension, recipe)
        if dimension.of_recipe
        else _find_choice(space, dimension, architecture)
        for dimension in space.dimensions
    ]
    found = tuple(index for index in indices if index is not None)
    return found if len(found) == len(indices) else None


def _find_recipe_choice(space: Space, dimension: Dimension, recipe: Recipe) -> int | None:
    for index, choice in enumerate(dimension.choices):
        own = space.recipe_with_choices([choice])
        paths = [path[1:] for path, _ in choice.values]
        if all(same(value_at(own, path), value_at(recipe, path)) for path in paths):
            return index
    return None


def _from_spec(
    space: Space, start: Architecture, name: str, where: Place | str | None
) -> Candidate:
    """Returns the candidate that equals a spec but for the classes, which come from the data."""
    indices = []
    for dimension in space.dimensions:
        index = _find_choice(space, dimension, start)
        if index is None:
            raise UserError(
                f"'{name}' is not in the space: its {dimension.name} is none of the choices",
                where=where,
                expected=f"one of {_labels(dimension)}",
                hint="add its value to the choices, or leave it out",
            )
        indices.append(index)
    candidate = space.spec(tuple(indices))
    ignored = {"name", "classes", *DESCRIPTIVE}
    differing = [
        field
        for field in Architecture.model_fields
        if field not in ignored and not same(getattr(candidate, field), getattr(start, field))
    ]
    if differing:
        raise UserError(
            f"'{name}' is not in the space: it differs from the base in {', '.join(differing)}",
            where=where,
            expected="a spec that differs from the base only in what is searched",
            hint=f"search {differing[0]} too, or start from values: {{path: value}}",
        )
    return tuple(indices)


def _find_choice(space: Space, dimension: Dimension, start: Architecture) -> int | None:
    """Returns the index of the choice that gives a dimension's fields the values of a spec.

    Specs say nothing about the recipe: there, that of the choice which leaves it as it is.
    """
    if dimension.of_recipe:
        choices = enumerate(dimension.choices)
        values = ((i, space.recipe_with_choices([choice])) for i, choice in choices)
        return next((i for i, recipe in values if same(recipe, space.base_recipe)), None)
    for index, choice in enumerate(dimension.choices):
        candidate = space.with_choices([choice])
        try:
            equal = all(
                same(value_at(candidate, path), value_at(start, path)) for path, _ in choice.values
            )
        except (IndexError, AttributeError):
            return None
        if equal:
            return index
    return None


def candidate_from_values(
    space: Space, values: Mapping[str, Any], where: Place | str | None
) -> Candidate:
    """Returns the candidate with these values, and those of the base elsewhere.

    Raises UserError if it is not in the space.
    """
    settings = _by_dimension(space, values, where)
    indices = []
    for dimension in space.dimensions:
        if dimension.name in settings:
            verb, value = "has", settings[dimension.name]
            equal = (i for i, label in enumerate(dimension.labels) if same(label, value))
            index = next(equal, None)
        else:
            # By the specs: the base's 0.0 or `{kind: projection}` may be spelled otherwise.
            verb, value = "leaves it at", _base_value(space, dimension)
            index = _find_choice(space, dimension, space.base)
        if index is None:
            raise UserError(
                f"this start is not in the space: it {verb} {dimension.name} = {plain(value)!r}",
                where=where,
                expected=f"one of {_labels(dimension)}",
                hint="write one of these values into start_from, or add the value to the space",
            )
        indices.append(index)
    return tuple(indices)


def _by_dimension(
    space: Space, values: Mapping[str, Any], where: Place | str | None
) -> dict[str, Any]:
    settings: dict[str, Any] = {}
    for path, value in values.items():
        dimensions = [dim for dim in space.dimensions if path in (dim.name, dim.key)]
        if not dimensions:
            names = list(dict.fromkeys(n for dim in space.dimensions for n in (dim.key, dim.name)))
            raise UserError(
                f"start_from sets '{path}', which is not searched",
                where=where,
                expected=", ".join(names),
                hint=did_you_mean(path, names) or "remove it, or add it to `space`",
            )
        count = len(dimensions)
        one_each = f"[{EACH}]" in path and isinstance(value, list) and len(value) == count
        settings |= zip(
            (dim.name for dim in dimensions), value if one_each else [value] * count, strict=True
        )
    return settings


def _base_value(space: Space, dimension: Dimension) -> Any:
    paths = (path for path, _ in dimension.choices[0].values)
    values = [value_in(space.roots, path) for path in paths]
    return values[0] if all(same(value, values[0]) for value in values) else values


def _labels(dimension: Dimension) -> str:
    return ", ".join(str(label) for label in dimension.labels)
