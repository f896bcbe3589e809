"""The training recipe: one page of YAML that defines a training, as a frozen value.

Points in time (warmup, drops of the learning rate) are fractions of the training, so that
`--epochs` stretches or shortens a recipe without changing its shape.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator
from pydantic_core import PydanticCustomError

from reszoo.spec.architecture import Architecture
from reszoo.spec.augmentation import Augmentation
from reszoo.spec.base import (
    Abbreviated,
    Document,
    Fraction,
    Name,
    Positive,
    PositiveInt,
    Probability,
    ShareOfTraining,
    Tuple,
    Value,
)
from reszoo.spec.block_fields import Block, BlockFields, SurvivalDecay, SurvivalDraw
from reszoo.spec.optimizer import EMA, Distill, Loss, Optimizer, Schedule
from reszoo.spec.test_time import Views

Precision = Literal["auto", "float32", "mixed_bfloat16", "mixed_float16", "float64"]

SizeMilestone = Annotated[tuple[ShareOfTraining, PositiveInt], Field(strict=False)]
"""Fraction of the training from which on images have a side in pixels, and that side."""


class Regularization(Value):
    """Regularisation inside the network; fields left out keep the architecture's values."""

    survival_probability: Probability | None = None
    """Stochastic depth (1 - drop_path); see `block.survival_probability`."""
    survival_decay: SurvivalDecay | None = None
    """Stochastic depth of the earlier blocks; see `block.survival_decay`."""
    survival_draw: SurvivalDraw | None = None
    """Whether blocks are dropped per batch or per example; see `block.survival_draw`."""
    dropout: Fraction | None = None
    """Dropout rate before the last layer."""
    block_dropout: Fraction | None = None
    """Dropout rate between the convolutions of a block (wide residual nets)."""
    dropout_factor: Annotated[float, Field(ge=0, le=1)] | None = None
    """Multiplies every dropout rate of the architecture; short trainings overfit less."""
    zero_gamma: bool | None = None
    """Initialises residual blocks as the identity; see `block.zero_gamma`."""


class Validation(Value):
    """The validation split, held out of the training split."""

    fraction: Annotated[float, Field(ge=0, le=0.5)] = 0.1
    """Fraction of the training images, stratified by class with the run's seed; 0 trains on all."""
    keep: Literal["best", "last"] = "best"
    """The checkpoint that becomes model.keras: the best on the validation split (highest accuracy,
    then lowest loss), or the last, which suits a learning rate that ends at 0."""


class EarlyStopping(Abbreviated):
    """Ends a training whose validation accuracy no longer improves."""

    patience: PositiveInt
    """Epochs without a new best one (highest accuracy, then lowest loss) after which it ends."""


class Recipe(Document):
    """A training: epochs, batch, optimizer, schedule, augmentation and validation."""

    name: Name
    """Name of the recipe, as used in commands."""
    title: str | None = None
    """One line that describes it."""
    source: str | None = None
    """Paper or implementation the recipe follows."""
    published: dict[str, float | None] = Field(default_factory=dict)
    """Networks of the zoo its authors trained this way, with the reported top-1 accuracy in %."""
    epochs: PositiveInt
    """Number of passes over the training images."""
    batch: PositiveInt
    """Global batch size, over all replicas; a smaller training set is one batch."""
    optimizer: Optimizer = Optimizer()
    """The optimizer, its weight decay and gradient clipping."""
    schedule: Schedule
    """The learning rate over the training."""
    loss: Loss = Loss()
    """The training loss."""
    label_smoothing: Fraction = 0.0
    """Fraction of every target spread evenly over all classes, in training only."""
    distill: Distill | None = None
    """Distillation from a teacher (`--teacher`), without which it has no effect. With a teacher,
    fields that are left out have their defaults."""
    augmentation: Augmentation = Augmentation()
    """Random changes of the training images."""
    regularization: Regularization = Regularization()
    """Changes of the network for this training: stochastic depth, dropout, zero gamma."""
    rate_factors: dict[str, Positive] = Field(default_factory=dict)
    """Learning rate multipliers by layer group: `stem`, `stage1`.., `head`, or `backbone` for the
    groups left out except the head. Default to 1. `bias` additionally multiplies the rate of every
    bias (also of normalisation), `logits` that of the last layer."""
    decay_factors: dict[str, Annotated[float, Field(ge=0)]] = Field(default_factory=dict)
    """Weight decay multipliers by layer group, as in `rate_factors`."""
    freeze: Tuple[str] = ()
    """Layer groups to freeze when fine-tuning, statistics included: `stem`, `stage1`.., `backbone`
    (all but the head), a range such as `stem..stage2`, or a block such as `stage2.block3`."""
    unfreeze_at: Annotated[int, Field(ge=2)] | None = None
    """Epoch (from 1) at which the frozen groups are unfrozen. Defaults to never."""
    ema: EMA | None = None
    """Exponential moving average of the weights: its decay, or a mapping. Defaults to none."""
    norm_images: PositiveInt | None = None
    """Precise BN: number of training images over which the statistics of normalisation are
    recomputed for the trained weights. Defaults to keeping the moving averages."""
    quantize: Literal["int8"] | None = None
    """Quantization-aware training of a trained network (`--from`): `int8` rounds kernels and
    feature maps as the `.tflite` does. Normalisation is folded into the kernels; dropout and
    stochastic depth are off. Defaults to float training."""
    precision: Precision = "auto"
    """dtype policy. `auto` is mixed_bfloat16 on devices that compute in bfloat16, else float32; a
    run records the choice and resumes with it. With `quantize` it is float32. `mixed_float16` uses
    loss scaling; `float64` is for checking that replicas compute what a single one would."""
    validation: Validation = Validation()
    """Held-out images, and which weights are kept."""
    early_stopping: EarlyStopping | None = None
    """Ends the training early: the patience in epochs, or a mapping. The schedule still spans all
    epochs, so it suits schedules that do not fall to 0. Defaults to training all epochs."""
    sizes: Tuple[SizeMilestone] = ()
    """Progressive resizing: `[[0, 128], [0.4, 160], [0.7, 192]]` trains on images of side 128, from
    40% of the training on of side 160, and so on. Evaluation does not change. Defaults to the
    architecture's training size."""
    test_time: Views | None = None
    """Test-time augmentation (TTA) of the final test and of `reszoo evaluate`: `flip`, 5, 10,
    `airbench` or a mapping. Defaults to one view; validation always uses one view."""

    @field_validator("sizes")
    @classmethod
    def _check_sizes(cls, sizes: tuple[SizeMilestone, ...]) -> tuple[SizeMilestone, ...]:
        shares = [share for share, _ in sizes]
        if sizes and (shares[0] != 0 or shares != sorted(set(shares))):
            raise PydanticCustomError(
                "sizes_in_order",
                "rising shares of the training, the first 0: [[0, 128], ...]",
                {"hint": "begin with share 0 and sort the items by their shares"},
            )
        return sizes

    @model_validator(mode="after")
    def _check_plateau(self) -> Recipe:
        if self.schedule.kind == "plateau" and not self.validation.fraction:
            raise PydanticCustomError(
                "plateau_unseen",
                "held out images, which a plateau schedule watches",
                {"hint": "write `validation: {fraction: 0.1}`"},
            )
        return self

    @model_validator(mode="after")
    def _check_early_stopping(self) -> Recipe:
        if self.early_stopping is not None and not self.validation.fraction:
            raise PydanticCustomError(
                "early_stopping_unseen",
                "held out images, on which early_stopping measures the accuracy",
                {"hint": "write `validation: {fraction: 0.1}`, or remove `early_stopping`"},
            )
        return self

    @model_validator(mode="after")
    def _check_distill(self) -> Recipe:
        if self.distill is not None and self.loss.kind != "cross_entropy":
            raise PydanticCustomError(
                "distill_loss",
                "the loss cross_entropy, whose softmax a teacher's answers are compared with",
                {"hint": "write `loss: cross_entropy`, or remove `distill`"},
            )
        return self

    @model_validator(mode="after")
    def _check_quantize(self) -> Recipe:
        if self.quantize and self.precision not in ("auto", "float32"):
            raise PydanticCustomError(
                "quantize_precision",
                "precision float32, in which quantize computes the rounding to int8",
                {"hint": "write `precision: float32`, or remove `quantize`"},
            )
        return self


def regularize(architecture: Architecture, regularization: Regularization) -> Architecture:
    """Returns the architecture with a recipe's regularisation applied."""
    if regularization.dropout_factor is not None:
        architecture = _scale_dropout(architecture, regularization.dropout_factor)
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


def _scale_dropout(architecture: Architecture, factor: float) -> Architecture:
    def scale(value: Value) -> Value:
        rate = getattr(value, "dropout", None)
        return value.model_copy(update={"dropout": rate * factor}) if rate else value

    def scale_block(block: BlockFields | Block) -> Value:
        if block.shortcut is not None:
            block = block.model_copy(update={"shortcut": scale(block.shortcut)})
        return scale(block)

    stages = tuple(
        scale_block(stage.model_copy(update={"after": scale(stage.after)}))
        for stage in architecture.stages
    )
    ends = {name: scale(getattr(architecture, name)) for name in ("input", "head")}
    block = scale_block(architecture.block)
    return architecture.model_copy(update={**ends, "block": block, "stages": stages})


QUANTIZE_RECIPE = "quantize"
"""Name of the default recipe for quantization-aware training."""
FEW_IMAGES = 5_000
"""Below this number of training images, small images get a recipe with smaller batches."""


def default_recipe_name(
    height: int,
    width: int,
    *,
    images: int | None = None,
    fine_tuning: bool = False,
    normalized: bool = True,
) -> str:
    """Returns the short recipe for images of a size in pixels, or the one that fine-tunes.

    Few images (`images` of them train; None: many) get smaller batches and more epochs. An image
    one pixel high or wide is a signal. Blocks that are not normalized get a lower learning rate
    where the usual one is too high for them.

    Examples:
      >>> default_recipe_name(224, 224, fine_tuning=True)
      'finetune_photo'
      >>> default_recipe_name(32, 32, images=500)
      'few32'
    """
    kind = "finetune" if fine_tuning else "short"
    side = max(height, width)
    if min(height, width) == 1 < side:
        return f"{kind}_signal"
    if side <= 16:
        return f"{kind}8"
    if side > 64:
        return f"{kind}_photo"
    if images is not None and images < FEW_IMAGES:
        kind = "finetune_few" if fine_tuning else "few"
    if side <= 28:
        return f"{kind}28"
    return f"{kind}32" if normalized or fine_tuning else f"{kind}32_no_norm"
