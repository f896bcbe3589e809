"""Combinations of choices that satisfy the orders and constraints of a search, by number."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import pairwise

from reszoo.tuning.bound_constraints import BoundConstraint
from reszoo.tuning.dimensions import Dimension
from reszoo.tuning.space import Candidate, Space

COUNTABLE = 1_000_000
"""Up to this many combinations are listed and shuffled as a whole; of more, some are drawn."""

MOST_VISITS = 5_000_000
"""So many beginnings of combinations are tried, for constraints that leave few of a large space."""

MOST_DRAWS = 1_000_000
"""Drawing ends after so many draws in a row that repeat others or do not meet the constraints."""


class Combinations:
    """The combinations of a space in which values rise as they must, numbered from 0.

    Orders are met by construction: no number is lost to them. Without orders, the numbers are those
    of `Space.candidate`.
    """

    def __init__(self, space: Space, constraints: Sequence[BoundConstraint] = ()) -> None:
        self.space = space
        self.constraints = constraints
        by_key = itertools.groupby(
            enumerate(space.dimensions),
            lambda item: (item[1].key,) if item[1].rising else (item[1].key, item[0]),
        )
        self._groups = [_RisingGroup([dim for _, dim in group]) for _, group in by_key]
        self.size = math.prod(group.size for group in self._groups)
        """Number of combinations that satisfy the orders, with or without the constraints."""

    @property
    def is_space(self) -> bool:
        """Whether every candidate of the space is a combination."""
        return self.size == self.space.size and not self.constraints

    def candidate(self, number: int) -> Candidate:
        """Returns the combination of a number from 0 to `size` - 1."""
        indices: list[Candidate] = []
        for group in reversed(self._groups):
            number, rank = divmod(number, group.size)
            indices.append(group.indices(rank))
        return tuple(itertools.chain.from_iterable(reversed(indices)))

    @cached_property
    def listed(self) -> Sequence[int] | None:
        """The numbers that satisfy the constraints; None if they are too many to be listed."""
        if not self.constraints:
            return range(self.size) if self.size <= COUNTABLE else None
        budget = itertools.count() if self.size <= COUNTABLE else iter(range(MOST_VISITS))
        numbers = list(itertools.islice(self._satisfying(0, (), 0, budget), COUNTABLE + 1))
        complete = len(numbers) <= COUNTABLE and next(budget, None) is not None
        return numbers if complete else None

    def _satisfying(
        self, depth: int, start: Candidate, number: int, budget: Iterator[int]
    ) -> Iterator[int]:
        """Yields the numbers of the combinations with these first choices, in order."""
        if depth == len(self._groups):
            yield number
            return
        group = self._groups[depth]
        for rank in range(group.size):
            if next(budget, None) is None:
                return
            indices = (*start, *group.indices(rank))
            if all(constraint.meets(indices) for constraint in self._checks[depth]):
                yield from self._satisfying(depth + 1, indices, number * group.size + rank, budget)

    @cached_property
    def _checks(self) -> list[list[BoundConstraint]]:
        """For each group, the constraints whose last dimension it holds."""
        ends = list(itertools.accumulate(len(group.dimensions) for group in self._groups))
        checks: list[list[BoundConstraint]] = [[] for _ in ends]
        for constraint in self.constraints:
            last = max(constraint.dimensions)
            checks[next(i for i, end in enumerate(ends) if last < end)].append(constraint)
        return checks


class SeededOrder(Iterator[Candidate]):
    """The combinations of a search in a seeded order, each once.

    The order is a function of the space, its orders, its constraints and the seed. Up to
    `COUNTABLE` combinations, all come; of more, as many as are asked for.
    """

    def __init__(self, combinations: Combinations, seed: int) -> None:
        self.total = combinations.size
        """Number of combinations from which is drawn."""
        self.drawn = 0
        """Number of combinations drawn, those that do not meet the constraints included."""
        self.is_listed = combinations.listed is not None
        """Whether every combination comes."""
        self._random = random.Random(f"reszoo search {seed}")
        if combinations.listed is None:
            self._candidates = self._draws(combinations)
        else:
            numbers = list(combinations.listed)
            self._random.shuffle(numbers)
            self.total = len(numbers)
            self._candidates = map(combinations.candidate, numbers)

    def __next__(self) -> Candidate:
        candidate = next(self._candidates)
        if self.is_listed:
            self.drawn += 1
        return candidate

    def _draws(self, combinations: Combinations) -> Iterator[Candidate]:
        seen: set[int] = set()
        in_vain = 0
        while in_vain < MOST_DRAWS:
            number = self._random.randrange(combinations.size)
            in_vain += 1
            if number in seen:
                continue
            seen.add(number)
            self.drawn += 1
            candidate = combinations.candidate(number)
            if all(constraint.meets(candidate) for constraint in combinations.constraints):
                in_vain = 0
                yield candidate


class _RisingGroup:
    """Dimensions whose values never fall from one to the next, or one dimension alone."""

    def __init__(self, dimensions: Sequence[Dimension]) -> None:
        self.dimensions = dimensions
        self._values = values = [dimension.labels for dimension in dimensions]
        # For each value of a dimension, in how many ways the dimensions after it may go on.
        self._ways = [[1] * len(values[-1])]
        for here, after in reversed(list(pairwise(values))):
            following = list(zip(after, self._ways[0], strict=True))
            ways = [sum(count for value, count in following if value >= least) for least in here]
            self._ways.insert(0, ways)
        self.size = sum(self._ways[0])

    def indices(self, rank: int) -> Candidate:
        """Returns the indices of the combination of a rank from 0 to `size` - 1."""
        if len(self._values) == 1:
            return (rank,)
        indices: list[int] = []
        for position, (values, ways) in enumerate(zip(self._values, self._ways, strict=True)):
            least = self._values[position - 1][indices[-1]] if indices else None
            for index, (value, count) in enumerate(zip(values, ways, strict=True)):
                if least is not None and value < least:
                    continue
                if rank < count:
                    indices.append(index)
                    break
                rank -= count
        return tuple(indices)
