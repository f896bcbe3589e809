"""The block of an architecture: `y = act(C(x) * shortcut(x) + T(x) * H(x))`.

`transform` names H, `connection` names C and T, and both are chosen independently.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from reszoo.spec.base import Fraction, Kinded, PositiveInt, Probability, Tuple, Value
from reszoo.spec.layer_fields import Activation, Norm
from reszoo.spec.per_axis import PerAxis
from reszoo.spec.registry import ConnectionName, TransformName

SurvivalDecay = Literal["linear", "linear_from_one", "constant"]
SurvivalDraw = Literal["batch", "example"]
Order = Literal["post", "bn_after_add", "relu_before_add", "relu_only_pre", "full_pre"]


class Shortcut(Kinded):
    """The path of x to the merge.

    Where a block keeps the shape, every kind but `projection_all` is the identity.
    """

    kind: Literal[
        "identity", "zero_pad", "projection", "projection_all", "average_projection", "max_pool"
    ] = "projection"
    """`zero_pad`, `projection` and `projection_all` are options A, B and C of He 2015;
    `average_projection` is the D of ResNet-D; `max_pool` subsamples where the width stays."""
    norm: bool = True
    """Whether a projection is normalised (if the block is)."""
    bias: bool | None = None
    """Whether a projection has a bias. Defaults to true without normalisation, else false."""
    subsample: Literal["stride", "average"] = "stride"
    """How `zero_pad` downsamples: every second pixel, or the mean of 2x2 (stochastic depth)."""
    channels: Literal["after", "both"] = "after"
    """Position of the zero channels of `zero_pad`: all after, or half before and half after."""
    dropout: Fraction = 0.0
    """Dropout on the shortcut (He 2016, Table 1)."""


class Gate(Value):
    """The gates of `highway` and `shortcut_gate` connections."""

    coupled: bool = True
    """Whether the carry gate is C = 1 - T. False: C is a sigmoid with its own weights."""
    granularity: Literal["element", "channel"] = "element"
    """One gate per element, or one per channel computed from the pooled input."""
    kernel: PerAxis | None = None
    """Kernel of the gate's convolution. Defaults to the transform's kernel, 1 for a bottleneck."""
    bias: float | None = None
    """Initial bias of the transform gate. Defaults to -1 per 10 layers (papers), down to -4."""


class Attention(Kinded):
    """Channel attention on H before the merge."""

    kind: Literal["none", "se", "eca"] = "none"
    """None, squeeze-and-excitation, or ECA."""
    ratio: Annotated[float, Field(gt=0)] = 16.0
    """Squeeze-excite: reduction ratio of the channels."""
    divisor: PositiveInt = 8
    """Squeeze-excite: the squeezed width is rounded to a multiple of this (timm)."""
    bias: bool = True
    """Squeeze-excite: whether both convolutions have a bias."""
    kernel: PositiveInt | None = None
    """ECA: kernel of the convolution over channels. Defaults to timm's rule by width."""


class Constants(Value):
    """The two numbers of the `constant` connection (He 2016, Table 1)."""

    carry: float = 1.0
    """C, the factor of the shortcut."""
    transform: float = 1.0
    """T, the factor of H."""


class Scale(Value):
    """The learned factor of the `scaled` connection."""

    granularity: Literal["scalar", "channel"] = "scalar"
    """One factor per block (ReZero, SkipInit) or per channel (LayerScale)."""
    initial: float = 0.0
    """Initial value of the factor."""


class BlockFields(Value):
    """Fields of the block that a stage may override.

    None inherits from the block; a mapping without `kind` merges with the block's.
    """

    transform: TransformName | None = None
    connection: ConnectionName | None = None
    shortcut: Shortcut | None = None
    order: Order | None = None
    """Order of normalisation, activation and addition (He 2016, Figure 4)."""
    kernel: PerAxis | None = None
    expansion: PositiveInt | None = None
    groups: PositiveInt | None = None
    base_width: PositiveInt | None = None
    stride_at: Literal["spatial", "first"] | None = None
    strided_block: Literal["first", "last"] | None = None
    norm: Norm | None = None
    activation: Activation | None = None
    bias: bool | Tuple[Literal["conv1", "conv2", "conv3"]] | None = None
    attention: Attention | None = None
    antialias: Literal["none", "average", "blur"] | None = None
    dropout: Fraction | None = None
    gate: Gate | None = None
    constants: Constants | None = None
    scale: Scale | None = None
    survival_probability: Probability | None = None
    survival_decay: SurvivalDecay | None = None
    survival_draw: SurvivalDraw | None = None
    zero_gamma: bool | None = None


class Block(Value):
    """The residual, plain or highway block that all stages share."""

    transform: TransformName = "basic"
    """H: two convolutions (`basic`), a bottleneck of three, one convolution (`conv`), or one dense
    layer."""
    connection: ConnectionName = "residual"
    """How H and the shortcut are merged: C and T of y = act(C(x) * shortcut(x) + T(x) * H(x))."""
    shortcut: Shortcut = Shortcut()
    """How the shortcut changes shape."""
    order: Order | None = None
    """Order of normalisation, activation and addition (He 2016, Figure 4). Defaults to `post`, for
    one-layer transforms (`conv`, `dense`) to `relu_before_add`."""
    kernel: PerAxis = 3
    """Side of the kernels, or their height and width; in a bottleneck of the middle one."""
    expansion: PositiveInt = 4
    """A bottleneck has `width * expansion` output channels."""
    groups: PositiveInt = 1
    """Groups of the convolutions, in a bottleneck of the middle one (ResNeXt's cardinality)."""
    base_width: PositiveInt = 64
    """A bottleneck is `width * base_width // 64 * groups` wide inside; 4 in ResNeXt 32x4d."""
    stride_at: Literal["spatial", "first"] = "spatial"
    """The strided convolution of a bottleneck: the 3x3 (v1.5) or the first 1x1 (He 2015)."""
    strided_block: Literal["first", "last"] = "first"
    """The strided block of a stage; `last` as in keras.applications' V2 nets."""
    norm: Norm | None = None
    """Overrides the spec's normalisation."""
    activation: Activation | None = None
    """Overrides the spec's activation."""
    bias: bool | Tuple[Literal["conv1", "conv2", "conv3"]] | None = None
    """Convolutions with a bias: all, none or a list. Defaults to none, without norm to all."""
    attention: Attention = Attention()
    """Channel attention on H before the merge."""
    antialias: Literal["none", "average", "blur"] = "none"
    """Anti-aliasing: strided convolutions run at stride 1 and this filter subsamples after the
    activation (Zhang 2019)."""
    dropout: Fraction = 0.0
    """Dropout rate between the convolutions of a block (wide residual nets)."""
    gate: Gate = Gate()
    """The gates of `highway` and `shortcut_gate`."""
    constants: Constants = Constants()
    """The two numbers of `constant`."""
    scale: Scale = Scale()
    """The learned factor of `scaled`."""
    survival_probability: Probability | None = None
    """Stochastic depth: probability that training keeps the transform of the last block, for any
    connection (Huang 2016); 1 - the rate of timm's drop_path. Defaults to 0.5 for the `stochastic`
    connection, else to 1."""
    survival_decay: SurvivalDecay = "linear"
    """`linear`: the probability falls linearly with depth (Huang 2016); `linear_from_one`: linearly
    from 1 at the first block (timm); `constant`: the same for all blocks."""
    survival_draw: SurvivalDraw = "batch"
    """`batch` draws once per batch and scales the branch by p at inference (Huang 2016); `example`
    draws per example and scales kept branches by 1/p in training (timm's DropPath)."""
    zero_gamma: bool = False
    """Initialises gamma of the last normalisation of H to 0, so that a residual block starts as the
    identity. Ignored by `plain` blocks and where an activation follows before the addition, which
    would stay dead."""
