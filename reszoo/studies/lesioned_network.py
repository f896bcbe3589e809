"""A trained network some of whose blocks are closed, or in another order."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import tensorflow as tf

from reszoo.planning.block_chain import Segment
from reszoo.studies.studied_network import StudiedNetwork

_MOST_PAIRS = 45
_DRAWS = 3
"""Different sets of blocks for each number; all where there are no more."""
_MOST_COUNTS = 8
"""Numbers of closed blocks, and of exchanged ones, for which random blocks are drawn."""
Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Change:
    """A network with some blocks closed and all blocks in an order."""

    kind: str
    count: int
    closed: frozenset[int]
    order: tuple[int, ...]
    complete: bool = False
    """Whether all changes of this kind and count are measured, not some that were drawn."""


class LesionedNetwork:
    """Runs a network whose blocks are closed or in another order."""

    def __init__(self, network: StudiedNetwork) -> None:
        self.network = network
        parts = network.segments
        self._open = [network.segment_function(segment) for segment in parts]
        self._closed = {
            position: network.segment_function(segment, closed=True)
            for position, segment in enumerate(parts)
            if segment.addition is not None
        }
        self._positions = [i for i, segment in enumerate(parts) if segment.block is not None]

    def start(self, pixels: np.ndarray) -> Any:
        """Returns what enters the first block."""
        x = tf.constant(pixels)
        for function in self._open[: self._positions[0]]:
            x = function(x)
        return x

    def run_block(self, index: int, x: Any) -> Any:
        """Returns what enters the next block; layers between stages are included."""
        position = self._positions[index]
        return self._between(index, self._open[position](x))

    def finish(self, x: Any, first: int, change: Change) -> np.ndarray:
        """Returns the logits from what enters the block `first`, with some blocks changed."""
        for index in range(first, len(self._positions)):
            source = change.order[index]
            position = self._positions[source]
            function = self._closed[position] if source in change.closed else self._open[position]
            x = self._between(index, function(x))
        return np.asarray(x)

    def _between(self, index: int, x: Any) -> Any:
        """Runs the segments between a block and the next one (after the last: to the logits)."""
        later = self._positions[index + 1] if index + 1 < len(self._positions) else None
        for function in self._open[self._positions[index] + 1 : later]:
            x = function(x)
        return x

    def correct(self, closed: frozenset[int], batch: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
        """Returns for each image of a batch whether its class is right with some blocks closed."""
        order = tuple(range(len(self._positions)))
        change = Change("random", len(closed), closed, order)
        pixels, labels = batch
        right: np.ndarray = self.finish(self.start(pixels), 0, change).argmax(axis=1) == labels
        return right


def combinations(
    blocks: Sequence[Segment], closable: Sequence[int], generator: np.random.Generator
) -> list[Change]:
    order = tuple(range(len(blocks)))
    changes = [Change("none", 0, frozenset(), order)]
    pairs = list(itertools.combinations(closable, 2))
    if len(pairs) > _MOST_PAIRS:
        picked = generator.choice(len(pairs), _MOST_PAIRS, replace=False)
        pairs = [pairs[index] for index in sorted(picked)]
    changes += [Change("pair", 2, frozenset(pair), order) for pair in pairs]
    for count in _counts(len(closable)):
        sets, complete = _different(closable, count, generator)
        changes += [Change("random", count, frozenset(own), order, complete) for own in sets]
    swaps = [*_exchangeable(blocks)]
    for count in _counts(min(len(swaps), 2 * _MOST_COUNTS)):
        exchanges, complete = _different(swaps, count, generator)
        orders = dict.fromkeys(_exchanged(order, pairs) for pairs in exchanges)
        changes += [Change("shuffle", count, frozenset(), new, complete) for new in orders]
    return changes


def _different(
    items: Sequence[Item], count: int, generator: np.random.Generator
) -> tuple[list[tuple[Item, ...]], bool]:
    """Returns different sets of so many items, and whether there are no others."""
    if math.comb(len(items), count) <= _DRAWS:
        return list(itertools.combinations(items, count)), True
    drawn: dict[frozenset[int], tuple[Item, ...]] = {}
    while len(drawn) < _DRAWS:
        indices = generator.choice(len(items), count, replace=False).tolist()
        drawn.setdefault(frozenset(indices), tuple(items[index] for index in indices))
    return list(drawn.values()), False


def _exchanged(order: Sequence[int], swaps: Sequence[tuple[int, int]]) -> tuple[int, ...]:
    """Returns the order after pairs have exchanged their places, one pair after the other."""
    shuffled = list(order)
    for first, second in swaps:
        shuffled[first], shuffled[second] = shuffled[second], shuffled[first]
    return tuple(shuffled)


def _counts(most: int) -> list[int]:
    """Returns up to eight numbers from 1 to `most`."""
    return [round(number) for number in np.linspace(1, most, min(most, _MOST_COUNTS))]


def _exchangeable(blocks: Sequence[Segment]) -> Iterator[tuple[int, int]]:
    """Yields pairs of blocks of one stage that have the same shapes and layers."""
    kinds = [
        (block.stage, tuple((row.op, row.shape, row.tags.part) for row in block.rows))
        for block in blocks
    ]
    for first, second in itertools.combinations(range(len(blocks)), 2):
        if kinds[first] == kinds[second]:
            yield first, second
