"""How does a CPU pass through ReLU, and through addition and ReLU, as few times as it can?

One island is addition with ReLU; in the gradient another is the sum over everything that reads a
map, with the mask of its ReLU. The numbers are those of the stock operations, bit for bit.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras

from reszoo.model.fused.xla import ON_TENSORFLOW, ForkedLayer, XlaFunction, fit, forked

if ON_TENSORFLOW:
    import tensorflow as tf


@keras.saving.register_keras_serializable("reszoo")
class FusedReLU(keras.layers.Activation):
    """`keras.layers.Activation("relu")` whose gradient is one kernel.

    The forward pass stays TensorFlow's: it runs inside the normalisation's kernel.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__("relu", **options)

    def call(self, inputs: Any) -> Any:
        """max(x, 0)."""
        return _relu(inputs) if fit(inputs) else super().call(inputs)

    def get_config(self) -> dict[str, Any]:
        """The stock layer's, without the function's name."""
        config = super().get_config()
        del config["activation"]
        return config


@keras.saving.register_keras_serializable("reszoo")
class AddReLU(ForkedLayer):
    """`Add` and `Activation("relu")` in one pass, and so is their gradient."""

    def call(self, inputs: Sequence[Any]) -> Any:
        """max(a + b, 0), as often as there are copies."""
        first, second = inputs
        if fit(first, second):
            return _add_relu(first, second, self.copies)
        return forked(keras.ops.relu(keras.ops.add(first, second)), self.copies)


def _relu(x: Any) -> Any:
    @tf.custom_gradient
    def relu(x: Any) -> tuple[Any, Callable[..., Any]]:
        y = tf.nn.relu(x)
        return y, lambda pull: _MASKED(y, pull)

    return relu(x)


def _add_relu(first: Any, second: Any, copies: int) -> Any:
    @tf.custom_gradient
    def add_relu(first: Any, second: Any) -> tuple[Any, Callable[..., Any]]:
        y = _ADD_RELU(first, second)

        def gradient(*pulls: Any) -> tuple[Any, Any]:
            pull = _MASKED(y, *pulls)
            return pull, pull

        return forked(y, copies), gradient

    return add_relu(first, second)


def _masked(y: Any, *pulls: Any) -> Any:
    """The sum of what comes back from y's readers, where y is positive."""
    total = sum(pulls[1:], start=pulls[0])
    return tf.where(y > 0, total, tf.zeros_like(total))


_ADD_RELU = XlaFunction(lambda first, second: tf.nn.relu(first + second))
_MASKED = XlaFunction(_masked)
