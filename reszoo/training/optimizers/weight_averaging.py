"""Weight averaging for optimizers: lookahead (Zhang 2019) and EMA.

Slow weights and averages are the optimizer's variables, so that checkpoints hold them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from reszoo.spec.optimizer import EMA, Lookahead


class WeightAveraging:
    """A mixin that keeps slow weights (lookahead) and averaged weights (EMA), if they are set."""

    lookahead: Lookahead | None = None
    average: EMA | None = None

    def build(self, variables: Sequence[Any]) -> None:
        """Creates the optimizer's variables; slow and averaged weights start as the weights."""
        if self.built:  # type: ignore[attr-defined]
            return
        super().build(variables)  # type: ignore[misc]
        self._slow = self._copies(variables, "slow") if self.lookahead else []
        self._averaged = self._copies(variables, "average") if self.average else []

    def _copies(self, variables: Sequence[Any], name: str) -> list[Any]:
        copies = self.add_optimizer_variables(variables, name)  # type: ignore[attr-defined]
        for copy, variable in zip(copies, variables, strict=True):
            copy.assign(variable)
        return list(copies)

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Updates one variable, then its slow and averaged weights."""
        super().update_step(gradient, variable, learning_rate)  # type: ignore[misc]
        if self.lookahead is not None:
            self._update_lookahead(self.lookahead, variable)
        if self.average is not None:
            self._update_ema(self.average, variable)

    def finalize_variable_values(self, variables: Sequence[Any]) -> None:
        """Assigns the averages, if there are any, to all variables of `build`, in that order."""
        if self.average is None:
            return
        for variable, average in zip(variables, self._averaged, strict=True):
            variable.assign(average)

    def _update_lookahead(self, options: Lookahead, variable: Any) -> None:
        slow = self._slow[self._index(variable)]
        moved = slow + options.share * (variable - slow)
        self._assign_when(self._is_due(options.every), (slow, moved), (variable, moved))

    def _update_ema(self, options: EMA, variable: Any) -> None:
        average = self._averaged[self._index(variable)]
        step = tf.cast(self.iterations, variable.dtype)  # type: ignore[attr-defined]
        decay = tf.constant(options.kept, variable.dtype)
        if options.ramp:
            decay = tf.minimum(decay, (1 + step) / (10 + step))
        # The first update copies the weights: initial weights are not part of the average.
        decay = tf.where(step < options.every, tf.zeros_like(decay), decay)
        moved = variable + decay * (average - variable)
        self._assign_when(self._is_due(options.every), (average, moved))

    def _assign_when(self, due: Any, *pairs: tuple[Any, Any]) -> None:
        for variable, value in pairs:
            new = value if due is True else tf.where(due, value, variable)
            self.assign(variable, new)  # type: ignore[attr-defined]

    def _is_due(self, every: int) -> Any:
        """Whether this step is due, one of every `every` steps."""
        return every == 1 or (self.iterations + 1) % every == 0  # type: ignore[attr-defined]

    def _index(self, variable: Any) -> int:
        return int(self._get_variable_index(variable))  # type: ignore[attr-defined]
