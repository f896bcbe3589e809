"""The loss, distillation, optimizer, learning rate schedule and weight averages of a recipe."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from reszoo.spec.base import (
    Abbreviated,
    Fraction,
    Kinded,
    Positive,
    PositiveInt,
    Probability,
    ShareOfTraining,
    Tuple,
    Value,
)

_DECOUPLED = ("adamw", "lamb")
"""Optimizers whose weight decay is never part of the gradient."""


class Loss(Kinded):
    """The training loss."""

    kind: Literal["cross_entropy", "binary_cross_entropy"] = "cross_entropy"
    """Cross-entropy of the softmax, or of one sigmoid per class (mean over classes)."""
    threshold: Fraction | None = None
    """`binary_cross_entropy`: binarises the targets of mixed images: 1 above the threshold, else 0.
    Defaults to soft targets."""

    @model_validator(mode="after")
    def _check_threshold(self) -> Loss:
        if self.threshold is not None and self.kind == "cross_entropy":
            raise PydanticCustomError(
                "threshold_kind",
                "no threshold, which only binary_cross_entropy takes",
                {"hint": "remove `threshold`, or write `kind: binary_cross_entropy`"},
            )
        return self


class Distill(Value):
    """Distillation (Hinton 2015): the loss between the outputs of a teacher and of the student."""

    weight: Annotated[float, Field(ge=0, le=1)] = 0.9
    """Weight of this loss; the recipe's loss has the rest."""
    temperature: Positive = 4.0
    """`kl`: divides the logits of both before the softmax; a higher one gives more weight to the
    classes that the teacher finds less likely."""
    loss: Literal["kl", "logits"] = "kl"
    """`kl`: Kullback-Leibler divergence between the probabilities of both, times the squared
    temperature. `logits`: mean squared difference of the centred logits (their mean over the
    classes is subtracted; Ba 2014)."""


class Lookahead(Value):
    """Lookahead (Zhang 2019): slow weights move towards the fast ones, which are reset to them."""

    every: PositiveInt = 5
    """Steps between updates of the slow weights."""
    share: Probability = 0.5
    """Fraction of the way to the fast weights, alpha in the paper."""


class Optimizer(Kinded):
    """The optimizer and its weight decay and gradient clipping."""

    kind: Literal["sgd", "adam", "adamw", "lamb", "rmsprop"] = "sgd"
    """LAMB (You 2020) is Adam with each kernel's step scaled to the kernel's norm, times the rate.
    RMSProp is TensorFlow's: epsilon inside the root, mean squares initialised to 1."""
    momentum: Fraction = 0.9
    """SGD, RMSProp: decay of the velocity, which includes the learning rate, as in Caffe."""
    nesterov: bool = True
    """SGD: whether to use Nesterov momentum."""
    betas: tuple[Fraction, Fraction] = Field(default=(0.9, 0.999), strict=False)
    """Adam, LAMB: decay rates of the first and second moments."""
    rho: Fraction = 0.9
    """RMSProp: decay rate of the mean square."""
    epsilon: Positive = 1e-7
    """Added to the root of the second moment (Adam, LAMB) or to the mean square (RMSProp)."""
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    """Weight decay factor."""
    decay: Literal["coupled", "decoupled"] | None = None
    """`coupled` adds `weight_decay * w` to the gradient, before the momentum, as SGD in the papers;
    `decoupled` subtracts `rate * weight_decay * w` from the weights (about 1 / (1 - momentum) times
    weaker for the same number). Defaults to decoupled for adamw and lamb (where the decay is part
    of the step that is scaled to the kernel's norm), else to coupled."""
    decay_norm_and_bias: bool = False
    """Whether normalisation, biases and other vectors decay too; kernels always do."""
    clip_norm: Positive | None = None
    """Largest global norm of the gradient, before the decay is added. Defaults to no clipping."""
    clip_adaptive: Positive | None = None
    """Adaptive gradient clipping (Brock 2021): largest norm of an output channel's gradient over
    that of its weights, before the decay is added; the logits layer is exempt."""
    lookahead: Lookahead | None = None
    """Lookahead: slow weights beside the fast ones."""

    @model_validator(mode="after")
    def _check_decay(self) -> Optimizer:
        if self.kind in _DECOUPLED and self.decay == "coupled":
            raise PydanticCustomError(
                "decoupled_only",
                "adamw decays decoupled; write `kind: adam` for coupled decay"
                if self.kind == "adamw"
                else "lamb has a decay of its own, which is not coupled; leave `decay` out",
                {
                    "hint": "write `kind: adam` for coupled decay, or remove `decay`"
                    if self.kind == "adamw"
                    else "remove `decay`"
                },
            )
        return self

    @property
    def decoupled(self) -> bool:
        """Whether the weight decay bypasses the gradient."""
        return self.decay == "decoupled" or (self.decay is None and self.kind in _DECOUPLED)


class Schedule(Kinded):
    """The learning rate as a pure function of the step; only `plateau` depends on the loss."""

    kind: Literal[
        "constant", "triangular", "cosine", "polynomial", "exponential", "step", "plateau"
    ] = "triangular"
    """After the warmup: the peak throughout (`constant`); linear (`triangular`), half a cosine,
    polynomial or exponential decay from the peak to `final`; times `factor` at each of `drops`
    (`step`); or times `factor` whenever the validation loss stalls (`plateau`)."""
    peak: Positive = 0.1
    """Peak learning rate."""
    warmup: ShareOfTraining = 0.0
    """Fraction of the training in which the rate rises from `start` to the peak."""
    start: Fraction = 0.0
    """Initial rate of the warmup, as a fraction of the peak."""
    warmup_shape: Literal["linear", "constant"] = "linear"
    """A linear rise, or constant at `start` and then a jump (He 2015 for 110 layers)."""
    warmup_over: bool = False
    """Whether the warmup multiplies the first part of the decay instead of preceding it."""
    final: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Final rate, as a fraction of the peak; `plateau`: smallest rate."""
    hold: ShareOfTraining = 0.0
    """Fraction of the training, at its end, in which the rate stays at `final`."""
    power: Positive = 2.0
    """`polynomial`: exponent of the fraction of time left."""
    drops: Tuple[ShareOfTraining] = ()
    """`step`: where the rate drops, as rising fractions of the training, such as [30/90, 60/90]."""
    factor: Annotated[float, Field(gt=0, lt=1)] = 0.1
    """`step`, `plateau`: factor of each drop."""
    patience: PositiveInt = 5
    """`plateau`: epochs without a lower loss before the rate drops."""
    stairs: PositiveInt | None = None
    """Number of stairs of the rate, such as one per epoch. Defaults to one per step."""

    @model_validator(mode="after")
    def _check_drops(self) -> Schedule:
        if list(self.drops) != sorted(set(self.drops)) or 0.0 in self.drops:
            raise PydanticCustomError(
                "drops_rise",
                "rising shares of the training as drops",
                {"hint": f"write `drops: {sorted({*self.drops} - {0.0})}`"},
            )
        if bool(self.drops) != (self.kind == "step"):
            raise PydanticCustomError(
                "drops_step",
                "drops in a step schedule, and in no other",
                {
                    "hint": "write `kind: step`, or remove `drops`"
                    if self.drops
                    else "write shares of the training, such as `drops: [0.5, 0.75]`"
                },
            )
        return self

    @model_validator(mode="after")
    def _check_kind(self) -> Schedule:
        if self.kind == "exponential" and self.final == 0:
            raise PydanticCustomError(
                "exponential_end",
                "a `final` above 0, since an exponential schedule never reaches 0",
                {"hint": "write `final: 0.01`"},
            )
        if self.kind == "plateau" and (self.warmup or self.hold or self.stairs):
            raise PydanticCustomError(
                "plateau_alone",
                "no warmup, hold or stairs in a plateau schedule",
                {"hint": "write `warmup: 0`, and remove `hold` and `stairs`"},
            )
        if self.warmup + self.hold >= 1:
            raise PydanticCustomError(
                "no_time_left",
                "a warmup and a hold of less than 1 together",
                {"hint": f"write `warmup: {min(self.warmup, 0.1):g}` and `hold: 0`"},
            )
        return self

    @property
    def is_free(self) -> bool:
        """Whether the rate is a plain number that a callback may change during training."""
        return self.kind == "plateau" or (self.kind == "constant" and self.warmup == 0)


class EMA(Abbreviated):
    """Exponential moving average (EMA) of the weights, used for evaluation and saving.

    Weights only: the moving statistics of normalisation are averages already.
    """

    kept: Annotated[float, Field(gt=0, lt=1)]
    """Decay of the average per update, such as 0.999."""
    every: PositiveInt = 1
    """Steps between updates."""
    ramp: bool = False
    """Whether the decay ramps up as (1 + step) / (10 + step), as in the TF Model Garden."""
