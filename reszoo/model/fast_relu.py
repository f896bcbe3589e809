"""How does a CPU pass through ReLU, and through addition and ReLU, as few times as it can?

TensorFlow's own kernels are one pass over memory each, and in bfloat16 their arithmetic is slower
than the memory. Here XLA makes one kernel of what belongs together: addition with ReLU, and in the
gradient the sum over everything that reads a map with the mask of its ReLU. The numbers are those
of the stock operations, bit for bit.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras

_ON_TENSORFLOW = keras.config.backend() == "tensorflow"
if _ON_TENSORFLOW:
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
        return _relu(inputs) if _fits(inputs) else super().call(inputs)

    def get_config(self) -> dict[str, Any]:
        """The stock layer's, without the function's name."""
        config = super().get_config()
        del config["activation"]
        return config


@keras.saving.register_keras_serializable("reszoo")
class AddReLU(keras.layers.Layer):
    """`Add` and `Activation("relu")` in one pass, and so is their gradient.

    Args:
      copies: how many outputs, all of them the same map. With one for each layer that reads it, the
        sum of their gradients is part of the one pass as well.
    """

    def __init__(self, copies: int = 1, **options: Any) -> None:
        super().__init__(**options)
        self.copies = copies

    def build(self, _: Any) -> None:
        """There is nothing to build."""
        self.built = True

    def call(self, inputs: Sequence[Any]) -> Any:
        """max(a + b, 0), as often as there are copies."""
        first, second = inputs
        if _fits(first, second) and first.shape.as_list() == second.shape.as_list():
            return _add_relu(first, second, self.copies)
        total = keras.ops.relu(keras.ops.add(first, second))
        return total if self.copies == 1 else [total] * self.copies

    def compute_output_spec(self, inputs: Sequence[Any]) -> Any:
        """The shape of both inputs, which is one."""
        spec = [keras.KerasTensor(inputs[0].shape, self.compute_dtype) for _ in range(self.copies)]
        return spec[0] if self.copies == 1 else spec

    def get_config(self) -> dict[str, Any]:
        """The stock layer's, and how many copies."""
        return {**super().get_config(), "copies": self.copies}


def _fits(*inputs: Any) -> bool:
    return _ON_TENSORFLOW and all(isinstance(one, tf.Tensor) for one in inputs)


def _relu(x: Any) -> Any:
    @tf.custom_gradient
    def relu(x: Any) -> tuple[Any, Callable[..., Any]]:
        y = tf.nn.relu(x)
        return y, lambda pull: _masked(y, [pull])

    return relu(x)


def _add_relu(first: Any, second: Any, copies: int) -> Any:
    @tf.custom_gradient
    def add_relu(first: Any, second: Any) -> tuple[Any, Callable[..., Any]]:
        y = _flat(_kernels().add_relu, first, second)

        def gradient(*pulls: Any) -> tuple[Any, Any]:
            pull = _masked(y, pulls)
            return pull, pull

        return (y if copies == 1 else [y] * copies), gradient

    return add_relu(first, second)


def _masked(y: Any, pulls: Sequence[Any]) -> Any:
    """The sum of what comes back from y's readers, where y is positive."""
    return _flat(_kernels().masked, y, *pulls)


def _flat(kernel: Callable[..., Any], *tensors: Any) -> Any:
    # In one dimension XLA's loop is one loop; over (.., 16) channels it is twice as slow.
    result = kernel(*(tf.reshape(tensor, [-1]) for tensor in tensors))
    return tf.ensure_shape(tf.reshape(result, tf.shape(tensors[0])), tensors[0].shape)


class _Kernels:
    """The compiled functions, made when a layer first runs: importing costs nothing."""

    def __init__(self) -> None:
        options = {"jit_compile": True, "autograph": False}
        self.add_relu = tf.function(lambda a, b: tf.nn.relu(a + b), **options)
        self.masked = tf.function(_masked_sum, **options)


def _masked_sum(y: Any, *pulls: Any) -> Any:
    total = pulls[0]
    for pull in pulls[1:]:
        total += pull
    return tf.where(y > 0, total, tf.zeros_like(total))


_made: list[_Kernels] = []


def _kernels() -> _Kernels:
    if not _made:
        _made.append(_Kernels())
    return _made[0]
