"""Which other weights does an optimizer keep beside those that learn? Slow ones that pull them back
(lookahead, Zhang 2019), and a moving average that is evaluated instead of them (EMA).

Both are the optimizer's variables, so a saved state has them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from reszoo.spec.optimizer import EMA, Lookahead


class WeightAveraging:
    """Makes a Keras optimizer keep slow and averaged weights, where it is told to."""

    lookahead: Lookahead | None = None
    average: EMA | None = None

    def build(self, variables: Sequence[Any]) -> None:
        """Makes the optimizer's variables; slow and averaged weights start as the weights."""
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
        """One variable's step, and what follows it."""
        super().update_step(gradient, variable, learning_rate)  # type: ignore[misc]
        if self.lookahead is not None:
            self._look_ahead(self.lookahead, variable)
        if self.average is not None:
            self._update_average(self.average, variable)

    def finalize_variable_values(self, variables: Sequence[Any]) -> None:
        """Gives variables their averages, where there are any: all that the optimizer was built
        with, in that order.
        """
        if self.average is None:
            return
        for variable, average in zip(variables, self._averaged, strict=True):
            variable.assign(average)

    def _look_ahead(self, options: Lookahead, variable: Any) -> None:
        slow = self._slow[self._index(variable)]
        moved = slow + options.share * (variable - slow)
        self._assign_when(self._is_due(options.every), (slow, moved), (variable, moved))

    def _update_average(self, options: EMA, variable: Any) -> None:
        average = self._averaged[self._index(variable)]
        step = tf.cast(self.iterations, variable.dtype)  # type: ignore[attr-defined]
        kept = tf.constant(options.kept, variable.dtype)
        if options.ramp:
            kept = tf.minimum(kept, (1 + step) / (10 + step))
        # The first update copies: initial weights are no part of the average.
        kept = tf.where(step < options.every, tf.zeros_like(kept), kept)
        moved = variable + kept * (average - variable)
        self._assign_when(self._is_due(options.every), (average, moved))

    def _assign_when(self, due: Any, *pairs: tuple[Any, Any]) -> None:
        for variable, value in pairs:
            kept = value if due is True else tf.where(due, value, variable)
            self.assign(variable, kept)  # type: ignore[attr-defined]

    def _is_due(self, every: int) -> Any:
        """Whether this step is one of every so many."""
        return every == 1 or (self.iterations + 1) % every == 0  # type: ignore[attr-defined]

    def _index(self, variable: Any) -> int:
        return int(self._get_variable_index(variable))  # type: ignore[attr-defined]
