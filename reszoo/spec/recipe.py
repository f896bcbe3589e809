"""A training recipe: the page of YAML that says how a network is trained, as a frozen value.

Whatever is measured along the training (warm-up, drops of the rate) is a share of the whole, so
that `--epochs` stretches or shortens a recipe without changing its shape.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator
from pydantic_core import PydanticCustomError

from reszoo.spec.architecture import Architecture, Block, BlockFields, SurvivalDecay, SurvivalDraw
from reszoo.spec.augmentation import Augmentation
from reszoo.spec.base import (
    Document,
    Fraction,
    Positive,
    PositiveInt,
    Probability,
    ShareOfTraining,
    Tuple,
    Value,
)
from reszoo.spec.optimizer import EMA, Loss, Optimizer, Schedule
from reszoo.spec.test_time import Views

Precision = Literal["auto", "float32", "mixed_bfloat16", "mixed_float16", "float64"]


SizeMilestone = Annotated[tuple[ShareOfTraining, PositiveInt], Field(strict=False)]
"""From which share of the training on images have which side."""


class Regularization(Value):
    """What a recipe changes in the network itself. None: the architecture's own value stays."""

    survival_probability: Probability | None = None
    """Probability that training keeps the last block's transform (stochastic depth)."""
    survival_decay: SurvivalDecay | None = None
    """How earlier blocks fare: as the last, or better; see `block.survival_decay`."""
    survival_draw: SurvivalDraw | None = None
    """Whether a batch keeps or drops a block, or each example; see `block.survival_draw`."""
    dropout: Fraction | None = None
    """Dropout before the last layer."""
    block_dropout: Fraction | None = None
    """Dropout between the convolutions of a block (wide residual nets)."""
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
    published: dict[str, float | None] = Field(default_factory=dict)
    """The nets of the zoo that its authors trained so, with the top-1 accuracy in % that they
    report."""
    epochs: PositiveInt
    batch: PositiveInt
    """Images per step, over all replicas; a smaller training set is one batch."""
    optimizer: Optimizer = Optimizer()
    schedule: Schedule
    loss: Loss = Loss()
    label_smoothing: Fraction = 0.0
    """Share of every target that is given to all classes alike, in training only."""
    augmentation: Augmentation = Augmentation()
    regularization: Regularization = Regularization()
    rate_factors: dict[str, Positive] = Field(default_factory=dict)
    """What the learning rate is multiplied by in each part of the network: `stem`, `stage1`..,
    `head`, or `backbone` for whatever is not named but the head. 1 elsewhere. Besides, every
    bias (a normalisation's too) is multiplied by that of `bias`, the layer of the logits by that of
    `logits`."""
    decay_factors: dict[str, Annotated[float, Field(ge=0)]] = Field(default_factory=dict)
    """What the weight decay is multiplied by in each part, named as in `rate_factors`."""
    freeze: Tuple[str] = ()
    """Parts of a network with trained weights that stay as they are, statistics included: `stem`,
    `stage1`.., `backbone` (all but the head), or `stem..stage2` for all from the one to the
    other."""
    unfreeze_at: Annotated[int, Field(ge=2)] | None = None
    """The epoch (from 1) in which the frozen parts begin to learn; never unless given."""
    ema: EMA | None = None
    """A moving average of the weights: the share kept at each step, or a mapping that says more.
    None: no average."""
    norm_images: PositiveInt | None = None
    """Over how many training images the statistics of normalisation are computed anew for the
    trained weights, instead of the moving averages. None: the moving averages."""
    precision: Precision = "auto"
    """`auto` is mixed_bfloat16 where the device computes in bfloat16 and float32 elsewhere; a run
    records which it was, and resumes in that. `mixed_float16` scales its loss; `float64` is for
    checking that replicas compute what one would."""
    validation: Validation = Validation()
    sizes: Tuple[SizeMilestone] = ()
    """Progressive resizing: sides of the training images and from which share of the training on
    they hold, `[[0, 128], [0.4, 160], [0.7, 192]]`. Evaluation stays as it is. The architecture's
    own size throughout unless given."""
    test_time: Views | None = None
    """The views of an image that the network is tested with at the end, and by `reszoo evaluate`:
    `flip`, 5, 10, `airbench` or a mapping. One unless given; validation always takes one."""

    @field_validator("sizes")
    @classmethod
    def _sizes_in_order(cls, sizes: tuple[SizeMilestone, ...]) -> tuple[SizeMilestone, ...]:
        shares = [share for share, _ in sizes]
        if sizes and (shares[0] != 0 or shares != sorted(set(shares))):
            raise PydanticCustomError(
                "sizes_in_order", "shares of the training that rise, the first 0: [[0, 128], ...]"
            )
        return sizes

    @model_validator(mode="after")
    def _plateau_is_seen(self) -> Recipe:
        if self.schedule.kind == "plateau" and not self.validation.fraction:
            raise PydanticCustomError(
                "plateau_unseen", "a plateau schedule watches held out images; hold some out"
            )
        return self


def regularize(architecture: Architecture, regularization: Regularization) -> Architecture:
    """The architecture with what a recipe's `regularization` says; the one step that does this."""
    if regularization.dropout_factor is not None:
        architecture = _with_less_dropout(architecture, regularization.dropout_factor)
    block = {
        name: value
        for name in ("survival_probability", "survival_decay", "survival_draw", "zero_gamma")
        if (value := getattr(regularization, name)) is not None
    }
    if regularization.block_dropout is not None:
        block["dropout"] = regularization.block_dropout
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
