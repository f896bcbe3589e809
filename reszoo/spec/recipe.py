"""A training recipe: the page of YAML that says how a network is trained, as a frozen value.

Whatever is measured along the training (warm-up, drops of the rate) is a share of the whole, so
that `--epochs` stretches or shortens a recipe without changing its shape.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from reszoo.spec.architecture import Architecture, Block, BlockFields
from reszoo.spec.value import (
    Document,
    Fraction,
    Kinded,
    PositiveInt,
    Probability,
    Tuple,
    Value,
)

Precision = Literal["auto", "float32", "mixed_bfloat16"]
Pixels = Annotated[int, Field(ge=0)]
Positive = Annotated[float, Field(gt=0)]


class Optimizer(Kinded):
    """How gradients become updates."""

    kind: Literal["sgd", "adam", "adamw"] = "sgd"
    momentum: Fraction = 0.9
    """SGD: share of the velocity kept. The rate stands inside the velocity, as in Caffe."""
    nesterov: bool = True
    """SGD: whether the gradient is taken where the velocity leads."""
    betas: tuple[Fraction, Fraction] = Field(default=(0.9, 0.999), strict=False)
    """Adam: shares of the first and second moments kept."""
    epsilon: Positive = 1e-7
    """Adam: added to the root of the second moment."""
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    """Pull of the weights towards 0."""
    decay: Literal["coupled", "decoupled"] | None = None
    """`coupled` adds `weight_decay * w` to the gradient, through the momentum, as papers' SGD does;
    `decoupled` takes `rate * weight_decay * w` from the weights (about 1 / (1 - momentum) times
    weaker for the same number). Unless given: decoupled for adamw, coupled otherwise."""
    decay_norm_and_bias: bool = False
    """Whether normalisation, biases and other vectors decay too; kernels always do."""
    clip_norm: Positive | None = None
    """Largest norm of the whole gradient, before the decay is added."""

    @model_validator(mode="after")
    def _adamw_is_decoupled(self) -> Optimizer:
        if self.kind == "adamw" and self.decay == "coupled":
            raise PydanticCustomError(
                "adamw_coupled", "adamw decays decoupled; write `kind: adam` for coupled decay"
            )
        return self

    @property
    def decoupled(self) -> bool:
        """Whether the decay bypasses the gradient."""
        return (self.decay or ("decoupled" if self.kind == "adamw" else "coupled")) == "decoupled"


class Schedule(Kinded):
    """The learning rate as a pure function of the step."""

    kind: Literal["constant", "triangular", "cosine", "step"] = "triangular"
    """After the warm-up: the peak; a line or half a cosine from the peak to `final`; or the peak,
    times `factor` at each drop."""
    peak: Positive = 0.1
    """The largest learning rate."""
    warmup: Fraction = 0.0
    """Share of the training in which the rate rises in a line from `start` to the peak."""
    start: Fraction = 0.0
    """Where the warm-up starts, as a share of the peak."""
    final: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Where `triangular` and `cosine` end, as a share of the peak."""
    drops: Tuple[Annotated[float, Field(gt=0, lt=1)]] = ()
    """`step`: where the rate drops, as shares of the training, rising."""
    factor: Annotated[float, Field(gt=0, lt=1)] = 0.1
    """`step`: what each drop multiplies the rate by."""

    @model_validator(mode="after")
    def _drops_rise(self) -> Schedule:
        if list(self.drops) != sorted(set(self.drops)):
            raise PydanticCustomError("drops_rise", "drops should be rising shares of the training")
        if bool(self.drops) != (self.kind == "step"):
            raise PydanticCustomError(
                "drops_step", "a step schedule needs drops, and no other takes them"
            )
        return self


class ResizedCrop(Value):
    """A random part of the image, resized to the training size (Szegedy 2014)."""

    area: tuple[Probability, Probability] = Field(default=(0.08, 1.0), strict=False)
    """Smallest and largest share of the image's area."""
    ratio: tuple[Positive, Positive] = Field(default=(3 / 4, 4 / 3), strict=False)
    """Smallest and largest width / height, drawn evenly in the logarithm."""

    @model_validator(mode="after")
    def _smallest_first(self) -> ResizedCrop:
        if self.area[0] > self.area[1] or self.ratio[0] > self.ratio[1]:
            raise PydanticCustomError("range_order", "area and ratio should be [smallest, largest]")
        return self


class Augmentation(Value):
    """What training does to each image; each draw is a pure function of (seed, epoch, index)."""

    flip: bool = False
    """Mirror left and right with probability one half."""
    shift: Pixels = 0
    """Translate by up to this many pixels each way; what comes in is the mean pixel (`zero`)."""
    crop_padding: Pixels = 0
    """Pad each side by this many pixels and crop the original size at a random place."""
    crop_fill: Literal["zero", "reflect"] = "zero"
    """What `crop_padding` pads with: 0 after normalisation, which is the architecture's mean pixel,
    or the image mirrored at its border."""
    resized_crop: ResizedCrop | None = None
    """A random part of the image instead of the whole, for photographs."""
    cutout: Pixels = 0
    """Side of a square that is set to the mean pixel at a random place (DeVries 2017)."""


class Regularization(Value):
    """What a recipe changes in the network itself. None: the architecture's own value stays."""

    survival_probability: Probability | None = None
    """Probability that training keeps the last block's transform (stochastic depth)."""
    dropout: Fraction | None = None
    """Dropout before the last layer."""
    dropout_factor: Annotated[float, Field(ge=0, le=1)] | None = None
    """Multiplies every dropout rate of the architecture: a short training has less to prevent."""
    zero_gamma: bool | None = None
    """Residual blocks start as the identity."""


class Validation(Value):
    """The part of the training split that is held out to watch the training and to choose by."""

    fraction: Annotated[float, Field(ge=0, le=0.5)] = 0.1
    """Share of the training images, drawn per class with the run's seed; 0 trains on all."""
    keep: Literal["best", "last"] = "best"
    """Which state becomes model.keras: the best on the held out images (highest accuracy, then
    lowest loss), or the last, which is what a rate that ends at 0 aims at."""


class Recipe(Document):
    """A whole training: how long, how fast, on what images, and what is kept."""

    name: str
    title: str | None = None
    source: str | None = None
    epochs: PositiveInt
    batch: PositiveInt
    """Images per step, over all replicas; a smaller training set is one batch."""
    optimizer: Optimizer = Optimizer()
    schedule: Schedule
    label_smoothing: Fraction = 0.0
    augmentation: Augmentation = Augmentation()
    regularization: Regularization = Regularization()
    rate_factors: dict[str, Positive] = Field(default_factory=dict)
    """What the learning rate is multiplied by in each part of the network: `stem`, `stage1`..,
    `head`, or `backbone` for whatever is not named but the head. 1 elsewhere."""
    freeze: Tuple[str] = ()
    """Parts of a network with trained weights that stay as they are, statistics included: `stem`,
    `stage1`.., `backbone` (all but the head), or `stem..stage2` for all from the one to the
    other."""
    unfreeze_at: Annotated[int, Field(ge=2)] | None = None
    """The epoch (from 1) in which the frozen parts begin to learn; never unless given."""
    ema: Annotated[float, Field(gt=0, lt=1)] | None = None
    """Share of an exponential moving average of the weights kept at each step; the average is what
    is evaluated and saved. None: no average."""
    precision: Precision = "auto"
    """`auto` is mixed_bfloat16 where the device computes in bfloat16 and float32 elsewhere; a run
    records which it was, and resumes in that."""
    validation: Validation = Validation()


def regularize(architecture: Architecture, regularization: Regularization) -> Architecture:
    """The architecture with what a recipe's `regularization` says; the one step that does this."""
    if regularization.dropout_factor is not None:
        architecture = _with_less_dropout(architecture, regularization.dropout_factor)
    block = {
        name: value
        for name in ("survival_probability", "zero_gamma")
        if (value := getattr(regularization, name)) is not None
    }
    changes: dict[str, object] = {}
    if block:
        changes["block"] = architecture.block.model_copy(update=block)
    if regularization.dropout is not None:
        changes["head"] = architecture.head.model_copy(update={"dropout": regularization.dropout})
    return architecture.model_copy(update=changes) if changes else architecture


def _with_less_dropout(architecture: Architecture, factor: float) -> Architecture:
    def less(value: Value) -> Value:
        rate = getattr(value, "dropout", None)
        return value.model_copy(update={"dropout": rate * factor}) if rate else value

    def less_inside(value: BlockFields | Block) -> Value:
        if value.shortcut is not None:
            value = value.model_copy(update={"shortcut": less(value.shortcut)})
        return less(value)

    stages = tuple(
        less_inside(stage.model_copy(update={"after": less(stage.after)}))
        for stage in architecture.stages
    )
    parts = {name: less(getattr(architecture, name)) for name in ("input", "head")}
    block = less_inside(architecture.block)
    return architecture.model_copy(update={**parts, "block": block, "stages": stages})


def default_recipe_name(side: int, *, fine_tuning: bool = False) -> str:
    """The recipe for people in a hurry, by the side of the training images in pixels.

    Args:
      side: pixels.
      fine_tuning: whether the weights are trained already and want lower rates.
    """
    kind = "finetune" if fine_tuning else "short"
    if side <= 16:
        return f"{kind}8"
    if side <= 28:
        return f"{kind}28"
    return f"{kind}32" if side <= 64 else f"{kind}_photo"
