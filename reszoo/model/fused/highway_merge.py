"""How does a CPU pass through the gated merge of a highway block as few times as it can?

Srivastava 2015, coupled: y = x + T (H - x). In stock layers that is a ReLU, a sigmoid, a
difference, a product and a sum, each a pass over memory, and twice as many in the gradient; in
bfloat16 they cost a fifth of a training step. Here each direction is one island, which computes in
float32 and keeps nothing but its inputs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras

from reszoo.model.fused.xla import ON_TENSORFLOW, ForkedLayer, XlaFunction, fit, forked

if ON_TENSORFLOW:
    import tensorflow as tf


@keras.saving.register_keras_serializable("reszoo")
class GatedMerge(ForkedLayer):
    """x + sigmoid(t) (H - x) of a shortcut x, the H of a block and what opens its gate.

    Args:
      relu: whether H is the ReLU of the input h, or h itself.
      copies: how many outputs; see `ForkedLayer`.
    """

    def __init__(self, relu: bool = False, copies: int = 1, **options: Any) -> None:
        super().__init__(copies, **options)
        self.relu = relu

    def call(self, inputs: Sequence[Any]) -> Any:
        """Y for [x, h, t], as often as there are copies."""
        x, h, t = inputs
        if fit(x, h, t):
            return _merge(x, h, t, self.relu, self.copies)
        h = keras.ops.relu(h) if self.relu else h
        change = keras.ops.multiply(keras.ops.subtract(h, x), keras.ops.sigmoid(t))
        return forked(keras.ops.add(x, change), self.copies)

    def get_config(self) -> dict[str, Any]:
        """The stock layer's, and both arguments."""
        return {**super().get_config(), "relu": self.relu}


def _merge(x: Any, h: Any, t: Any, relu: bool, copies: int) -> Any:
    @tf.custom_gradient
    def merge(x: Any, h: Any, t: Any) -> tuple[Any, Callable[..., Any]]:
        y = _MERGED[relu](x, h, t)
        return forked(y, copies), lambda *pulls: _GRADIENTS[relu](x, h, t, *pulls)

    return merge(x, h, t)


def _merged(x: Any, h: Any, t: Any) -> Any:
    wide_x, wide_h, wide_t = _wide(x, h, t)
    return tf.cast(wide_x + tf.sigmoid(wide_t) * (wide_h - wide_x), x.dtype)


def _gradients(x: Any, h: Any, t: Any, *pulls: Any) -> tuple[Any, Any, Any]:
    """Of x, h and t, from what comes back from y's readers."""
    dtype = x.dtype
    x, h, t, *all_pulls = _wide(x, h, t, *pulls)
    pull, gate = sum(all_pulls[1:], start=all_pulls[0]), tf.sigmoid(t)
    through = pull * gate
    to_gate = through * (1 - gate) * (h - x)
    return tf.cast(pull - through, dtype), tf.cast(through, dtype), tf.cast(to_gate, dtype)


def _gradients_of_relu(x: Any, h: Any, t: Any, *pulls: Any) -> tuple[Any, Any, Any]:
    to_x, to_h, to_t = _gradients(x, tf.nn.relu(h), t, *pulls)
    return to_x, tf.where(h > 0, to_h, tf.zeros_like(to_h)), to_t


def _wide(*tensors: Any) -> list[Any]:
    """In float32, or float64 where they are: inside an island that costs nothing."""
    return [one if one.dtype == tf.float64 else tf.cast(one, tf.float32) for one in tensors]


_MERGED = {
    False: XlaFunction(_merged),
    True: XlaFunction(lambda x, h, t: _merged(x, tf.nn.relu(h), t)),
}
_GRADIENTS = {False: XlaFunction(_gradients), True: XlaFunction(_gradients_of_relu)}
"""By whether H is a ReLU."""
