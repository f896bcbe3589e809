"""Rungs of a search: how many candidates are trained for how many epochs."""

from __future__ import annotations

import math
from dataclasses import dataclass

from reszoo.spec.search_strategy import Strategy

DEFAULT_TRIALS = 10
DEFAULT_FACTOR = 3


@dataclass(frozen=True, slots=True)
class Rung:
    """Candidates that are trained for the same number of epochs."""

    bracket: int
    round: int
    candidates: int
    from_epoch: int
    """Epochs of each candidate before this rung."""
    to_epoch: int
    """Epochs of each candidate after it."""

    @property
    def epochs(self) -> int:
        """Epochs that this rung trains, over all its candidates."""
        return self.candidates * (self.to_epoch - self.from_epoch)


def rungs(strategy: Strategy, max_epochs: int, trials: int | None = None) -> tuple[Rung, ...]:
    """Returns the rungs of one iteration, in the order in which they run.

    `trials` is the number of candidates where the strategy gives none.

    For Hyperband they are those of keras-tuner's oracle: brackets from the one that discards most
    often to plain random search (bracket 0), each training for about as many epochs.
    """
    if strategy.kind != "hyperband":
        return (Rung(0, 0, strategy.trials or trials or DEFAULT_TRIALS, 0, max_epochs),)
    factor = strategy.factor or DEFAULT_FACTOR
    return tuple(
        Rung(
            bracket,
            round_,
            _size(max_epochs, factor, bracket, round_),
            _epochs(max_epochs, factor, bracket, round_ - 1) if round_ else 0,
            _epochs(max_epochs, factor, bracket, round_),
        )
        for bracket in reversed(range(_brackets(max_epochs, factor)))
        for round_ in range(bracket + 1)
    )


def _brackets(max_epochs: int, factor: int) -> int:
    brackets, epochs = 0, float(max_epochs)
    while epochs >= 1:
        epochs /= factor
        brackets += 1
    return brackets


def _size(max_epochs: int, factor: int, bracket: int, round_: int) -> int:
    final_size = math.ceil(1 + math.log(max_epochs, factor)) / (bracket + 1)
    return math.ceil(final_size * factor ** (bracket - round_))


def _epochs(max_epochs: int, factor: int, bracket: int, round_: int) -> int:
    return math.ceil(max_epochs / factor ** (bracket - round_))
