"""ReLU, and addition with ReLU, in as few passes over memory as possible on a CPU.

XLA compiles two functions: addition with ReLU, and for the gradient the sum over all readers of a
map with the mask of its ReLU. The numbers are those of the stock operations, bit for bit.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras

from reszoo.model.fused.xla import ON_TENSORFLOW, FanOutLayer, XlaFunction, can_compile, fan_out

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
        """Returns max(x, 0)."""
        return relu(inputs) if can_compile(inputs) else super().call(inputs)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        del config["activation"]
        return config


@keras.saving.register_keras_serializable("reszoo")
class AddReLU(FanOutLayer):
    """`Add` and `Activation("relu")` in one pass each way."""

    def call(self, inputs: Sequence[Any]) -> Any:
        """Returns max(a + b, 0), `copies` times."""
        first, second = inputs
        if can_compile(first, second):
            return _add_relu(first, second, self.copies)
        return fan_out(keras.ops.relu(keras.ops.add(first, second)), self.copies)


def relu(x: Any) -> Any:
    """Returns max(x, 0) for a TensorFlow tensor; the gradient is one kernel in bfloat16."""

    @tf.custom_gradient
    def with_fused_gradient(x: Any) -> tuple[Any, Callable[..., Any]]:
        y = tf.nn.relu(x)
        return y, lambda upstream: _RELU_GRADIENT(y, upstream)

    return with_fused_gradient(x) if x.dtype == tf.bfloat16 else tf.nn.relu(x)


def _add_relu(first: Any, second: Any, copies: int) -> Any:
    @tf.custom_gradient
    def add_relu(first: Any, second: Any) -> tuple[Any, Callable[..., Any]]:
        y = _ADD_RELU(first, second)
        return fan_out(y, copies), lambda *gradients: (_RELU_GRADIENT(y, *gradients),) * 2

    return add_relu(first, second)


def _relu_gradient(y: Any, *gradients: Any) -> Any:
    """Returns the sum of the gradients of y's readers where y is positive, else 0."""
    total = sum(gradients[1:], start=gradients[0])
    return tf.where(y > 0, total, tf.zeros_like(total))


_ADD_RELU = XlaFunction(lambda first, second: tf.nn.relu(first + second))
_RELU_GRADIENT = XlaFunction(_relu_gradient)
