"""Which convolutions learn faster on a CPU? Those whose weight gradient is a few matrix products.

oneDNN's kernel for the gradient of the weights is up to three times slower than for the other two
products of a convolution, most of all on small maps with many channels and with a stride.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras

_ON_TENSORFLOW = keras.config.backend() == "tensorflow"
if _ON_TENSORFLOW:
    import tensorflow as tf

_SMALL = 1 << 16
"""Up to so many weights a product is faster with the fewer channels first, and then turned."""


@keras.saving.register_keras_serializable("reszoo")
class ProductConv2D(keras.layers.Conv2D):
    """`keras.layers.Conv2D` with another way to its gradient.

    Each position of the kernel is one matrix product, of the pixels that it sees with what comes
    back to them. With stride 2, a kernel of one pixel also leads its gradient back to those pixels
    only, and the rest stays zero. What has other strides or other kernels that pad, an odd size
    with a stride, or unknown sizes is the stock computation.
    """

    def convolution_op(self, inputs: Any, kernel: Any) -> Any:
        """The convolution, without bias."""
        if not self._fits(inputs):
            return super().convolution_op(inputs, kernel)
        # A tensor, in the dtype of this layer: a gradient of ours cannot be that of a variable.
        kernel = tf.cast(tf.convert_to_tensor(kernel), inputs.dtype)
        return _convolution(inputs, kernel, self.strides[0], self.padding.upper())

    def _fits(self, inputs: Any) -> bool:
        if not (_ON_TENSORFLOW and isinstance(inputs, tf.Tensor)) or self.groups != 1:
            return False
        if self.data_format != "channels_last" or self.dilation_rate != (1, 1):
            return False
        sizes = inputs.shape[1:3]
        if None in sizes:
            return False
        if self.strides == (2, 2):
            even = all(size % 2 == 0 for size in sizes)
            return even and (self.padding == "valid" or self.kernel_size == (1, 1))
        same = self.padding == "same" and all(size % 2 for size in self.kernel_size)
        return self.strides == (1, 1) and (self.padding == "valid" or same)


def _convolution(inputs: Any, kernel: Any, stride: int, padding: str) -> Any:
    strides = [1, stride, stride, 1]

    @tf.custom_gradient
    def convolve(x: Any, weights: Any) -> tuple[Any, Callable[..., Any]]:
        def gradient(pull: Any) -> tuple[Any, Any]:
            # What is made of the input alone would be made as soon as the input is there, and be
            # kept until its gradient comes: nine copies of the map for a 3x3 kernel.
            with tf.control_dependencies([pull]):
                return to_input(pull), _weight_gradient(x, pull, weights.shape, stride, padding)

        def to_input(pull: Any) -> Any:
            if stride == 2 and weights.shape[:2] == (1, 1):
                return _spread(tf.nn.conv2d(pull, _turned(weights), 1, "VALID"), x)
            return tf.raw_ops.Conv2DBackpropInput(
                input_sizes=tf.shape(x),
                filter=weights,
                out_backprop=pull,
                strides=strides,
                padding=padding,
            )

        return tf.nn.conv2d(x, weights, strides, padding), gradient

    return convolve(inputs, kernel)


def _turned(weights: Any) -> Any:
    return tf.transpose(weights, [0, 1, 3, 2])


def _weight_gradient(x: Any, pull: Any, shape: Any, stride: int, padding: str) -> Any:
    """One product for each position of the kernel."""
    height, width, channels, filters = shape
    if padding == "SAME" and (height, width) != (1, 1):
        tall, wide = (height - 1) // 2, (width - 1) // 2
        x = tf.pad(x, [[0, 0], [tall, tall], [wide, wide], [0, 0]])
    rows, columns = pull.shape[1:3]
    flat = tf.reshape(pull, [-1, filters])
    products = [
        _product(tf.reshape(_seen(x, row, column, rows, columns, stride), [-1, channels]), flat)
        for row in range(height)
        for column in range(width)
    ]
    return tf.reshape(tf.stack(products), shape)


def _product(seen: Any, pull: Any) -> Any:
    channels, filters = seen.shape[1], pull.shape[1]
    if channels > filters and channels * filters <= _SMALL:
        return tf.transpose(tf.matmul(pull, seen, transpose_a=True))
    return tf.matmul(seen, pull, transpose_a=True)


def _seen(x: Any, row: int, column: int, rows: int, columns: int, stride: int) -> Any:
    """The pixels that this position of the kernel meets: (batch, rows, columns, channels)."""
    if stride == 1:
        return x[:, row : row + rows, column : column + columns]
    # As a slice of pairs of pixels: TensorFlow's strided slice is a hundred times slower.
    _, height, width, channels = x.shape
    pairs = tf.reshape(x, [-1, height // 2, 2, width // 2, 2, channels])
    top, left = row // 2, column // 2
    return pairs[:, top : top + rows, row % 2, left : left + columns, column % 2]


def _spread(small: Any, like: Any) -> Any:
    """Every pixel at the upper left of a square of two by two, the others zero."""
    _, rows, columns, channels = small.shape
    pairs = tf.reshape(small, [-1, rows, 1, columns, 1, channels])
    pairs = tf.pad(pairs, [[0, 0], [0, 0], [0, 1], [0, 0], [0, 1], [0, 0]])
    return tf.ensure_shape(tf.reshape(pairs, tf.shape(like)), like.shape)
