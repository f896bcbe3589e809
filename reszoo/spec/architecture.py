"""The architecture spec: one page of YAML that defines a network, as a frozen value.

The fields follow the tables of the papers; those of a block are in `reszoo.spec.block_fields`.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator
from pydantic_core import PydanticCustomError

from reszoo.spec.base import Document, Fraction, Name, PositiveInt, Tuple, Value
from reszoo.spec.block_fields import Block, BlockFields
from reszoo.spec.image_input import Input
from reszoo.spec.layer_fields import Activation, Initializers, Norm, Padding, Pool
from reszoo.spec.per_axis import PerAxis
from reszoo.spec.stage_inheritance import apply_inheritance

MOST_BLOCKS = 10_000
"""Largest number of blocks of a network: planning more takes minutes and gigabytes."""


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
