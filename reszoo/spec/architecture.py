"""An architecture spec: the page of YAML that says what a network is, as a frozen value.

The fields follow the papers' tables. A block is `y = act(C(x) * shortcut(x) + T(x) * H(x))`:
`transform` names H, `connection` names C and T, and both are chosen independently.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, ValidationInfo, field_validator, model_validator
from pydantic_core import PydanticCustomError

from reszoo.spec.base import Document, Fraction, Kinded, PositiveInt, Probability, Tuple, Value
from reszoo.spec.registry import ConnectionName, TransformName
from reszoo.spec.stage_inheritance import apply_inheritance

Padding = Literal["torch", "same", "valid"]
Activation = Literal[
    "relu", "relu6", "leaky_relu", "elu", "silu", "gelu", "hard_swish", "tanh", "none"
]
SurvivalDecay = Literal["linear", "linear_from_one", "constant"]
SurvivalDraw = Literal["batch", "example"]
Order = Literal["post", "bn_after_add", "relu_before_add", "relu_only_pre", "full_pre"]


class Norm(Kinded):
    """Normalisation after (or before) a convolution."""

    kind: Literal["batch", "none"] = "batch"
    epsilon: Annotated[float, Field(gt=0)] = 1e-5
    """Added to the variance; 1e-5 as in torch (Keras's own default is 1e-3)."""
    momentum: Fraction = 0.9
    """Share of the moving statistics kept at each step; 0.9 is torch's 0.1."""


class Initializer(Kinded):
    """How the weights of one role start."""

    kind: Literal[
        "he_normal",
        "he_normal_fan_out",
        "he_uniform",
        "glorot_uniform",
        "glorot_normal",
        "normal",
        "zeros",
    ] = "he_normal"
    std: Annotated[float, Field(gt=0)] | None = None
    """Standard deviation, for `normal` only."""


class Initializers(Value):
    """Initialisers by role; a role that is not named uses `kernel`."""

    kernel: Initializer = Initializer()
    stem: Initializer | None = None
    gate: Initializer | None = None
    head: Initializer | None = None


class Contrast(Kinded):
    """Contrast normalisation of each image by itself, before anything else is done to it."""

    kind: Literal["global", "none"] = "none"
    """`global`: the mean of all of the image's values is taken off, their deviation divides."""
    scale: Annotated[float, Field(gt=0)] = 1.0
    """Standard deviation of an image afterwards."""
    epsilon: Annotated[float, Field(gt=0)] = 10.0
    """Added to the variance of the pixels (0..255), which is 0 in an image of one colour; 10 as
    Coates 2011. Far smaller ones leave int8 no steps for the factors of ordinary images."""


class Input(Value):
    """The raw image that goes in: uint8 or float values 0..255; normalisation is the first
    layer.
    """

    shape: tuple[PositiveInt, PositiveInt, PositiveInt] = Field(strict=False)
    """Height, width, channels."""
    contrast: Contrast = Contrast()
    """Contrast normalisation of each image by itself; `global` as for the highway nets."""
    mean: float | Tuple[float] | Literal["image"] = 0.0
    """Subtracted from each pixel (0..255): one number, one per channel, or `image`, the mean of all
    training images, one number per pixel and channel, which a training finds before it begins."""
    std: Annotated[float, Field(gt=0)] | Tuple[Annotated[float, Field(gt=0)]] = 255.0
    """Divides each pixel after the mean is taken off; 1 unless given where `contrast` is global."""
    dropout: Fraction = 0.0
    """Dropout on the normalised pixels (the highway nets use 0.2)."""
    train_size: PositiveInt | None = None
    """Side of the square training image where it differs from `shape`."""
    test_size: PositiveInt | None = None
    """Side of the square image in evaluation where it differs from `shape`."""
    crop: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Share of the resized image that the central crop keeps in evaluation (0.875 for ImageNet)."""
    interpolation: Literal["bilinear", "bicubic"] = "bilinear"
    antialias: bool = True
    """Whether resizing in evaluation filters before it subsamples, as Pillow does."""

    @model_validator(mode="before")
    @classmethod
    def _contrast_is_the_unit(cls, data: Any) -> Any:
        contrast = data.get("contrast") if isinstance(data, dict) else None
        kind = contrast.get("kind") if isinstance(contrast, dict) else contrast
        return {"std": 1.0, **data} if kind == "global" else data

    @field_validator("mean", "std")
    @classmethod
    def _alone_after_contrast(cls, value: Any, info: ValidationInfo) -> Any:
        allowed = ("image", 0.0) if info.field_name == "mean" else (1.0,)
        contrast = info.data.get("contrast")
        if contrast is not None and contrast.kind == "global" and value not in allowed:
            words = {"mean": "0 or image", "std": "1"}[str(info.field_name)]
            raise PydanticCustomError(
                "contrast_and_pixels",
                "{words} beside `contrast: global`, after which values are no pixels of 0..255",
                {"words": words},
            )
        return value

    @field_validator("train_size", "test_size")
    @classmethod
    def _one_size_of_mean_image(cls, value: Any, info: ValidationInfo) -> Any:
        if value is not None and info.data.get("mean") == "image":
            raise PydanticCustomError(
                "mean_image_of_two_sizes",
                "nothing here beside `mean: image`, as a mean image has one size",
            )
        return value


class Pool(Kinded):
    """A pooling layer of the stem or after a stage."""

    kind: Literal["max", "average", "blur", "conv", "none"] = "max"
    """`blur` is max-pool at stride 1 and a blur at `stride`; `conv` a strided convolution, norm,
    activation."""
    size: PositiveInt = 3
    stride: PositiveInt = 2
    padding: Padding | None = None
    """Overrides the spec's padding; `same` gives the windows of Caffe's ceil mode. An average pool
    has those with `torch`, too: what lies beyond the border never counts."""
    filters: PositiveInt | None = None
    """Filters of a `conv` pool; the stem's last width unless given."""
    zero_padded: bool = False
    """Max-pool pads with 0 where it would pad with -infinity (keras.applications' V2 nets)."""


class Stem(Value):
    """What turns the image into the first feature map."""

    kind: Literal["conv", "dense", "none"] = "conv"
    filters: PositiveInt | Tuple[PositiveInt] = 64
    """Filters (units for `dense`) of the stem; a list makes a deep stem of as many convolutions."""
    kernel: PositiveInt = 3
    stride: PositiveInt = 1
    """Stride of the first convolution."""
    padding: Padding | None = None
    norm: Norm | None = None
    """Overrides the spec's normalisation after the stem's last convolution; `none` in most pre-
    activation nets."""
    activation: Activation | None = None
    """Overrides the spec's activation after the stem's last convolution."""
    bias: bool | None = None
    """Convolution bias; unless given, there is one where the spec has no normalisation."""
    pool: Pool = Pool(kind="none")


class Shortcut(Kinded):
    """How x reaches the merge. Where the shape stays, every kind but `projection_all` is the
    identity.
    """

    kind: Literal[
        "identity", "zero_pad", "projection", "projection_all", "average_projection", "max_pool"
    ] = "projection"
    """`zero_pad`, `projection`, `projection_all` are options A, B, C of He 2015;
    `average_projection` is D."""
    norm: bool = True
    """Whether a projection is normalised (where the block is)."""
    bias: bool | None = None
    subsample: Literal["stride", "average"] = "stride"
    """How `zero_pad` halves the map: every second pixel, or the mean of 2x2 (Stochastic Depth)."""
    channels: Literal["after", "both"] = "after"
    """Where `zero_pad` puts its zero channels: all after, or half before and half after."""
    dropout: Fraction = 0.0
    """Dropout on the shortcut (He 2016, Table 1)."""


class Gate(Value):
    """The gates of `highway` and `shortcut_gate` connections."""

    coupled: bool = True
    """Carry gate C = 1 - T; otherwise C is a sigmoid of its own."""
    granularity: Literal["element", "channel"] = "element"
    """One gate per element, or one per channel from the pooled input."""
    kernel: PositiveInt | None = None
    """Kernel of the gate's convolution; the transform's kernel unless given, 1 beside a
    bottleneck."""
    bias: float | None = None
    """Initial bias of the transform gate; unless given, the papers' guideline by depth (-1 at 10
    layers, -2 at 20)."""


class Attention(Kinded):
    """Channel attention on H before the merge."""

    kind: Literal["none", "se", "eca"] = "none"
    ratio: Annotated[float, Field(gt=0)] = 16.0
    """Squeeze-excite: channels are divided by this."""
    divisor: PositiveInt = 8
    """Squeeze-excite: the squeezed width is rounded to a multiple of this (timm)."""
    bias: bool = True
    kernel: PositiveInt | None = None
    """ECA: kernel of the convolution over channels; from the width unless given."""


class Constants(Value):
    """The two numbers of the `constant` connection (He 2016, Table 1)."""

    carry: float = 1.0
    transform: float = 1.0


class Scale(Value):
    """The learned factor of the `scaled` connection."""

    granularity: Literal["scalar", "channel"] = "scalar"
    initial: float = 0.0


class BlockFields(Value):
    """What a block may say; a stage says it again to differ. None means: as the block, or the
    default; a mapping without `kind` changes only what it says.
    """

    transform: TransformName | None = None
    connection: ConnectionName | None = None
    shortcut: Shortcut | None = None
    order: Order | None = None
    """Order of normalisation, activation and addition (He 2016, Figure 4)."""
    kernel: PositiveInt | None = None
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
    """The block all stages share."""

    transform: TransformName = "basic"
    connection: ConnectionName = "residual"
    shortcut: Shortcut = Shortcut()
    order: Order | None = None
    """Order of normalisation, activation and addition (He 2016, Figure 4): `post` for basic and
    bottleneck
    blocks; one-layer transforms (`conv`, `dense`) activate before the merge unless told
    otherwise."""
    kernel: PositiveInt = 3
    expansion: PositiveInt = 4
    """A bottleneck's output is `width * expansion` wide."""
    groups: PositiveInt = 1
    base_width: PositiveInt = 64
    """A bottleneck is `width * base_width // 64 * groups` wide inside (ResNeXt 32x4d: groups 32,
    base_width 4)."""
    stride_at: Literal["spatial", "first"] = "spatial"
    """Which convolution of a bottleneck strides: the 3x3 (v1.5) or the first 1x1 (He 2015)."""
    strided_block: Literal["first", "last"] = "first"
    """Which block of a stage strides; `last` as in keras.applications' V2 nets."""
    norm: Norm | None = None
    activation: Activation | None = None
    bias: bool | Tuple[Literal["conv1", "conv2", "conv3"]] | None = None
    """Which convolutions have a bias; unless given, all where the block has no normalisation, else
    none."""
    attention: Attention = Attention()
    antialias: Literal["none", "average", "blur"] = "none"
    """Strided convolutions run at stride 1 and a filter subsamples after the activation (Zhang
    2019)."""
    dropout: Fraction = 0.0
    """Dropout between the convolutions of a block (wide residual nets)."""
    gate: Gate = Gate()
    constants: Constants = Constants()
    scale: Scale = Scale()
    survival_probability: Probability | None = None
    """Probability that training keeps the last block's transform; any connection may carry it
    (Huang 2016). 1 unless given; a `stochastic` connection is `residual` with 0.5 unless given."""
    survival_decay: SurvivalDecay = "linear"
    """Whether earlier blocks survive more often, linearly in depth, or all alike; with
    `linear_from_one` the first block always does (timm)."""
    survival_draw: SurvivalDraw = "batch"
    """Whether one draw is for a whole `batch`, and the branch counts p-fold after training (Huang
    2016), or for each `example`, and what is kept counts 1/p-fold in training (timm)."""
    zero_gamma: bool = False
    """The last normalisation of H starts at gamma 0, so that a residual block starts as the
    identity; where H is the whole block, or an activation follows that would stay dead, it does
    not."""


class After(Value):
    """What follows a stage's last block."""

    pool: Pool = Pool(kind="none")
    dropout: Fraction = 0.0


class Stage(BlockFields):
    """Blocks of one width; any field of the block may be given again here."""

    depth: Annotated[int, Field(ge=1, le=10_000)]
    """Blocks in the stage; a `first: plain` layer counts."""
    width: PositiveInt
    """Filters (units) of the transform; a bottleneck puts out `expansion` times as many."""
    stride: PositiveInt = 1
    first: Literal["plain"] | None = None
    """The stage's first layer is a plain one that changes the shape, as the highway nets' authors
    do."""
    after: After = After()


class Head(Value):
    """What turns the last feature map into logits."""

    pool: Literal["average", "max", "none"] = "average"
    """Global pooling; `none` flattens the map."""
    conv: PositiveInt | None = None
    """Filters of a 1x1 convolution (with activation) before the pool."""
    hidden: Tuple[PositiveInt] = ()
    """Units of dense layers (with activation) before the last."""
    dropout: Fraction = 0.0
    bias: bool = True
    logit_scale: float = 1.0


class Published(Value):
    """The numbers a network is known by, and where they stand."""

    parameters: PositiveInt | None = None
    """Trainable weights, as torch counts them."""
    macs: Annotated[float, Field(gt=0)] | None = None
    """Multiply-adds of convolutions and dense layers for one image."""
    top1: float | None = None
    """Accuracy, percent."""
    top5: float | None = None
    where: str


class Weights(Value):
    """Where a saved network's weights come from; `input` has the mean and std they need."""

    source: str
    """What was asked for: `keras:imagenet`, `timm:TAG` or a file."""
    file: str
    """The name of the file the weights were read from."""
    sha256: str
    """Of that file."""
    input_size: Tuple[PositiveInt] | None = None
    """Height and width the weights were made for, where that is known."""
    top1: float | None = None
    """Published accuracy with these weights, percent."""
    top5: float | None = None
    where: str | None = None
    """Where the accuracy stands."""


class Architecture(Document):
    """A whole network: input, stem, stages of blocks, head."""

    name: str
    title: str | None = None
    source: str | None = None
    input: Input
    padding: Padding = "torch"
    """`torch` pads symmetrically, as the world's weights need; `same` as TensorFlow; or `valid`."""
    norm: Norm = Norm()
    activation: Activation = "relu"
    initializers: Initializers = Initializers()
    stem: Stem = Stem()
    block: Block = Block()
    stages: Tuple[Stage] = Field(min_length=1)
    head: Head = Head()
    classes: PositiveInt
    published: Published | None = None
    weights: Weights | None = None
    """Written by `reszoo build --weights`: where the weights saved with this spec come from."""

    @model_validator(mode="before")
    @classmethod
    def _inherit(cls, data: Any) -> Any:
        return apply_inheritance(data)

    def stage_block(self, index: int) -> Block:
        """The block of stage `index` (from 0): the shared block with what the stage says
        differently.
        """
        stage = self.stages[index]
        fields = {name: getattr(stage, name) for name in BlockFields.model_fields}
        changed = {name: value for name, value in fields.items() if value is not None}
        return self.block.model_copy(update=changed) if changed else self.block
