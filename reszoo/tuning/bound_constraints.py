"""Constraints bound to a space: each comparison of fields as a test of candidates."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reszoo.errors import Place, UserError
from reszoo.spec.base import KeyPath, format_path
from reszoo.spec.search import Search
from reszoo.tuning.expressions import (
    Call,
    ExpressionError,
    Field,
    FieldComparison,
    Number,
    Operation,
    Term,
    parse,
)
from reszoo.tuning.searched_paths import expand, value_at, value_in
from reszoo.tuning.space import Space

Indices = Sequence[int]
"""Indices of a candidate's choices, of at least the dimensions that a function reads."""

_Value = Callable[[Indices], int | float]

_OPERATORS: Mapping[str, Callable[[Any, Any], Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "<": operator.lt,
    "<=": operator.le,
    "==": operator.eq,
    ">=": operator.ge,
    ">": operator.gt,
}
_FUNCTIONS: Mapping[str, Callable[[Any], Any]] = {"min": min, "max": max, "sum": sum}


@dataclass(frozen=True, slots=True)
class BoundConstraint:
    """A constraint as a test of candidates."""

    text: str
    dimensions: frozenset[int]
    """The dimensions that it reads, by their position in the space."""
    _values: tuple[_Value, ...]
    _operators: tuple[str, ...]

    def meets(self, candidate: Indices) -> bool:
        """Whether a candidate meets the constraint; one that divides by zero does not."""
        try:
            left = self._values[0](candidate)
            for name, value in zip(self._operators, self._values[1:], strict=True):
                right = value(candidate)
                if not _OPERATORS[name](left, right):
                    return False
                left = right
        except (ZeroDivisionError, OverflowError):
            return False
        return True


def bind_constraints(search: Search, space: Space) -> tuple[BoundConstraint, ...]:
    """Binds the constraints of a search to its space.

    Raises:
      UserError: a constraint cannot be read, names no field, or compares what is no number; the
        error has the line and column of the mistake.
    """
    return tuple(_bind(search, space, index) for index in range(len(search.constraints)))


def _bind(search: Search, space: Space, index: int) -> BoundConstraint:
    text = search.constraints[index]
    binder = _Binder(search, space, index)
    try:
        comparison: FieldComparison = parse(text)
    except ExpressionError as error:
        raise UserError(
            error.what,
            where=binder.place(error.offset),
            expected=error.expected,
            found=f"`{text.strip()}`" if len(text) <= 100 else None,
            hint=error.hint,
        ) from None
    values = tuple(binder.value(term) for term in comparison.terms)
    constraint = BoundConstraint(text, frozenset(binder.read), values, comparison.operators)
    if not constraint.dimensions:
        raise UserError(
            f"`{text.strip()}` compares nothing that is searched: it holds for "
            f"{'every' if constraint.meets(()) else 'no'} candidate",
            where=binder.place(0),
            expected="a field of `space`",
            hint="remove it, or compare a field that is searched",
        )
    return constraint


class _Binder:
    """Turns the terms of one constraint into functions of a candidate's indices."""

    def __init__(self, search: Search, space: Space, index: int) -> None:
        self._search, self._space = search, space
        self._text = search.constraints[index]
        self._where = search.where("constraints", index)
        self.read: set[int] = set()
        """Positions of the dimensions read so far."""

    def place(self, offset: int) -> Place | str | None:
        """Returns the place of a character of the constraint."""
        return place_within(self._where, self._text, offset)

    def value(self, term: Term) -> _Value:
        """Returns a term as a function of the indices."""
        match term:
            case Number(value=number):
                return lambda indices: number
            case Field():
                return self._values(term)[0]
            case Operation(operator=name, left=left, right=right):
                apply, first, second = _OPERATORS[name], self.value(left), self.value(right)
                return lambda indices: apply(first(indices), second(indices))
            case Call(function=name, arguments=arguments):
                function = _FUNCTIONS[name]
                values = [value for argument in arguments for value in self._values(argument)]
                return lambda indices: function([value(indices) for value in values])

    def _values(self, term: Term) -> list[_Value]:
        if not isinstance(term, Field):
            return [self.value(term)]
        place = self.place(term.offset)
        paths = expand(self._space.roots, term.pattern, term.text, place, key="constraints")
        return [self._field(term, path, place) for path in paths]

    def _field(self, field: Field, path: KeyPath, place: Place | str | None) -> _Value:
        """Returns the value at a path: that of the choice, or the base's where none sets it."""
        for position, dimension in enumerate(self._space.dimensions):
            if any(path[: len(set_)] == set_ for set_, _ in dimension.choices[0].values):
                self.read.add(position)
                below = path[1:] if dimension.of_recipe else path
                documents = (self._space.with_choice(dimension, each) for each in dimension.choices)
                values = tuple(
                    self._number(field, path, value_at(document, below), place)
                    for document in documents
                )
                return lambda indices: values[indices[position]]
        number = self._number(field, path, value_in(self._space.roots, path), place)
        return lambda indices: number

    def _number(
        self, field: Field, path: KeyPath, value: Any, place: Place | str | None
    ) -> int | float:
        if isinstance(value, int | float) and not isinstance(value, bool):
            return value
        raise UserError(
            f"'{field.text}' cannot be compared",
            where=place,
            expected=f"a number at {format_path(path)}",
            found="no value" if value is None else f"{value!r}",
            hint="compare another field, or leave the constraint out",
        )


def place_within(where: Place | str | None, text: str, offset: int) -> Place | str | None:
    """Returns the place of a character of a text that a file holds as it is.

    Of a text that YAML writes otherwise, over several lines or with escapes, the place is its own.
    """
    if not isinstance(where, Place) or where.line is None or where.column is None:
        return where
    try:
        line = Path(where.file).read_text("utf-8").splitlines()[where.line - 1]
    except (OSError, ValueError, IndexError):
        return where
    start = line.find(text, where.column - 1)
    return where if start < 0 else Place(where.file, where.line, start + 1 + offset)
