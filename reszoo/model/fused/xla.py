"""How is arithmetic on feature maps made one pass over memory? As an island that XLA compiles.

TensorFlow's kernels on a CPU are one pass each, and in bfloat16 their arithmetic is slower than the
memory. XLA is slower than oneDNN at everything that is not elementwise, so no more than that is
given to it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras

ON_TENSORFLOW = keras.config.backend() == "tensorflow"
if ON_TENSORFLOW:
    import tensorflow as tf


class XlaFunction:
    """An elementwise function of maps of one shape, compiled for each kind of them it meets.

    Args:
      function: of tensors, to one tensor of their shape or a tuple of such.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function
        self._compiled: Callable[..., Any] | None = None

    def __call__(self, *maps: Any) -> Any:
        """What the function returns, in the shape of the first map."""
        if self._compiled is None:  # not sooner: importing costs nothing
            self._compiled = tf.function(self._function, jit_compile=True, autograph=False)
        # In one dimension XLA's loop is one loop; over (.., 16) channels it is twice as slow.
        result = self._compiled(*(tf.reshape(one, [-1]) for one in maps))
        if isinstance(result, tuple):
            return tuple(_shaped(one, maps[0]) for one in result)
        return _shaped(result, maps[0])


class ForkedLayer(keras.layers.Layer):
    """A layer without weights, whose inputs and outputs are maps of one shape.

    Args:
      copies: how many outputs, all of them the same map. With one for each layer that reads it, the
        sum of their gradients is part of the layer's one pass as well.
    """

    def __init__(self, copies: int = 1, **options: Any) -> None:
        super().__init__(**options)
        self.copies = copies

    def build(self, _: Any) -> None:
        """There is nothing to build."""
        self.built = True

    def compute_output_spec(self, inputs: Sequence[Any]) -> Any:
        """The shape of all inputs, which is one."""
        spec = [keras.KerasTensor(inputs[0].shape, self.compute_dtype) for _ in range(self.copies)]
        return spec[0] if self.copies == 1 else spec

    def get_config(self) -> dict[str, Any]:
        """The stock layer's, and how many copies."""
        return {**super().get_config(), "copies": self.copies}


def fit(*inputs: Any) -> bool:
    """Whether an island can be made of these: TensorFlow's tensors, all of one shape."""
    if not (ON_TENSORFLOW and all(isinstance(one, tf.Tensor) for one in inputs)):
        return False
    return all(one.shape.as_list() == inputs[0].shape.as_list() for one in inputs)


def forked(y: Any, copies: int) -> Any:
    """The same map for each of its readers: each then gives back a gradient of its own."""
    return y if copies == 1 else [y] * copies


def _shaped(flat: Any, like: Any) -> Any:
    return tf.ensure_shape(tf.reshape(flat, tf.shape(like)), like.shape)
