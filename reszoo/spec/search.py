"""Searches: base spec, space, limits, objectives and strategy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema, model_validator
from pydantic_core import PydanticCustomError

from reszoo.errors import did_you_mean
from reszoo.spec.base import Document, Name, Tuple, Value
from reszoo.spec.search_space import EACH, Choices, SearchPath, parse_patterns
from reszoo.spec.search_strategy import Confirm, Strategy

COSTS = (
    "parameters",
    "macs",
    "weight_bytes_int8",
    "peak_activation_bytes",
    "arena_bytes",
    "latency_ms",
)
"""The measures of cost, each of which may be a limit or an objective."""

VAL_ACCURACY = "val_accuracy"


def _check_limit(value: Any) -> Any:
    """Returns a limit as a float, or as a range of two."""
    is_range = isinstance(value, list | tuple)
    numbers = list(value) if is_range else [value]
    if (is_range and len(numbers) != 2) or not all(map(_is_positive, numbers)):
        raise PydanticCustomError(
            "limit",
            "Input should be a number above 0, or a range [LEAST, MOST] of two",
            {"hint": "write a number without quotes or units, such as `macs: 41.0e+6`"},
        )
    try:
        numbers = [float(number) for number in numbers]
    except OverflowError:
        raise PydanticCustomError(
            "limit_size", "Input should be a number below 1e308", {"hint": "remove the limit"}
        ) from None
    if is_range and numbers[0] > numbers[1]:
        least, most = (f"{number:g}" for number in numbers)
        raise PydanticCustomError(
            "limit_order",
            "Input should be a range [LEAST, MOST] whose first number is not above its second",
            {"hint": f"write `[{most}, {least}]`"},
        )
    return tuple(numbers) if is_range else numbers[0]


def _is_positive(number: Any) -> bool:
    return isinstance(number, int | float) and not isinstance(number, bool) and number > 0


_POSITIVE = {"type": "number", "exclusiveMinimum": 0}
Limit = Annotated[
    float | tuple[float, float],
    BeforeValidator(_check_limit),
    WithJsonSchema(
        {
            "anyOf": [
                _POSITIVE,
                {"type": "array", "items": _POSITIVE, "minItems": 2, "maxItems": 2},
            ]
        }
    ),
]
"""The most that a candidate may cost, or the least and the most."""


class Limits(Value):
    """Limits of a candidate's cost; candidates outside are never trained.

    Each is a maximum, or a range `[LEAST, MOST]`.
    """

    target: str | None = None
    """Export target whose rules and limits every candidate meets: a name, or a file."""
    parameters: Limit | None = None
    """Trainable weights."""
    macs: Limit | None = None
    """Multiply-adds for one image."""
    weight_bytes_int8: Limit | None = None
    """Bytes of the weights as int8."""
    peak_activation_bytes: Limit | None = None
    """Peak bytes of the feature maps alive at once, as int8 at batch 1."""
    arena_bytes: Limit | None = None
    """Bytes of working memory under TFLite-Micro, of the converted file."""
    latency_ms: Limit | None = None
    """CPU milliseconds of one thread of this machine for one image, of the converted file."""


Objectives = dict[str, Literal["max", "min"]]


def _check_objectives(objectives: Objectives) -> Objectives:
    """Checks that each objective is measured and has its direction."""
    known = (VAL_ACCURACY, *COSTS)
    if unknown := [name for name in objectives if name not in known]:
        raise PydanticCustomError(
            "objective_name",
            "Input should be objectives that a search measures: {measured}",
            {
                "measured": ", ".join(known),
                "hint": did_you_mean(unknown[0], known) or f"remove `{unknown[0]}`",
            },
        )
    for name, direction in objectives.items():
        meant = "max" if name == VAL_ACCURACY else "min"
        if direction != meant:
            raise PydanticCustomError(
                "objective_direction",
                "Input should be an accuracy to maximise and costs to minimise",
                {"hint": f"write `{name}: {meant}`"},
            )
    if VAL_ACCURACY not in objectives:
        raise PydanticCustomError(
            "objective_accuracy",
            "Input should be objectives with val_accuracy among them",
            {"hint": f"add `{VAL_ACCURACY}: max`"},
        )
    return objectives


class Search(Document):
    """A search: base spec, space, limits, objectives and strategy."""

    name: Name
    """Name of the search, as used in commands."""
    title: str | None = None
    """One line that describes it."""
    source: str | None = None
    """Origin and references."""
    base: str
    """Spec that every candidate starts from: a zoo name, or a file (first beside the search)."""
    recipe: str | None = None
    """Recipe of the candidates. Defaults to the short recipe for the image size."""
    recipe_overrides: dict[str, Any] = Field(default_factory=dict)
    """Overrides of the recipe by path, such as `optimizer.weight_decay: 1e-4`."""
    space: Annotated[dict[SearchPath, Choices], Field(min_length=1)]
    """Values by path. `stages[*].depth` is one value shared by all stages, `stages[each].depth` one
    value per stage; `stem.filters, stages[*].width` couples both; `recipe.schedule.peak` is a field
    of the recipe."""
    limits: Limits = Limits()
    """Limits of a candidate's cost."""
    constraints: Tuple[str] = ()
    """Comparisons that every candidate meets, of fields, numbers, `+ - * /`, `min`, `max` and
    `sum`: `stages[2].width <= 4 * stages[0].width`, `sum(stages[*].depth) >= 5`."""
    strategy: Strategy = Strategy()
    """The search strategy and its budget."""
    confirm: Confirm | None = None
    """Further trainings of the best candidates, with other seeds, before one is named. Defaults to
    none."""
    objective: Literal["val_accuracy"] | None = None
    """Metric to maximise: accuracy on the validation split; the test split never selects. Short for
    `objectives: {val_accuracy: max}`, the default."""
    objectives: Annotated[Objectives, AfterValidator(_check_objectives)] | None = None
    """Several objectives, the first of which names the best: `{val_accuracy: max, macs: min}`. The
    result is the Pareto front: the candidates that no other one beats in all objectives."""
    validation: Annotated[float, Field(gt=0, le=0.5)] | None = None
    """Fraction of the training images held out. Defaults to the recipe's."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Seed of sampling, of the validation split and of every training."""
    start_from: Tuple[str | dict[str, Any]] = ()
    """Candidates to try first: specs by name or file, or mappings from path to value."""
    references: Tuple[str] = ()
    """Specs by name or file, in the space or not, trained like the candidates and shown beside
    them."""

    @property
    def goals(self) -> Mapping[str, Literal["max", "min"]]:
        """The objectives and their directions, the first of which names the best."""
        return self.objectives or {VAL_ACCURACY: "max"}

    @property
    def further_trainings(self) -> int:
        """Number of trainings beside those of the strategy: of references, and to confirm."""
        return len(self.references) + (self.confirm.trainings if self.confirm else 0)

    @model_validator(mode="before")
    @classmethod
    def _default_objective(cls, data: Any) -> Any:
        if isinstance(data, Mapping) and not {"objective", "objectives"} & data.keys():
            return {**data, "objective": VAL_ACCURACY}
        return data

    @model_validator(mode="after")
    def _check_together(self) -> Search:
        if self.objective is not None and self.objectives is not None:
            raise PydanticCustomError(
                "objective_twice",
                "no objective beside objectives, which it is short for",
                {"fields": ("objective",), "hint": "remove `objective`"},
            )
        if self.strategy.kind == "pareto" and len(self.goals) < 2:
            raise PydanticCustomError(
                "pareto_objectives",
                "kind: pareto with several objectives",
                {
                    "fields": ("strategy",),
                    "hint": "add `objectives: {val_accuracy: max, macs: min}`, "
                    "or write `kind: tpe`",
                },
            )
        if self.strategy.kind == "list" and not self.start_from:
            raise PydanticCustomError(
                "list_start_from",
                "kind: list with candidates in start_from",
                {"fields": ("strategy",), "hint": "list the candidates under `start_from:`"},
            )
        for text, choices in self.space.items():
            if choices.order is not None and EACH not in parse_patterns(text)[0]:
                raise PydanticCustomError(
                    "search_order",
                    "order only for values that each stage has of its own",
                    {
                        "fields": ("space",),
                        "hint": f"remove `order` from '{text}', or write [{EACH}] in its path",
                    },
                )
        return self
