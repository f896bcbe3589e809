"""Fields that parts of an architecture share: padding, activation, norm, initialisers, pool."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from reszoo.spec.base import Fraction, Kinded, PositiveInt, Value
from reszoo.spec.per_axis import PerAxis

Padding = Literal["torch", "same", "valid"]
Activation = Literal[
    "relu", "relu6", "leaky_relu", "elu", "silu", "gelu", "hard_swish", "tanh", "none"
]


class Norm(Kinded):
    """Normalisation after (or before) a convolution."""

    kind: Literal["batch", "group", "none"] = "batch"
    """Batch normalisation, group normalisation (Wu 2018), or none."""
    groups: PositiveInt | None = None
    """`group`: groups of the channels, which they divide. Defaults to 32."""
    epsilon: Annotated[float, Field(gt=0)] = 1e-5
    """Added to the variance; 1e-5 as in torch (Keras's own default is 1e-3)."""
    momentum: Fraction = 0.9
    """`batch`: decay of the moving statistics at each step; 0.9 is torch's 0.1."""

    @field_validator("groups")
    @classmethod
    def _check_groups(cls, groups: int | None, info: ValidationInfo) -> int | None:
        if groups is not None and info.data.get("kind") != "group":
            raise PydanticCustomError(
                "norm_groups",
                "no groups beside another kind of normalisation",
                {"hint": "write `kind: group`, or remove `groups`"},
            )
        return groups


class Initializer(Kinded):
    """Initial distribution of the weights of one role."""

    kind: Literal[
        "he_normal",
        "he_normal_fan_out",
        "he_uniform",
        "glorot_uniform",
        "glorot_normal",
        "lecun_uniform",
        "torch_default",
        "normal",
        "zeros",
    ] = "he_normal"
    """The distribution, as Keras names it; `he_normal_fan_out` is scaled by the outputs,
    `lecun_uniform` (variance 1 / fan_in) is Caffe's `xavier`, and `torch_default` (uniform,
    variance 1 / (3 fan_in)) is what torch gives a linear layer."""
    std: Annotated[float, Field(gt=0)] | None = None
    """Standard deviation, for `normal` only."""


class Initializers(Value):
    """Initialisers by role; roles left out use `kernel`."""

    kernel: Initializer = Initializer()
    """Kernels of the blocks, and of every role that is left out."""
    stem: Initializer | None = None
    """Kernels of the stem."""
    gate: Initializer | None = None
    """Kernels of the gates."""
    head: Initializer | None = None
    """Kernels of the head."""


class Pool(Kinded):
    """A pooling layer in the stem or after a stage."""

    kind: Literal["max", "average", "blur", "conv", "none"] = "max"
    """`blur` is a max-pool of stride 1 and a blur of `stride`; `conv` is a strided convolution with
    norm and activation."""
    size: PerAxis = 3
    """Side of the window, or its height and width."""
    stride: PerAxis = 2
    """Stride of the window, or one for the height and one for the width."""
    padding: Padding | None = None
    """Overrides the spec's padding; `same` gives the windows of Caffe's ceil mode. So does `torch`
    for an average pool, which never counts the padding."""
    filters: PositiveInt | None = None
    """Filters of a `conv` pool. Defaults to the width of its input."""
    zero_padded: bool = False
    """Whether a max-pool pads with 0 instead of -infinity (keras.applications' V2 nets)."""
