"""Elementwise functions of feature maps, compiled by XLA into one pass over memory.

TensorFlow's CPU kernels take one pass each, and in bfloat16 their arithmetic is slower than the
memory. XLA is slower than oneDNN at everything that is not elementwise, so it compiles only that.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras

ON_TENSORFLOW = keras.config.backend() == "tensorflow"
if ON_TENSORFLOW:
    import tensorflow as tf


class XlaFunction:
    """An elementwise function of maps of one shape, compiled by XLA for each input signature.

    It returns one map of their shape, or a tuple of them.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function
        self._compiled: Callable[..., Any] | None = None

    def __call__(self, *maps: Any) -> Any:
        if self._compiled is None:  # on first use, to keep imports fast
            self._compiled = tf.function(self._function, jit_compile=True, autograph=False)
        # Flattened, because XLA's loop over (.., 16) channels is twice as slow.
        result = self._compiled(*(tf.reshape(x, [-1]) for x in maps))
        if isinstance(result, tuple):
            return tuple(_reshape_like(y, maps[0]) for y in result)
        return _reshape_like(result, maps[0])


class FanOutLayer(keras.layers.Layer):
    """Base of layers without weights whose inputs and outputs are maps of one shape.

    Args:
      copies: number of outputs, all of them the same map. With one output per reader, the sum of
        the readers' gradients is part of the layer's single pass too.
    """

    def __init__(self, copies: int = 1, **options: Any) -> None:
        super().__init__(**options)
        self.copies = copies

    def build(self, _: Any) -> None:
        self.built = True

    def compute_output_spec(self, inputs: Sequence[Any]) -> Any:
        """Returns the shape of the inputs, `copies` times."""
        spec = [keras.KerasTensor(inputs[0].shape, self.compute_dtype) for _ in range(self.copies)]
        return spec[0] if self.copies == 1 else spec

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "copies": self.copies}


def can_compile(*inputs: Any) -> bool:
    """Returns whether XLA can compile a function of these: TensorFlow tensors of one shape."""
    if not (ON_TENSORFLOW and all(isinstance(x, tf.Tensor) for x in inputs)):
        return False
    return all(x.shape.as_list() == inputs[0].shape.as_list() for x in inputs)


def fan_out(y: Any, copies: int) -> Any:
    """Returns the map once per reader, so that each reader has a gradient of its own."""
    return y if copies == 1 else [y] * copies


def _reshape_like(flat: Any, like: Any) -> Any:
    return tf.ensure_shape(tf.reshape(flat, tf.shape(like)), like.shape)
