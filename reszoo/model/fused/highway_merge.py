"""The gated merge of a highway block in one pass over memory each way on a CPU.

Srivastava 2015, coupled: y = x + T (H - x). In stock layers that is a ReLU, a sigmoid, a
difference, a product and a sum, each a pass over memory, and twice as many in the gradient; in
bfloat16 they cost a fifth of a training step. Here each direction is one function compiled by XLA,
which computes in float32 and keeps only its inputs.

`InterleavedMerge` takes h and t as the channels of one map in turns, from one convolution. XLA is
given each pair as an integer of twice the bits, because it is slow at halves of a map: it would
write each in a loop of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras

from reszoo.model.fused.xla import ON_TENSORFLOW, FanOutLayer, XlaFunction, can_compile, fan_out

if ON_TENSORFLOW:
    import tensorflow as tf

    _BITS = {tf.bfloat16: (tf.uint16, tf.uint32), tf.float32: (tf.uint32, tf.uint64)}
    """By dtype: integers of as many bits, and of twice as many."""


@keras.saving.register_keras_serializable("reszoo")
class GatedMerge(FanOutLayer):
    """x + sigmoid(t) (H - x), for a shortcut x, a block's transform H and the gate's logits t.

    Args:
      relu: whether H is the ReLU of the input h, and not h itself.
      copies: number of outputs; see `FanOutLayer`.
    """

    def __init__(self, relu: bool = False, copies: int = 1, **options: Any) -> None:
        super().__init__(copies, **options)
        self.relu = relu

    def call(self, inputs: Sequence[Any]) -> Any:
        """Returns y for [x, h, t], `copies` times."""
        x, h, t = inputs
        if can_compile(x, h, t):
            return _merge(x, h, t, self.relu, self.copies)
        return fan_out(_stock_merge(x, keras.ops.relu(h) if self.relu else h, t), self.copies)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "relu": self.relu}


@keras.saving.register_keras_serializable("reszoo")
class InterleavedMerge(FanOutLayer):
    """x + sigmoid(t) (relu(h) - x), for a shortcut x and a map with the channels h0, t0, h1, t1..

    See `reszoo.model.fused.joint_conv`.
    """

    def call(self, inputs: Sequence[Any]) -> Any:
        """Returns y for [x, ht], `copies` times."""
        x, ht = inputs
        if can_compile(x) and x.dtype in _BITS:
            return _interleaved_merge(x, ht, self.copies)
        h, t = (ht[..., first::2] for first in (0, 1))
        return fan_out(_stock_merge(x, keras.ops.relu(h), t), self.copies)


def _stock_merge(x: Any, h: Any, t: Any) -> Any:
    change = keras.ops.multiply(keras.ops.subtract(h, x), keras.ops.sigmoid(t))
    return keras.ops.add(x, change)


def _merge(x: Any, h: Any, t: Any, relu: bool, copies: int) -> Any:
    @tf.custom_gradient
    def merge(x: Any, h: Any, t: Any) -> tuple[Any, Callable[..., Any]]:
        y = _FORWARD[relu](x, h, t)
        return fan_out(y, copies), lambda *gradients: _BACKWARD[relu](x, h, t, *gradients)

    return merge(x, h, t)


def _interleaved_merge(x: Any, ht: Any, copies: int) -> Any:
    @tf.custom_gradient
    def merge(x: Any, ht: Any) -> tuple[Any, Callable[..., Any]]:
        pairs = tf.bitcast(tf.reshape(ht, [-1, 2]), _BITS[x.dtype][1])

        def gradient(*gradients: Any) -> tuple[Any, Any]:
            to_x, to_pairs = _PAIRS_BACKWARD(x, pairs, *gradients)
            return to_x, tf.reshape(tf.bitcast(to_pairs, x.dtype), tf.shape(ht))

        return fan_out(_PAIRS_FORWARD(x, pairs), copies), gradient

    return merge(x, ht)


def _merge_forward(x: Any, h: Any, t: Any) -> Any:
    dtype = x.dtype
    x, h, t = _full_precision(x, h, t)
    return tf.cast(x + tf.sigmoid(t) * (h - x), dtype)


def _merge_backward(x: Any, h: Any, t: Any, *gradients: Any) -> tuple[Any, Any, Any]:
    """Returns the gradients of x, h and t, from those of y's readers."""
    dtype = x.dtype
    x, h, t, first, *others = _full_precision(x, h, t, *gradients)
    upstream, gate = sum(others, start=first), tf.sigmoid(t)
    to_h = upstream * gate
    to_t = to_h * (1 - gate) * (h - x)
    return tf.cast(upstream - to_h, dtype), tf.cast(to_h, dtype), tf.cast(to_t, dtype)


def _relu_merge_backward(x: Any, h: Any, t: Any, *gradients: Any) -> tuple[Any, Any, Any]:
    to_x, to_h, to_t = _merge_backward(x, tf.nn.relu(h), t, *gradients)
    return to_x, tf.where(h > 0, to_h, tf.zeros_like(to_h)), to_t


def _pairs_forward(x: Any, pairs: Any) -> Any:
    h, t = _split(pairs, x.dtype)
    return _merge_forward(x, tf.nn.relu(h), t)


def _pairs_backward(x: Any, pairs: Any, *gradients: Any) -> tuple[Any, Any]:
    to_x, to_h, to_t = _relu_merge_backward(x, *_split(pairs, x.dtype), *gradients)
    return to_x, _pair(to_h, to_t)


def _split(pairs: Any, dtype: Any) -> tuple[Any, Any]:
    """Returns the numbers in the lower and in the upper bits of integers."""
    bits, twice = _BITS[dtype]
    upper = tf.bitwise.right_shift(pairs, tf.constant(8 * bits.size, twice))
    return tf.bitcast(tf.cast(pairs, bits), dtype), tf.bitcast(tf.cast(upper, bits), dtype)


def _pair(lower: Any, upper: Any) -> Any:
    """Returns integers with the bits of two numbers each."""
    bits, twice = _BITS[lower.dtype]
    low, high = (tf.cast(tf.bitcast(x, bits), twice) for x in (lower, upper))
    return low | tf.bitwise.left_shift(high, tf.constant(8 * bits.size, twice))


def _full_precision(*tensors: Any) -> list[Any]:
    """Casts to float32, except float64; inside a function compiled by XLA that costs nothing."""
    return [x if x.dtype == tf.float64 else tf.cast(x, tf.float32) for x in tensors]


_FORWARD = {
    False: XlaFunction(_merge_forward),
    True: XlaFunction(lambda x, h, t: _merge_forward(x, tf.nn.relu(h), t)),
}
_BACKWARD = {False: XlaFunction(_merge_backward), True: XlaFunction(_relu_merge_backward)}
"""Keys: whether H is a ReLU."""
_PAIRS_FORWARD, _PAIRS_BACKWARD = XlaFunction(_pairs_forward), XlaFunction(_pairs_backward)
