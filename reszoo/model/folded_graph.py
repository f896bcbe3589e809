"""How does a CPU compute a network fastest? As one graph of constants with its norms folded in.

TensorFlow's optimiser then makes one oneDNN kernel of a convolution with its bias, an addition and
a ReLU. Everything that has weights is written here; all other rows are the layers of
`reszoo.model.layer_factories`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import keras
import numpy as np
import tensorflow as tf

from reszoo.model.layer_factories import FACTORIES, Setting
from reszoo.planning.rewrites import fold_norms, for_inference
from reszoo.planning.rows import Plan, Ref, Row

_HARDLY_ZERO = 1e-30
"""A bias for a layer that has none. TensorFlow's optimiser takes out a bias of zeros, and without
one it does not fuse a convolution with what follows: ResNet-50 is then less than half as fast."""


def frozen(
    model: keras.Model, plan: Plan, dtype: str = "float32"
) -> Callable[[tf.Tensor], tf.Tensor]:
    """A function that writes a trained network, as constants, into the graph it is traced in.

        >>> graph = tf.function(frozen(model, plan(spec), "bfloat16"))
        >>> graph(images).dtype
        tf.float32

    It reads the model while it is traced, and never after.

    Args:
      model: holds the weights, by row name, in any dtype.
      plan: the canonical plan.
      dtype: what is computed in, `float32` or `bfloat16`; rows that ask for float32 get it.

    Returns:
      A function of images `(batch, height, width, channels)`, pixels 0..255 in any dtype; its
      logits are float32 `(batch, classes)`.
    """
    rows = fold_norms(for_inference(plan))
    layers = {layer.name: layer for layer in model.layers}
    setting = Setting(keras.DTypePolicy(dtype), keras.DTypePolicy("float32"), seed=None)

    def network(images: tf.Tensor) -> tf.Tensor:
        tensors = {Ref(rows.rows[0].name): tf.cast(images, tf.float32)}
        for row in rows.rows[1:]:
            inputs = [tensors[ref] for ref in row.inputs]
            if row.op in _WRITERS:
                pen = _Pen(row, layers, tf.as_dtype(row.precision or dtype))
                output = _WRITERS[row.op](pen, tf.cast(inputs[0], pen.dtype))
            else:
                output = FACTORIES[row.op](row, setting)(inputs if len(inputs) > 1 else inputs[0])
            tensors[Ref(row.name)] = output
        return tf.cast(tensors[rows.outputs[0]], tf.float32)

    return network


def folded_weights(
    row: Row, layers: Mapping[str, keras.layers.Layer]
) -> tuple[np.ndarray, np.ndarray]:
    """Kernel and bias, float64, of a convolution or dense layer and the norm it stands for.

    Args:
      row: of a plan that `fold_norms` has rewritten.
      layers: the canonical network's, by name.
    """
    layer = layers[row.name]
    kernel = _values(layer.kernel)
    bias = _values(layer.bias) if layer.use_bias else np.zeros(kernel.shape[-1])
    for name in row.stands_for[1:]:
        factor, offset = _scaling(layers[name])
        kernel, bias = kernel * factor, bias * factor + offset
    return kernel, bias


def _scaling(norm: keras.layers.BatchNormalization) -> tuple[np.ndarray, np.ndarray]:
    """What a normalisation does at inference: its factor and its offset for each channel."""
    factor = _values(norm.gamma) / np.sqrt(_values(norm.moving_variance) + norm.epsilon)
    return factor, _values(norm.beta) - _values(norm.moving_mean) * factor


def _values(variable: keras.Variable) -> np.ndarray:
    with tf.init_scope():  # outside the graph that is being written
        return keras.ops.convert_to_numpy(variable).astype(np.float64)


@dataclass(frozen=True, slots=True)
class _Pen:
    """What writes one row: its weights, and what it computes in."""

    row: Row
    layers: Mapping[str, keras.layers.Layer]
    dtype: tf.DType

    @property
    def layer(self) -> keras.layers.Layer:
        return self.layers[self.row.name]

    def constant(self, values: np.ndarray) -> tf.Tensor:
        return tf.constant(values.astype(self.dtype.as_numpy_dtype))

    def folded(self) -> tuple[tf.Tensor, tf.Tensor]:
        kernel, bias = folded_weights(self.row, self.layers)
        return self.constant(kernel), self.constant(bias if bias.any() else bias + _HARDLY_ZERO)


def _normalize(pen: _Pen, x: tf.Tensor) -> tf.Tensor:
    # Along whole rows of pixels: over 3 channels TensorFlow's loop takes four times as long.
    height, width, channels = pen.row.shape
    mean, std = (np.tile(pen.row.attributes[name], width) for name in ("mean", "std"))
    lines = tf.reshape(x, [-1, width * channels]) * pen.constant(1 / std) - pen.constant(mean / std)
    return tf.reshape(lines, [-1, height, width, channels])


def _mean_image(pen: _Pen, x: tf.Tensor) -> tf.Tensor:
    return x - pen.constant(_values(pen.layer.adapt_mean))


def _conv(pen: _Pen, x: tf.Tensor) -> tf.Tensor:
    kernel, bias = pen.folded()
    stride, padding = pen.row.attributes["stride"], pen.row.attributes["padding"].upper()
    return tf.nn.bias_add(tf.nn.conv2d(x, kernel, stride, padding), bias)


def _conv1d(pen: _Pen, x: tf.Tensor) -> tf.Tensor:
    kernel, bias = pen.folded()
    return tf.nn.bias_add(tf.nn.conv1d(x, kernel, 1, "SAME"), bias)


def _dense(pen: _Pen, x: tf.Tensor) -> tf.Tensor:
    kernel, bias = pen.folded()
    return tf.nn.bias_add(x @ kernel, bias)


def _norm(pen: _Pen, x: tf.Tensor) -> tf.Tensor:
    """A norm that no layer before it can take in, such as a pre-activation's."""
    factor, offset = _scaling(pen.layer)
    if len(x.shape) != 4:
        return x * pen.constant(factor) + pen.constant(offset)
    # One kernel reads and writes the map once, ReLU included, and scales in float32.
    result = tf.raw_ops.FusedBatchNormV3(
        x=x,
        scale=factor.astype(np.float32),
        offset=offset.astype(np.float32),
        mean=np.zeros(factor.shape, np.float32),
        variance=np.ones(factor.shape, np.float32),
        epsilon=0.0,
        is_training=False,
    )
    return result.y


def _scale(pen: _Pen, x: tf.Tensor) -> tf.Tensor:
    return x * pen.constant(_values(pen.layer.factor))


_WRITERS: Mapping[str, Callable[[_Pen, tf.Tensor], tf.Tensor]] = {
    "normalize": _normalize,
    "mean_image": _mean_image,
    "conv": _conv,
    "conv1d": _conv1d,
    "dense": _dense,
    "norm": _norm,
    "scale": _scale,
}
"""By op: what has weights, and the one row that is faster otherwise."""
