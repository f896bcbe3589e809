"""How a loss becomes updates, and how fast: loss, optimizer, schedule and averages of a recipe."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import PydanticCustomError

from reszoo.spec.base import (
    Fraction,
    Kinded,
    Positive,
    PositiveInt,
    Probability,
    ShareOfTraining,
    Tuple,
    Value,
)

_OUTSIDE = ("adamw", "lamb")
"""Optimizers whose decay is never part of the gradient."""


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


class Lookahead(Value):
    """Slow weights that follow the fast ones, which go back to them (Zhang 2019)."""

    every: PositiveInt = 5
    """Steps between two moves of the slow weights."""
    share: Probability = 0.5
    """Of the way to the fast weights that the slow ones go."""


class Optimizer(Kinded):
    """How gradients become updates."""

    kind: Literal["sgd", "adam", "adamw", "lamb", "rmsprop"] = "sgd"
    """LAMB (You 2020) is Adam whose step in each kernel is as long as the kernel, times the rate.
    RMSProp is TensorFlow's: epsilon inside the root, mean squares that start at 1."""
    momentum: Fraction = 0.9
    """SGD, RMSProp: share of the velocity kept. The rate stands inside the velocity, as in
    Caffe."""
    nesterov: bool = True
    """SGD: whether the gradient is taken where the velocity leads."""
    betas: tuple[Fraction, Fraction] = Field(default=(0.9, 0.999), strict=False)
    """Adam, LAMB: shares of the first and second moments kept."""
    rho: Fraction = 0.9
    """RMSProp: share of the mean square kept."""
    epsilon: Positive = 1e-7
    """Adam, LAMB: added to the root of the second moment. RMSProp: to the mean square."""
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    """Pull of the weights towards 0."""
    decay: Literal["coupled", "decoupled"] | None = None
    """`coupled` adds `weight_decay * w` to the gradient, through the momentum, as papers' SGD does;
    `decoupled` takes `rate * weight_decay * w` from the weights (about 1 / (1 - momentum) times
    weaker for the same number). Unless given: decoupled for adamw and lamb (whose pull is part of
    the step that is as long as the kernel), coupled otherwise."""
    decay_norm_and_bias: bool = False
    """Whether normalisation, biases and other vectors decay too; kernels always do."""
    clip_norm: Positive | None = None
    """Largest norm of the whole gradient, before the decay is added."""
    clip_adaptive: Positive | None = None
    """Largest norm of the gradient of each unit (output channel), as a share of the norm of its
    weights, before the decay is added; the layer of the logits is spared (Brock 2021)."""
    lookahead: Lookahead | None = None
    """Slow weights beside the fast ones."""

    @model_validator(mode="after")
    def _decays_as_it_can(self) -> Optimizer:
        if self.kind in _OUTSIDE and self.decay == "coupled":
            raise PydanticCustomError(
                "decoupled_only",
                "adamw decays decoupled; write `kind: adam` for coupled decay"
                if self.kind == "adamw"
                else "lamb has a decay of its own, which is not coupled; leave `decay` out",
            )
        return self

    @property
    def decoupled(self) -> bool:
        """Whether the decay bypasses the gradient."""
        return (self.decay or ("decoupled" if self.kind in _OUTSIDE else "coupled")) == "decoupled"


class Schedule(Kinded):
    """The learning rate as a pure function of the step; `plateau` alone looks at the loss."""

    kind: Literal[
        "constant", "triangular", "cosine", "polynomial", "exponential", "step", "plateau"
    ] = "triangular"
    """After the warm-up: the peak; a line, half a cosine, a power of the time left, or a constant
    ratio per step, from the peak to `final`; the peak times `factor` at each drop; or times
    `factor` whenever the loss of the held out images stalls."""
    peak: Positive = 0.1
    """The largest learning rate."""
    warmup: ShareOfTraining = 0.0
    """Share of the training in which the rate rises from `start` to the peak."""
    start: Fraction = 0.0
    """Where the warm-up starts, as a share of the peak."""
    warmup_shape: Literal["linear", "constant"] = "linear"
    """Rises in a line, or stays at `start` and then jumps (He 2015 for 110 layers)."""
    warmup_over: bool = False
    """Whether the warm-up lies over the fall, as a factor, instead of before it."""
    final: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Where what falls ends, as a share of the peak; `plateau`: below which it does not fall."""
    hold: ShareOfTraining = 0.0
    """Share of the training, at its end, in which the rate stays at `final`."""
    power: Positive = 2.0
    """`polynomial`: which power of the share of time left the rate is."""
    drops: Tuple[ShareOfTraining] = ()
    """`step`: where the rate drops, as shares of the training, rising."""
    factor: Annotated[float, Field(gt=0, lt=1)] = 0.1
    """`step`, `plateau`: what each drop multiplies the rate by."""
    patience: PositiveInt = 5
    """`plateau`: epochs without a lower loss before the rate drops."""
    stairs: PositiveInt | None = None
    """How many times in the training the rate changes, such as once per epoch. None: each step."""

    @model_validator(mode="after")
    def _drops_rise(self) -> Schedule:
        if list(self.drops) != sorted(set(self.drops)) or 0.0 in self.drops:
            raise PydanticCustomError("drops_rise", "drops should be rising shares of the training")
        if bool(self.drops) != (self.kind == "step"):
            raise PydanticCustomError(
                "drops_step", "a step schedule needs drops, and no other takes them"
            )
        return self

    @model_validator(mode="after")
    def _can_be_followed(self) -> Schedule:
        if self.kind == "exponential" and self.final == 0:
            raise PydanticCustomError(
                "exponential_end", "an exponential schedule never reaches 0; give it a `final`"
            )
        if self.kind == "plateau" and (self.warmup or self.hold or self.stairs):
            raise PydanticCustomError(
                "plateau_alone", "a plateau schedule takes no warmup, hold or stairs"
            )
        if self.warmup + self.hold >= 1:
            raise PydanticCustomError(
                "no_time_left", "warmup and hold should leave time between them"
            )
        return self

    @property
    def is_free(self) -> bool:
        """Whether the rate is a plain number that a callback may change while the training runs."""
        return self.kind == "plateau" or (self.kind == "constant" and self.warmup == 0)


class EMA(Value):
    """An exponential moving average of the weights, which is what is evaluated and saved.

    Weights only: moving statistics of normalisation are averages already.
    """

    kept: Annotated[float, Field(gt=0, lt=1)]
    """Share of the average kept when it is updated."""
    every: PositiveInt = 1
    """Steps between two updates."""
    ramp: bool = False
    """Whether less is kept at first, (1 + step) / (10 + step), as the TF Model Garden does."""

    @model_validator(mode="before")
    @classmethod
    def _expand(cls, data: Any) -> Any:
        return {"kept": data} if isinstance(data, int | float) else data

    @classmethod
    def __get_pydantic_json_schema__(cls, core: Any, handler: Any) -> JsonSchemaValue:
        mapping = handler(core)
        return {"anyOf": [handler.resolve_ref_schema(mapping)["properties"]["kept"], mapping]}
