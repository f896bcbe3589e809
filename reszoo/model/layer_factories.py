"""Which Keras layer is a plan row? One small factory for each op of `reszoo.planning.ops`.

Kernels are made with zeros; `reszoo.model.initializers` draws their starting values.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import keras

from reszoo.model.fused.batch_norm import FusedBatchNormalization
from reszoo.model.fused.conv import ProductConv2D
from reszoo.model.fused.highway_merge import GatedMerge
from reszoo.model.fused.relu import AddReLU, FusedReLU
from reszoo.model.initializers import row_seed
from reszoo.model.layers import Blur, CentredContrast, ConstantPadding2D, LearnedScale
from reszoo.planning.rows import Row

_LAST = {"data_format": "channels_last"}


@dataclass(frozen=True, slots=True)
class Setting:
    """What all layers of one build share."""

    policy: keras.DTypePolicy
    full: keras.DTypePolicy
    """For rows that ask for float32: float32, or float64 where everything is."""
    seed: int | None

    def common(self, row: Row) -> dict[str, Any]:
        """The arguments every layer takes."""
        return {"name": row.name, "dtype": self.full if row.precision else self.policy}


Factory = Callable[[Row, Setting], keras.layers.Layer]


def _normalize(row: Row, setting: Setting) -> keras.layers.Layer:
    mean, std = row.attributes["mean"], row.attributes["std"]
    return keras.layers.Rescaling(
        scale=[1.0 / deviation for deviation in std],
        offset=[-centre / deviation for centre, deviation in zip(mean, std, strict=True)],
        name=row.name,
        dtype=setting.full,
    )


def _contrast(row: Row, setting: Setting) -> keras.layers.Layer:
    return keras.layers.LayerNormalization(
        axis=(1, 2, 3),
        epsilon=row.attributes["epsilon"],
        center=False,
        scale=False,
        **setting.common(row),
    )


def _centred_contrast(row: Row, setting: Setting) -> keras.layers.Layer:
    return CentredContrast(row.attributes["epsilon"], **setting.common(row))


def _mean_image(row: Row, setting: Setting) -> keras.layers.Layer:
    return keras.layers.Normalization(axis=(1, 2, 3), **setting.common(row))


def _conv(layer: Callable[..., keras.layers.Layer]) -> Factory:
    def make(row: Row, setting: Setting) -> keras.layers.Layer:
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
            **setting.common(row),
        )

    return make


def _conv1d(row: Row, setting: Setting) -> keras.layers.Layer:
    return keras.layers.Conv1D(
        row.attributes["filters"],
        row.attributes["kernel"],
        padding="same",
        use_bias=row.attributes["bias"],
        kernel_initializer="zeros",
        **_LAST,
        **setting.common(row),
    )


def _dense(row: Row, setting: Setting) -> keras.layers.Layer:
    return keras.layers.Dense(
        row.attributes["units"],
        use_bias=row.attributes["bias"],
        kernel_initializer="zeros",
        bias_initializer=_constant(row.attributes["bias_initial"]),
        **setting.common(row),
    )


def _norm(row: Row, setting: Setting) -> keras.layers.Layer:
    return keras.layers.BatchNormalization(**_norm_options(row), **setting.common(row))


def _shared_norm(row: Row, setting: Setting) -> keras.layers.Layer:
    return keras.layers.BatchNormalization(
        synchronized=True, **_norm_options(row), **setting.common(row)
    )


def _fused_norm(row: Row, setting: Setting) -> keras.layers.Layer:
    return FusedBatchNormalization(**_norm_options(row), **setting.common(row))


def _norm_options(row: Row) -> dict[str, Any]:
    return {
        "epsilon": row.attributes["epsilon"],
        "momentum": row.attributes["momentum"],
        "gamma_initializer": "zeros" if row.attributes["gamma_initial"] == 0.0 else "ones",
    }


def _activation(row: Row, setting: Setting) -> keras.layers.Layer:
    function = row.attributes["function"]
    if function == "leaky_relu":
        # torch's slope; Keras's own default is 0.2.
        return keras.layers.LeakyReLU(negative_slope=0.01, **setting.common(row))
    return keras.layers.Activation(ACTIVATIONS[function], **setting.common(row))


def _pad(row: Row, setting: Setting) -> keras.layers.Layer:
    amounts, value = row.attributes["amounts"], row.attributes["value"]
    if value == 0.0:
        return keras.layers.ZeroPadding2D(amounts, **_LAST, **setting.common(row))
    return ConstantPadding2D(amounts, value, **setting.common(row))


def _pad_channels(row: Row, setting: Setting) -> keras.layers.Layer:
    # Told that the channels stand first, the stock layer pads the last axis of (h, w, c).
    amounts = ((0, 0), (row.attributes["before"], row.attributes["after"]))
    return keras.layers.ZeroPadding2D(amounts, data_format="channels_first", **setting.common(row))


def _subsample(row: Row, setting: Setting) -> keras.layers.Layer:
    stride = row.attributes["stride"]
    return keras.layers.MaxPooling2D(1, strides=stride, **_LAST, **setting.common(row))


def _pool(layer: Callable[..., keras.layers.Layer]) -> Factory:
    def make(row: Row, setting: Setting) -> keras.layers.Layer:
        return layer(
            row.attributes["size"],
            strides=row.attributes["stride"],
            padding=row.attributes["padding"],
            **_LAST,
            **setting.common(row),
        )

    return make


def _global_pool(layer: Callable[..., keras.layers.Layer]) -> Factory:
    def make(row: Row, setting: Setting) -> keras.layers.Layer:
        keep = row.attributes["keep_dimensions"]
        return layer(keepdims=keep, **_LAST, **setting.common(row))

    return make


def _blur(row: Row, setting: Setting) -> keras.layers.Layer:
    return Blur(row.attributes["stride"], **setting.common(row))


def _flatten(row: Row, setting: Setting) -> keras.layers.Layer:
    return keras.layers.Flatten(**_LAST, **setting.common(row))


def _reshape(row: Row, setting: Setting) -> keras.layers.Layer:
    return keras.layers.Reshape(row.attributes["shape"], **setting.common(row))


def _dropout(row: Row, setting: Setting) -> keras.layers.Layer:
    ones = (1,) * len(row.shape)
    shapes = {"value": None, "example": (None, *ones), "batch": (1, *ones)}
    return keras.layers.Dropout(
        row.attributes["rate"],
        noise_shape=shapes[row.attributes["each"]],
        seed=row_seed(setting.seed, row),
        **setting.common(row),
    )


def _rescale(row: Row, setting: Setting) -> keras.layers.Layer:
    return keras.layers.Rescaling(
        row.attributes["scale"], row.attributes["offset"], **setting.common(row)
    )


def _scale(row: Row, setting: Setting) -> keras.layers.Layer:
    return LearnedScale(
        row.attributes["granularity"], row.attributes["initial"], **setting.common(row)
    )


def _add_relu(row: Row, setting: Setting) -> keras.layers.Layer:
    return AddReLU(row.attributes["copies"], **setting.common(row))


def _gated_merge(row: Row, setting: Setting) -> keras.layers.Layer:
    relu, copies = row.attributes["relu"], row.attributes["copies"]
    return GatedMerge(relu, copies, **setting.common(row))


def _plain(layer: Callable[..., keras.layers.Layer]) -> Factory:
    return lambda row, setting: layer(**setting.common(row))


def _constant(value: float) -> keras.initializers.Initializer:
    return keras.initializers.Zeros() if value == 0 else keras.initializers.Constant(value)


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
"""By the spec's name: Keras's name."""

FACTORIES: Mapping[str, Factory] = {
    "normalize": _normalize,
    "contrast": _contrast,
    "mean_image": _mean_image,
    "conv": _conv(keras.layers.Conv2D),
    "conv1d": _conv1d,
    "dense": _dense,
    "norm": _norm,
    "activation": _activation,
    "pad": _pad,
    "pad_channels": _pad_channels,
    "subsample": _subsample,
    "max_pool": _pool(keras.layers.MaxPooling2D),
    "average_pool": _pool(keras.layers.AveragePooling2D),
    "blur": _blur,
    "global_average_pool": _global_pool(keras.layers.GlobalAveragePooling2D),
    "global_max_pool": _global_pool(keras.layers.GlobalMaxPooling2D),
    "flatten": _flatten,
    "reshape": _reshape,
    "dropout": _dropout,
    "rescale": _rescale,
    "scale": _scale,
    "add": _plain(keras.layers.Add),
    "subtract": _plain(keras.layers.Subtract),
    "multiply": _plain(keras.layers.Multiply),
    "shared_norm": _shared_norm,
    "fused_norm": _fused_norm,
    "product_conv": _conv(ProductConv2D),
    "fused_relu": _plain(FusedReLU),
    "add_relu": _add_relu,
    "gated_merge": _gated_merge,
    "centred_contrast": _centred_contrast,
}
"""By op: the row's layer. The op `input` is the model's `keras.Input`."""

FAST_LAYERS = (
    FusedBatchNormalization,
    ProductConv2D,
    FusedReLU,
    AddReLU,
    GatedMerge,
    CentredContrast,
)
"""The layers of the last six, which no file of ours holds: see `device_rewrites` and `rewrites` in
`reszoo.planning`."""
