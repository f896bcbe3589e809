"""The architecture spec: one page of YAML that defines a network, as a frozen value.

The fields follow the tables of the papers. A block is `y = act(C(x) * shortcut(x) + T(x) * H(x))`:
`transform` names H, `connection` names C and T, and both are chosen independently.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, ValidationInfo, field_validator, model_validator
from pydantic_core import PydanticCustomError

from reszoo.spec.base import (
    Document,
    Fraction,
    Kinded,
    Name,
    PositiveInt,
    Probability,
    Tuple,
    Value,
)
from reszoo.spec.per_axis import PerAxis
from reszoo.spec.registry import ConnectionName, TransformName
from reszoo.spec.stage_inheritance import apply_inheritance

Padding = Literal["torch", "same", "valid"]
Activation = Literal[
    "relu", "relu6", "leaky_relu", "elu", "silu", "gelu", "hard_swish", "tanh", "none"
]
SurvivalDecay = Literal["linear", "linear_from_one", "constant"]
SurvivalDraw = Literal["batch", "example"]
MOST_BLOCKS = 10_000
"""Largest number of blocks of a network: planning more takes minutes and gigabytes."""

SixteenBit = Literal["high_byte", "full_range"] | Annotated[tuple[int, int], Field(strict=False)]
Order = Literal["post", "bn_after_add", "relu_before_add", "relu_only_pre", "full_pre"]


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


class Contrast(Kinded):
    """Contrast normalisation per image, before any other preprocessing."""

    kind: Literal["global", "none"] = "none"
    """`global` subtracts the mean of all values of the image and divides by their deviation."""
    scale: Annotated[float, Field(gt=0)] = 1.0
    """Standard deviation of the normalised image."""
    epsilon: Annotated[float, Field(gt=0)] = 10.0
    """Added to the variance of the pixels (0..255), which is 0 for an image of one colour; 10 as in
    Coates 2011. With a much smaller value int8 cannot resolve the factors of ordinary images."""


class Input(Value):
    """The raw input image: uint8 or float values 0..255; normalisation is the first layer."""

    shape: tuple[PositiveInt, PositiveInt, PositiveInt] = Field(strict=False)
    """Height, width, channels."""
    contrast: Contrast = Contrast()
    """Contrast normalisation per image; the highway nets use `global`."""
    mean: float | Tuple[float] | Literal["image"] = 0.0
    """Subtracted from each pixel (0..255): one number, one per channel, or `image` for the mean of
    all training images (one number per pixel and channel), computed before training starts."""
    std: Annotated[float, Field(gt=0)] | Tuple[Annotated[float, Field(gt=0)]] = 255.0
    """Divides each pixel after the mean. Defaults to 1 with `contrast: global`, else to 255."""
    dropout: Fraction = 0.0
    """Dropout on the normalised pixels (the highway nets use 0.2)."""
    train_size: PositiveInt | None = None
    """Side of the square training image in pixels. Defaults to that of `shape`."""
    test_size: PositiveInt | None = None
    """Side of the square evaluation image in pixels. Defaults to that of `shape`."""
    crop: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Fraction of the resized image kept by the central crop in evaluation (0.875 for ImageNet)."""
    interpolation: Literal["bilinear", "bicubic"] = "bilinear"
    """Interpolation of resizing in evaluation."""
    antialias: bool = True
    """Whether resizing in evaluation filters before subsampling, as Pillow does."""

    sixteen_bit: SixteenBit | None = None
    """How 16-bit grey becomes 0..255: `high_byte` (the default); `full_range`, from the minimum to
    the maximum of the training images, which training measures and writes here as two numbers; or
    these numbers, such as `[0, 4095]` for 12-bit cameras. Values outside are clipped."""

    @field_validator("sixteen_bit")
    @classmethod
    def _check_sixteen_bit(cls, value: Any) -> Any:
        if isinstance(value, tuple) and not 0 <= value[0] < value[1] <= 0xFFFF:
            raise PydanticCustomError(
                "sixteen_bit_range",
                "two rising numbers from 0 to 65535",
                {"line": [0, 0xFFFF]},
            )
        # None and the word mean the same, and networks that are the same have one fingerprint.
        return None if value == "high_byte" else value

    @model_validator(mode="before")
    @classmethod
    def _default_std(cls, data: Any) -> Any:
        contrast = data.get("contrast") if isinstance(data, dict) else None
        kind = contrast.get("kind") if isinstance(contrast, dict) else contrast
        return {"std": 1.0, **data} if kind == "global" else data

    @field_validator("mean", "std")
    @classmethod
    def _check_contrast(cls, value: Any, info: ValidationInfo) -> Any:
        allowed = ("image", 0.0) if info.field_name == "mean" else (1.0,)
        contrast = info.data.get("contrast")
        if contrast is not None and contrast.kind == "global" and value not in allowed:
            words = {"mean": "0 or image", "std": "1"}[str(info.field_name)]
            raise PydanticCustomError(
                "contrast_and_pixels",
                "{words} beside `contrast: global`, after which values are not pixels of 0..255",
                {"words": words, "line": allowed[-1]},
            )
        return value

    @field_validator("train_size", "test_size")
    @classmethod
    def _check_mean_image(cls, value: Any, info: ValidationInfo) -> Any:
        if value is not None and info.data.get("mean") == "image":
            raise PydanticCustomError(
                "mean_image_of_two_sizes",
                "no value beside `mean: image`, since a mean image has one size",
                {"hint": "remove it, or the line `mean: image`"},
            )
        return value


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


class Stem(Value):
    """The layers that turn the image into the first feature map."""

    kind: Literal["conv", "dense", "none"] = "conv"
    """Convolutions, a dense layer on the flattened image, or no stem."""
    filters: PositiveInt | Annotated[Tuple[PositiveInt], Field(max_length=100)] = 64
    """Filters (units for `dense`); a list makes a deep stem with one convolution per entry."""
    kernel: PerAxis = 3
    """Side of the kernels, or their height and width."""
    stride: PerAxis = 1
    """Stride of the first convolution."""
    padding: Padding | None = None
    """Overrides the spec's padding."""
    norm: Norm | None = None
    """Overrides the spec's normalisation after the last convolution of the stem; `none` in most
    pre-activation nets."""
    activation: Activation | None = None
    """Overrides the spec's activation after the last convolution of the stem."""
    bias: bool | None = None
    """Whether the layers have a bias. Defaults to true if the spec has no normalisation."""
    pool: Pool = Pool(kind="none")
    """Pooling after the stem."""


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


class After(Value):
    """Layers after the last block of a stage."""

    pool: Pool = Pool(kind="none")
    """The pooling layer."""
    dropout: Fraction = 0.0
    """Dropout rate after the pool."""


class Stage(BlockFields):
    """Blocks of one width; every field of `block` may be overridden here."""

    depth: Annotated[int, Field(ge=1, le=MOST_BLOCKS)]
    """Number of blocks, including a `first: plain` layer."""
    width: PositiveInt
    """Filters (units) of the transform; a bottleneck outputs `expansion` times as many."""
    stride: PerAxis = 1
    """Stride of the stage's strided block, which its shortcut and gates follow."""
    first: Literal["plain"] | None = None
    """`plain`: a plain first layer changes the shape, as in the authors' highway nets."""
    after: After = After()
    """Layers after the last block."""


class Head(Value):
    """The layers that turn the last feature map into logits."""

    pool: Literal["average", "max", "none"] = "average"
    """Global pooling; `none` flattens the map."""
    conv: PositiveInt | None = None
    """Filters of a 1x1 convolution (with activation) before the pool."""
    hidden: Tuple[PositiveInt] = ()
    """Units of dense layers (with activation) before the last."""
    dropout: Fraction = 0.0
    """Dropout rate before the last layer."""
    bias: bool = True
    """Whether the last layer has a bias."""
    logit_scale: float = 1.0
    """Constant that multiplies the logits."""


class Published(Value):
    """Published numbers of the network and their source."""

    parameters: PositiveInt | None = None
    """Trainable weights, as torch counts them."""
    macs: Annotated[float, Field(gt=0)] | None = None
    """Multiply-adds of convolutions and dense layers for one image."""
    top1: float | None = None
    """Accuracy in percent."""
    top5: float | None = None
    """Top-5 accuracy in percent."""
    where: str
    """Source of the numbers."""


class Weights(Value):
    """Origin of the weights of a saved network; `input` has the mean and std they need."""

    source: str
    """The requested weights: `keras:imagenet`, `timm:TAG` or a file."""
    file: str
    """Name of the file the weights were read from."""
    sha256: str
    """SHA-256 of that file."""
    input_size: Tuple[PositiveInt] | None = None
    """Height and width the weights were trained for, if known."""
    top1: float | None = None
    """Published accuracy with these weights in percent."""
    top5: float | None = None
    """Published top-5 accuracy with these weights in percent."""
    where: str | None = None
    """Source of the accuracy."""


class Architecture(Document):
    """A network: input, stem, stages of blocks, head."""

    name: Name
    """Name of the network, as used in commands."""
    title: str | None = None
    """One line that describes it."""
    source: str | None = None
    """Paper or implementation that defines the network."""
    input: Input
    """The image: its shape and normalisation."""
    padding: Padding = "torch"
    """`torch`: symmetric, as published weights need; `same`: TensorFlow's; `valid`: none."""
    norm: Norm = Norm()
    """Normalisation, for all layers that do not override it."""
    activation: Activation = "relu"
    """Activation, for all layers that do not override it."""
    initializers: Initializers = Initializers()
    """Initial distributions of the weights."""
    stem: Stem = Stem()
    """The layers before the first stage."""
    block: Block = Block()
    """The block that all stages share."""
    stages: Tuple[Stage] = Field(min_length=1)
    """The stages, first to last."""
    head: Head = Head()
    """The layers after the last stage."""
    classes: PositiveInt
    """Number of classes."""
    published: Published | None = None
    """Published counts and accuracy."""
    weights: Weights | None = None
    """Origin of the weights saved with this spec; written by `reszoo build --weights`."""

    @model_validator(mode="before")
    @classmethod
    def _inherit(cls, data: Any) -> Any:
        return apply_inheritance(data)

    @field_validator("classes")
    @classmethod
    def _check_classes(cls, classes: int) -> int:
        if classes == 1:
            raise PydanticCustomError(
                "one_class",
                "at least 2 classes: a yes or no is two classes and a softmax",
                {"line": 2},
            )
        return classes

    @field_validator("stages")
    @classmethod
    def _check_blocks(cls, stages: tuple[Stage, ...]) -> tuple[Stage, ...]:
        if sum(stage.depth for stage in stages) > MOST_BLOCKS:
            raise PydanticCustomError("too_deep", f"at most {MOST_BLOCKS:,} blocks in all stages")
        return stages

    def stage_block(self, index: int) -> Block:
        """The block of stage `index` (from 0), with the stage's overrides."""
        stage = self.stages[index]
        fields = {name: getattr(stage, name) for name in BlockFields.model_fields}
        changed = {name: value for name, value in fields.items() if value is not None}
        return self.block.model_copy(update=changed) if changed else self.block

    @property
    def has_normalized_blocks(self) -> bool:
        """Whether the blocks of any stage have a normalisation."""
        blocks = map(self.stage_block, range(len(self.stages)))
        return any((block.norm or self.norm).kind != "none" for block in blocks)
