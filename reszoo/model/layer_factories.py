"""Keras layers of plan rows: one factory for each op of `reszoo.planning.ops`.

Kernels are created with zeros; `reszoo.model.initializers` draws their initial values.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import keras
import numpy as np

from reszoo.model.fused.batch_norm import FusedBatchNormalization
from reszoo.model.fused.conv import ProductConv2D
from reszoo.model.fused.highway_merge import GatedMerge, InterleavedMerge
from reszoo.model.fused.joint_conv import DeferredConv2D, InterleavedConv2D
from reszoo.model.fused.relu import AddReLU, FusedReLU
from reszoo.model.initializers import row_seed
from reszoo.model.layers import (
    Blur,
    CentredContrast,
    CentredGroupNorm,
    ConstantPadding2D,
    LearnedScale,
)
from reszoo.model.quantized_layers import (
    ChannelOffset,
    ChannelScale,
    FakeQuantize,
    QuantizedConv1D,
    QuantizedConv2D,
    QuantizedDense,
)
from reszoo.planning.rows import Row

_LAST = {"data_format": "channels_last"}


@dataclass(frozen=True, slots=True)
class LayerSettings:
    """Settings that all layers of one build share."""

    policy: keras.DTypePolicy
    full_precision: keras.DTypePolicy
    """For rows that require float32: float32, or float64 in a float64 model."""
    seed: int | None

    def common(self, row: Row) -> dict[str, Any]:
        """Returns the arguments that every layer takes: its name and dtype policy."""
        return {"name": row.name, "dtype": self.full_precision if row.precision else self.policy}


Factory = Callable[[Row, LayerSettings], keras.layers.Layer]


def _layer(layer: Callable[..., keras.layers.Layer], *attributes: str, **options: Any) -> Factory:
    """Returns a factory that passes attributes of the row by position, and the same options."""

    def make(row: Row, settings: LayerSettings) -> keras.layers.Layer:
        arguments = (row.attributes[name] for name in attributes)
        return layer(*arguments, **options, **settings.common(row))

    return make


def _normalize(row: Row, settings: LayerSettings) -> keras.layers.Layer:
    mean, std = row.attributes["mean"], row.attributes["std"]
    scale = [1.0 / sigma for sigma in std]
    offset = [-mu / sigma for mu, sigma in zip(mean, std, strict=True)]
    return _rescaling(scale, offset, settings.common(row))


def _rescale(row: Row, settings: LayerSettings) -> keras.layers.Layer:
    return _rescaling(row.attributes["scale"], row.attributes["offset"], settings.common(row))


def _rescaling(scale: Any, offset: Any, common: Mapping[str, Any]) -> keras.layers.Layer:
    if common["dtype"].compute_dtype == "float64":
        # TensorFlow rounds Python's numbers to float32 before it casts them.
        scale, offset = np.asarray(scale, np.float64), np.asarray(offset, np.float64)
    return keras.layers.Rescaling(scale, offset, **common)


def _conv(layer: Callable[..., keras.layers.Layer]) -> Factory:
    def make(row: Row, settings: LayerSettings) -> keras.layers.Layer:
        return layer(
            row.attributes["filters"],
            row.attributes["kernel"],
            strides=row.attributes["stride"],
            padding=row.attributes["padding"],
            groups=row.attributes["groups"],
            use_bias=row.attributes["bias"],
            kernel_initializer="zeros",
            bias_initializer=_constant(row.attributes["bias_initial"]),
            **_LAST,
            **settings.common(row),
        )

    return make


def _interleaved_conv(row: Row, settings: LayerSettings) -> keras.layers.Layer:
    layer = partial(InterleavedConv2D, products=row.attributes["products"])
    return _conv(layer)(row, settings)


def _conv1d(layer: Callable[..., keras.layers.Layer]) -> Factory:
    def make(row: Row, settings: LayerSettings) -> keras.layers.Layer:
        return layer(
            row.attributes["filters"],
            row.attributes["kernel"],
            padding="same",
            use_bias=row.attributes["bias"],
            kernel_initializer="zeros",
            **_LAST,
            **settings.common(row),
        )

    return make


def _dense(layer: Callable[..., keras.layers.Layer]) -> Factory:
    def make(row: Row, settings: LayerSettings) -> keras.layers.Layer:
        return layer(
            row.attributes["units"],
            use_bias=row.attributes["bias"],
            kernel_initializer="zeros",
            bias_initializer=_constant(row.attributes["bias_initial"]),
            **settings.common(row),
        )

    return make


def _norm(layer: Callable[..., keras.layers.Layer], **options: Any) -> Factory:
    def make(row: Row, settings: LayerSettings) -> keras.layers.Layer:
        return layer(
            epsilon=row.attributes["epsilon"],
            momentum=row.attributes["momentum"],
            gamma_initializer="zeros" if row.attributes["gamma_initial"] == 0.0 else "ones",
            **options,
            **settings.common(row),
        )

    return make


def _piecewise_norm(row: Row, settings: LayerSettings) -> keras.layers.Layer:
    relu = row.attributes.get("relu", False)
    return _norm(FusedBatchNormalization, in_pieces=True, relu=relu)(row, settings)


def _group_norm(layer: Callable[..., keras.layers.Layer]) -> Factory:
    def make(row: Row, settings: LayerSettings) -> keras.layers.Layer:
        return layer(
            row.attributes["groups"],
            epsilon=row.attributes["epsilon"],
            gamma_initializer="zeros" if row.attributes["gamma_initial"] == 0.0 else "ones",
            **settings.common(row),
        )

    return make


def _activation(row: Row, settings: LayerSettings) -> keras.layers.Layer:
    function, common = row.attributes["function"], settings.common(row)
    if function in _FLOAT64_ACTIVATIONS and common["dtype"].compute_dtype == "float64":
        return keras.layers.Activation(_FLOAT64_ACTIVATIONS[function], **common)
    if function == "leaky_relu":
        # torch's slope; Keras's own default is 0.2.
        return keras.layers.LeakyReLU(negative_slope=0.01, **common)
    return keras.layers.Activation(ACTIVATIONS[function], **common)


def _pad(row: Row, settings: LayerSettings) -> keras.layers.Layer:
    amounts, value = row.attributes["amounts"], row.attributes["value"]
    if value == 0.0:
        return keras.layers.ZeroPadding2D(amounts, **_LAST, **settings.common(row))
    return ConstantPadding2D(amounts, value, **settings.common(row))


def _pad_channels(row: Row, settings: LayerSettings) -> keras.layers.Layer:
    # With `channels_first`, the stock layer pads the last two axes: here width and channels.
    amounts = ((0, 0), (row.attributes["before"], row.attributes["after"]))
    return keras.layers.ZeroPadding2D(amounts, data_format="channels_first", **settings.common(row))


def _dropout(row: Row, settings: LayerSettings) -> keras.layers.Layer:
    ones = (1,) * len(row.shape)
    shapes = {"value": None, "example": (None, *ones), "batch": (1, *ones)}
    return keras.layers.Dropout(
        row.attributes["rate"],
        noise_shape=shapes[row.attributes["each"]],
        seed=row_seed(settings.seed, row),
        **settings.common(row),
    )


def _constant(value: float) -> keras.initializers.Initializer:
    return keras.initializers.Zeros() if value == 0 else keras.initializers.Constant(value)


def _leaky_relu(x: Any) -> Any:
    return keras.ops.maximum(x, np.float64(0.01) * x)


def _gelu(x: Any) -> Any:
    return 0.5 * x * (1.0 + keras.ops.erf(x * np.sqrt(0.5)))


_FLOAT64_ACTIVATIONS: Mapping[str, Callable[[Any], Any]] = {
    "leaky_relu": _leaky_relu,
    "gelu": _gelu,
}
"""Activations whose constants TensorFlow rounds to float32 in every dtype."""

ACTIVATIONS: Mapping[str, str] = {
    "relu": "relu",
    "relu6": "relu6",
    "elu": "elu",
    "silu": "silu",
    "gelu": "gelu",
    "hard_swish": "hard_silu",
    "tanh": "tanh",
    "sigmoid": "sigmoid",
    "none": "linear",
}
"""Keras names of the spec's activations."""

FACTORIES: Mapping[str, Factory] = {
    "normalize": _normalize,
    "contrast": _layer(
        partial(keras.layers.LayerNormalization, (1, 2, 3)), "epsilon", center=False, scale=False
    ),
    "mean_image": _layer(keras.layers.Normalization, axis=(1, 2, 3)),
    "conv": _conv(keras.layers.Conv2D),
    "conv1d": _conv1d(keras.layers.Conv1D),
    "dense": _dense(keras.layers.Dense),
    "norm": _norm(keras.layers.BatchNormalization),
    "group_norm": _group_norm(keras.layers.GroupNormalization),
    "activation": _activation,
    "pad": _pad,
    "crop": _layer(keras.layers.Cropping2D, "amounts", **_LAST),
    "pad_channels": _pad_channels,
    "subsample": _layer(partial(keras.layers.MaxPooling2D, 1), "stride", **_LAST),
    "max_pool": _layer(keras.layers.MaxPooling2D, "size", "stride", "padding", **_LAST),
    "average_pool": _layer(keras.layers.AveragePooling2D, "size", "stride", "padding", **_LAST),
    "blur": _layer(Blur, "stride"),
    "global_average_pool": _layer(
        partial(keras.layers.GlobalAveragePooling2D, "channels_last"), "keep_dimensions"
    ),
    "global_max_pool": _layer(
        partial(keras.layers.GlobalMaxPooling2D, "channels_last"), "keep_dimensions"
    ),
    "flatten": _layer(keras.layers.Flatten, **_LAST),
    "reshape": _layer(keras.layers.Reshape, "shape"),
    "dropout": _dropout,
    "rescale": _rescale,
    "scale": _layer(LearnedScale, "granularity", "initial"),
    "add": _layer(keras.layers.Add),
    "subtract": _layer(keras.layers.Subtract),
    "multiply": _layer(keras.layers.Multiply),
    "shared_norm": _norm(keras.layers.BatchNormalization, synchronized=True),
    "fused_norm": _norm(FusedBatchNormalization),
    "piecewise_norm": _piecewise_norm,
    "product_conv": _conv(ProductConv2D),
    "fused_relu": _layer(FusedReLU),
    "add_relu": _layer(AddReLU, "copies"),
    "gated_merge": _layer(GatedMerge, "relu", "copies"),
    "deferred_conv": _conv(DeferredConv2D),
    "interleaved_conv": _interleaved_conv,
    "interleaved_merge": _layer(InterleavedMerge, "copies"),
    "centred_contrast": _layer(CentredContrast, "epsilon"),
    "centred_group_norm": _group_norm(CentredGroupNorm),
    "quantized_conv": _conv(QuantizedConv2D),
    "quantized_conv1d": _conv1d(QuantizedConv1D),
    "quantized_dense": _dense(QuantizedDense),
    "fake_quantize": _layer(FakeQuantize, "limits"),
    "channel_scale": _layer(ChannelScale, "values"),
    "channel_offset": _layer(ChannelOffset, "values"),
}
"""Layer factories by op. The op `input` is the model's `keras.Input`."""

DEVICE_LAYERS = (
    FusedBatchNormalization,
    ProductConv2D,
    FusedReLU,
    AddReLU,
    GatedMerge,
    DeferredConv2D,
    InterleavedConv2D,
    InterleavedMerge,
    CentredContrast,
    CentredGroupNorm,
)
"""Layers of plans that `device_rewrites` and `rewrites` in `reszoo.planning` wrote. A saved model
has the canonical layers instead."""
