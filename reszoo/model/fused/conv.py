"""Convolutions with a faster weight gradient on CPUs: a few matrix products.

oneDNN's kernel for the gradient of the weights is up to three times slower than those for the other
two products of a convolution, most of all on small maps with many channels and with a stride.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import keras

from reszoo.model.fused.xla import ON_TENSORFLOW

if ON_TENSORFLOW:
    import tensorflow as tf

_SMALL_KERNEL = 1 << 16
"""Weights up to which a product is faster with the smaller channel axis first, then transposed."""


@keras.saving.register_keras_serializable("reszoo")
class ProductConv2D(keras.layers.Conv2D):
    """`keras.layers.Conv2D` with its weight gradient computed as matrix products.

    Each kernel position takes one product, of the pixels it reads with the upstream gradient. With
    stride 2, a 1x1 kernel also computes its input gradient at those pixels only; the others are
    zero. Other strides, dilation, groups, even kernels that pad, padding or odd sizes with a
    stride, and unknown sizes are computed by the stock layer.
    """

    def convolution_op(self, inputs: Any, kernel: Any) -> Any:
        """Returns the convolution, without bias."""
        if not self._supports_products(inputs):
            return super().convolution_op(inputs, kernel)
        # A tensor, in the dtype of this layer: a custom gradient cannot be that of a variable.
        kernel = tf.cast(tf.convert_to_tensor(kernel), inputs.dtype)
        return _convolution(inputs, kernel, self.strides[0], self.padding.upper())

    def _supports_products(self, inputs: Any) -> bool:
        if not (ON_TENSORFLOW and isinstance(inputs, tf.Tensor)) or None in inputs.shape[1:3]:
            return False
        options = (self.groups, self.data_format, self.dilation_rate)
        if options != (1, "channels_last", (1, 1)):
            return False
        if self.strides == (2, 2):
            even = all(size % 2 == 0 for size in inputs.shape[1:3])
            return even and (self.padding == "valid" or self.kernel_size == (1, 1))
        odd_kernel = all(size % 2 for size in self.kernel_size)
        return self.strides == (1, 1) and (self.padding == "valid" or odd_kernel)


def _convolution(inputs: Any, kernel: Any, stride: int, padding: str) -> Any:
    strides = [1, stride, stride, 1]

    @tf.custom_gradient
    def convolve(x: Any, weights: Any) -> tuple[Any, Callable[..., Any]]:
        def gradient(upstream: Any) -> tuple[Any, Any]:
            # Without the dependency, what needs only the input is computed in the forward pass and
            # kept until the gradient comes: nine copies of the map for a 3x3 kernel.
            with tf.control_dependencies([upstream]):
                kernel_gradient = _kernel_gradient(x, upstream, weights.shape, stride, padding)
                return input_gradient(upstream), kernel_gradient

        def input_gradient(upstream: Any) -> Any:
            if stride == 2 and weights.shape[:2] == (1, 1):
                transposed = tf.transpose(weights, [0, 1, 3, 2])
                return _upsample(tf.nn.conv2d(upstream, transposed, 1, "VALID"), x)
            return tf.raw_ops.Conv2DBackpropInput(
                input_sizes=tf.shape(x),
                filter=weights,
                out_backprop=upstream,
                strides=strides,
                padding=padding,
            )

        return tf.nn.conv2d(x, weights, strides, padding), gradient

    return convolve(inputs, kernel)


def _kernel_gradient(x: Any, upstream: Any, shape: Any, stride: int, padding: str) -> Any:
    """Returns the gradient of the kernel, from one product for each of its positions."""
    height, width, channels, filters = shape
    if padding == "SAME" and (height, width) != (1, 1):
        rows, columns = (height - 1) // 2, (width - 1) // 2
        x = tf.pad(x, [[0, 0], [rows, rows], [columns, columns], [0, 0]])
    rows, columns = upstream.shape[1:3]
    flat = tf.reshape(upstream, [-1, filters])
    products = []
    for row, column in itertools.product(range(height), range(width)):
        pixels = _pixels_at(x, row, column, rows, columns, stride)
        products.append(_product(tf.reshape(pixels, [-1, channels]), flat))
    return tf.reshape(tf.stack(products), shape)


def _product(pixels: Any, upstream: Any) -> Any:
    channels, filters = pixels.shape[1], upstream.shape[1]
    if channels > filters and channels * filters <= _SMALL_KERNEL:
        return tf.transpose(tf.matmul(upstream, pixels, transpose_a=True))
    return tf.matmul(pixels, upstream, transpose_a=True)


def _pixels_at(x: Any, row: int, column: int, rows: int, columns: int, stride: int) -> Any:
    """Returns the pixels that a kernel position reads: (batch, rows, columns, channels)."""
    if stride == 1:
        return x[:, row : row + rows, column : column + columns]
    # A slice of pairs of pixels, because TensorFlow's strided slice is a hundred times slower.
    _, height, width, channels = x.shape
    pairs = tf.reshape(x, [-1, height // 2, 2, width // 2, 2, channels])
    top, left = row // 2, column // 2
    return pairs[:, top : top + rows, row % 2, left : left + columns, column % 2]


def _upsample(small: Any, like: Any) -> Any:
    """Upsamples by 2: each pixel becomes the upper left one of a 2x2 square of zeros."""
    _, rows, columns, channels = small.shape
    pairs = tf.reshape(small, [-1, rows, 1, columns, 1, channels])
    pairs = tf.pad(pairs, [[0, 0], [0, 0], [0, 1], [0, 0], [0, 1], [0, 0]])
    return tf.ensure_shape(tf.reshape(pairs, tf.shape(like)), like.shape)
