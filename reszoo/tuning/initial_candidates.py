"""Which candidates a search tries first: known-good specs or values, found in its space."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from reszoo import spec
from reszoo.errors import Place, UserError, did_you_mean
from reszoo.spec.architecture import Architecture
from reszoo.spec.lookup import is_path
from reszoo.spec.search import EACH, Search
from reszoo.tuning.constraints import Constraints
from reszoo.tuning.space import Candidate, Dimension, Space, plain, same, value_at


def beside(search: Search, word: str) -> str:
    """A name as it is; a file as found beside the search, else as it is."""
    place = search.where()
    if is_path(word) and isinstance(place, Place):
        file = Path(place.file).parent / word
        return os.fspath(file) if file.is_file() else word
    return word


def load_beside(search: Search, word: str, where: Place | str | None) -> Architecture:
    """The spec a search names: of the zoo, or a file, looked for beside the search first.

    Raises:
      UserError: there is none; the message has the place in the search.
    """
    try:
        return spec.load(beside(search, word))
    except UserError as error:
        raise UserError(
            error.what,
            # A mistake inside that file has a better place of its own.
            where=error.where or where,
            expected=error.expected,
            found=error.found,
            hint=error.hint,
        ) from None


def first_candidates(search: Search, space: Space, judge: Constraints) -> tuple[Candidate, ...]:
    """The candidates of `start_from`, in order.

    Raises:
      UserError: one is not in the space, or is above a limit.
    """
    candidates = []
    for index, start in enumerate(search.start_from):
        where = search.where("start_from", index)
        if isinstance(start, str):
            candidate = _of_spec(space, load_beside(search, start, where), start, where)
        else:
            candidate = _of_values(space, start, where)
        verdict = judge.verdict(candidate)
        if not verdict.feasible:
            raise UserError(
                f"start_from[{index}] cannot be tried: {'; '.join(verdict.objections.values())}",
                where=where,
                hint="raise the limits or leave it out",
            )
        candidates.append(candidate)
    return tuple(candidates)


def _of_spec(space: Space, start: Architecture, word: str, where: Place | str | None) -> Candidate:
    """The candidate that is this spec; classes may differ, for they come from the data."""
    indices = []
    for dimension in space.dimensions:
        index = _matching(space, dimension, start)
        if index is None:
            raise UserError(
                f"'{word}' is not in the space: none of the choices of {dimension.name} is its own",
                where=where,
                expected=f"one of {_listed(dimension)}",
                hint="add its value to the choices, or leave it out",
            )
        indices.append(index)
    found = space.spec(tuple(indices))
    differing = [field for field in _computing(found) if not _agree(found, start, field)]
    if differing:
        raise UserError(
            f"'{word}' is not in the space: it differs from the base in {', '.join(differing)}",
            where=where,
            expected="a spec that differs from the base only in what is searched",
            hint=f"search {differing[0]} too, or start from values: {{path: value}}",
        )
    return tuple(indices)


def _matching(space: Space, dimension: Dimension, start: Architecture) -> int | None:
    for index, choice in enumerate(dimension.choices):
        made = space.with_choices([choice])
        try:
            alike = all(
                same(value_at(made, path), value_at(start, path)) for path, _ in choice.values
            )
        except (IndexError, AttributeError):
            return None
        if alike:
            return index
    return None


def _computing(architecture: Architecture) -> list[str]:
    ignored = ("name", "title", "source", "published", "weights", "classes")
    return [field for field in type(architecture).model_fields if field not in ignored]


def _agree(left: Architecture, right: Architecture, field: str) -> bool:
    return same(getattr(left, field), getattr(right, field))


def _of_values(space: Space, values: Mapping[str, Any], where: Place | str | None) -> Candidate:
    """The candidate with these values; what is not given is as in the base."""
    given = _by_dimension(space, values, where)
    indices = []
    for dimension in space.dimensions:
        if dimension.name in given:
            what, wanted = "has", given[dimension.name]
            alike = (i for i, label in enumerate(dimension.labels) if same(label, wanted))
            index = next(alike, None)
        else:
            # By what they make: the base's 0.0 or `{kind: projection}` may be written otherwise.
            what, wanted = "leaves it at", _base_value(space, dimension)
            index = _matching(space, dimension, space.base)
        if index is None:
            raise UserError(
                f"this start is not in the space: it {what} {dimension.name} = {plain(wanted)!r}",
                where=where,
                expected=f"one of {_listed(dimension)}",
            )
        indices.append(index)
    return tuple(indices)


def _by_dimension(
    space: Space, values: Mapping[str, Any], where: Place | str | None
) -> dict[str, Any]:
    given: dict[str, Any] = {}
    for path, value in values.items():
        named = [one for one in space.dimensions if path in (one.name, one.key)]
        if not named:
            names = list(dict.fromkeys(n for one in space.dimensions for n in (one.key, one.name)))
            raise UserError(
                f"start_from sets '{path}', which is not searched",
                where=where,
                expected=", ".join(names),
                hint=did_you_mean(path, names),
            )
        one_each = f"[{EACH}]" in path and isinstance(value, list) and len(value) == len(named)
        shares = value if one_each else [value] * len(named)
        given |= {one.name: share for one, share in zip(named, shares, strict=True)}
    return given


def _base_value(space: Space, dimension: Dimension) -> Any:
    values = [value_at(space.base, path) for path, _ in dimension.choices[0].values]
    return values[0] if all(same(value, values[0]) for value in values) else values


def _listed(dimension: Dimension) -> str:
    return ", ".join(str(label) for label in dimension.labels)
