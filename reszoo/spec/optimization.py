"""How a loss becomes updates, and how fast: loss, optimizer and schedule of a recipe."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from reszoo.spec.value import Fraction, Kinded, Positive, Tuple


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


class Loss(Kinded):
    """What training makes small."""

    kind: Literal["cross_entropy", "binary_cross_entropy"] = "cross_entropy"
    """Of the softmax over the classes, or of one sigmoid per class (mean over the classes)."""
    threshold: Fraction | None = None
    """`binary_cross_entropy`: a class with a larger share of a mixed image is wholly there, any
    other is not. None: the shares themselves."""

    @model_validator(mode="after")
    def _sigmoids_have_thresholds(self) -> Loss:
        if self.threshold is not None and self.kind == "cross_entropy":
            raise PydanticCustomError(
                "threshold_kind", "only binary_cross_entropy takes a threshold"
            )
        return self


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
