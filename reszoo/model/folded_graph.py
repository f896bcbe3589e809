"""Trained networks as one graph of constants with their norms folded in, for fast CPU inference.

TensorFlow's optimiser then fuses each convolution with its bias, an addition and a ReLU into one
oneDNN kernel. Rows with weights are written here; all others are the layers of
`reszoo.model.layer_factories`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import keras
import numpy as np
import tensorflow as tf

from reszoo.model.layer_factories import FACTORIES, LayerSettings
from reszoo.model.layers import LearnedScale
from reszoo.planning.rewrites import fold_norms, for_inference
from reszoo.planning.rows import Plan, Ref, Row
from reszoo.spec.per_axis import axes

_TINY_BIAS = 1e-30
"""A bias for a layer that has none. TensorFlow's optimiser removes a bias of zeros, and without one
it does not fuse a convolution with what follows: ResNet-50 is then less than half as fast."""


def folded_graph(
    model: keras.Model, plan: Plan, dtype: str = "float32"
) -> Callable[[tf.Tensor], tf.Tensor]:
    """Returns a function that writes a trained network, as constants, into the traced graph.

        >>> graph = tf.function(folded_graph(model, plan(spec), "bfloat16"))
        >>> graph(images).dtype
        tf.float32

    The function takes images `(batch, height, width, channels)`, pixels 0..255 in any dtype, and
    returns float32 logits `(batch, classes)`. It computes in `dtype`, float32 or bfloat16, except
    for rows that require float32. The model, whose weights may have any dtype, is read only during
    tracing; `plan` is its canonical plan.
    """
    rows = fold_norms(for_inference(plan))
    layers = {layer.name: layer for layer in model.layers}
    settings = LayerSettings(keras.DTypePolicy(dtype), keras.DTypePolicy("float32"), seed=None)

    def network(images: tf.Tensor) -> tf.Tensor:
        tensors = {Ref(rows.rows[0].name): tf.cast(images, tf.float32)}
        for row in rows.rows[1:]:
            inputs = [tensors[ref] for ref in row.inputs]
            if row.op in _WRITERS:
                context = _RowContext(row, layers, tf.as_dtype(row.precision or dtype))
                output = _WRITERS[row.op](context, tf.cast(inputs[0], context.dtype))
            else:
                output = FACTORIES[row.op](row, settings)(inputs if len(inputs) > 1 else inputs[0])
            tensors[Ref(row.name)] = output
        return tf.cast(tensors[rows.outputs[0]], tf.float32)

    return network


def folded_weights(
    row: Row, layers: Mapping[str, keras.layers.Layer]
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the float64 kernel and bias of a convolution or dense layer with its norm folded in.

    `fold_norms`, and possibly `fold_factors`, have rewritten the row; `layers` are those of the
    canonical network.
    """
    layer = layers[row.name]
    kernel = _values(layer.kernel)
    bias = _values(layer.bias) if layer.use_bias else np.zeros(kernel.shape[-1])
    for name in row.stands_for[1:]:
        factor, offset = scale_and_offset(layers[name])
        kernel, bias = kernel * factor, bias * factor + offset
    return kernel, bias


def scale_and_offset(
    layer: keras.layers.BatchNormalization | LearnedScale | keras.layers.Rescaling,
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the factor and the offset that a layer applies at inference, float64.

    A normalisation has one of each per channel; the other layers may have one for all channels.
    """
    if isinstance(layer, LearnedScale):
        return _values(layer.factor), np.zeros(())
    if isinstance(layer, keras.layers.Rescaling):
        return np.asarray(layer.scale, np.float64), np.asarray(layer.offset, np.float64)
    return _norm_scale_and_offset(layer)


def _norm_scale_and_offset(norm: keras.layers.BatchNormalization) -> tuple[np.ndarray, np.ndarray]:
    factor = _values(norm.gamma) / np.sqrt(_values(norm.moving_variance) + norm.epsilon)
    return factor, _values(norm.beta) - _values(norm.moving_mean) * factor


def _values(variable: keras.Variable) -> np.ndarray:
    with tf.init_scope():  # outside the graph that is being traced
        return keras.ops.convert_to_numpy(variable).astype(np.float64)


@dataclass(frozen=True, slots=True)
class _RowContext:
    """A row to write, with the model's layers and the row's compute dtype."""

    row: Row
    layers: Mapping[str, keras.layers.Layer]
    dtype: tf.DType

    @property
    def layer(self) -> keras.layers.Layer:
        return self.layers[self.row.name]

    def constant(self, values: np.ndarray) -> tf.Tensor:
        return tf.constant(values.astype(self.dtype.as_numpy_dtype))

    def folded_constants(self) -> tuple[tf.Tensor, tf.Tensor]:
        kernel, bias = folded_weights(self.row, self.layers)
        return self.constant(kernel), self.constant(bias if bias.any() else bias + _TINY_BIAS)


def _normalize(context: _RowContext, x: tf.Tensor) -> tf.Tensor:
    # Along whole rows of pixels: over 3 channels TensorFlow's loop takes four times as long.
    height, width, channels = context.row.shape
    mean, std = (np.tile(context.row.attributes[name], width) for name in ("mean", "std"))
    scale, offset = context.constant(1 / std), context.constant(mean / std)
    lines = tf.reshape(x, [-1, width * channels]) * scale - offset
    return tf.reshape(lines, [-1, height, width, channels])


def _mean_image(context: _RowContext, x: tf.Tensor) -> tf.Tensor:
    return x - context.constant(_values(context.layer.adapt_mean))


def _scale(context: _RowContext, x: tf.Tensor) -> tf.Tensor:
    return x * context.constant(_values(context.layer.factor))


def _conv(context: _RowContext, x: tf.Tensor) -> tf.Tensor:
    kernel, bias = context.folded_constants()
    strides, padding = axes(context.row.attributes["stride"]), context.row.attributes["padding"]
    outputs = tf.nn.conv2d(x, kernel, strides, padding.upper())
    if context.row.attributes["groups"] > 1:
        # TensorFlow fuses BiasAdd into a kernel that, without oneDNN, refuses groups.
        return outputs + bias
    return tf.nn.bias_add(outputs, bias)


def _conv1d(context: _RowContext, x: tf.Tensor) -> tf.Tensor:
    kernel, bias = context.folded_constants()
    return tf.nn.bias_add(tf.nn.conv1d(x, kernel, 1, "SAME"), bias)


def _dense(context: _RowContext, x: tf.Tensor) -> tf.Tensor:
    kernel, bias = context.folded_constants()
    return tf.nn.bias_add(x @ kernel, bias)


def _norm(context: _RowContext, x: tf.Tensor) -> tf.Tensor:
    """Writes a norm that cannot be folded into a layer before it, such as a pre-activation's."""
    factor, offset = scale_and_offset(context.layer)
    if len(x.shape) != 4:
        return x * context.constant(factor) + context.constant(offset)
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


def _group_norm(context: _RowContext, x: tf.Tensor) -> tf.Tensor:
    """Writes a group normalisation, in float32 as Keras computes it."""
    shape, groups = context.row.shape, context.row.attributes["groups"]
    members = shape[-1] // groups
    grouped = tf.reshape(tf.cast(x, tf.float32), [-1, *shape[:-1], groups, members])
    axes = [axis for axis in range(1, len(shape) + 2) if axis != len(shape)]
    mean, variance = tf.nn.moments(grouped, axes, keepdims=True)
    gamma, beta = (
        _values(weight).reshape(groups, members).astype(np.float32)
        for weight in (context.layer.gamma, context.layer.beta)
    )
    factor = tf.math.rsqrt(variance + context.row.attributes["epsilon"]) * gamma
    normalised = grouped * factor + (beta - mean * factor)
    return tf.cast(tf.reshape(normalised, [-1, *shape]), context.dtype)


_WRITERS: Mapping[str, Callable[[_RowContext, tf.Tensor], tf.Tensor]] = {
    "normalize": _normalize,
    "mean_image": _mean_image,
    "conv": _conv,
    "conv1d": _conv1d,
    "dense": _dense,
    "norm": _norm,
    "centred_group_norm": _group_norm,
    "scale": _scale,
}
"""By op: all rows with weights, and `normalize`, which is faster this way."""
