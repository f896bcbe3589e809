"""The search space: fields of a spec, their values, limits and budget."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from reszoo.spec.base import Document, Kinded, Name, Positive, PositiveInt, Tuple, Value

SHARED, EACH = "*", "each"
Pattern = tuple[str | int, ...]
"""A path into a spec; `*` and `each` match every item of a list."""

_PATH = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*|\[(\d+|\*|each)\])*")
_PART = re.compile(r"([A-Za-z_]\w*)|\[(\d+|\*|each)\]")
_MOST_VALUES = 1000


def parse_patterns(text: str) -> tuple[Pattern, ...]:
    """Parses `"stages[*].depth"` as `(("stages", "*", "depth"),)`; commas join coupled fields.

    Raises:
      ValueError: the text is not a path.
    """
    patterns = []
    for path in text.split(","):
        if not _PATH.fullmatch(path.strip()):
            raise ValueError(text)
        keys = (name or index for name, index in _PART.findall(path))
        patterns.append(tuple(int(key) if key.isdigit() else key for key in keys))
    return tuple(patterns)


def _check_patterns(text: str) -> str:
    try:
        patterns = parse_patterns(text)
    except ValueError:
        raise PydanticCustomError(
            "search_path",
            "Input should be a path into a spec, such as stages[*].depth or block.connection",
            {"hint": "write the keys joined by dots, and numbers in brackets: stages[0].depth"},
        ) from None
    if any(sum(part in (SHARED, EACH) for part in pattern) > 1 for pattern in patterns):
        raise PydanticCustomError(
            "search_wildcards",
            "a path with one [*] or [each]",
            {"hint": "write numbers in place of the other brackets"},
        )
    if len(patterns) > 1 and any(EACH in pattern for pattern in patterns):
        raise PydanticCustomError(
            "search_each",
            "[each] in a path of its own",
            {"hint": "write [*] in place of [each], or a line for each path"},
        )
    return text


class Choices(Value):
    """Values of one field: a list, an integer range, or multiples of the base's value."""

    choices: Annotated[Tuple[Any], Field(min_length=1)] | None = None
    """Values as a spec writes them. If a choice sets several fields (`[*]`), a list with one entry
    per field gives each its own value."""
    min: int | None = None
    """Smallest value of the range."""
    max: int | None = None
    """Largest value of the range, inclusive."""
    step: PositiveInt | None = None
    """Step of the range. Defaults to 1."""
    multiply: Annotated[Tuple[Positive], Field(min_length=1)] | None = None
    """Factors of the base spec's integers, rounded; stages keep their proportions."""

    @model_validator(mode="after")
    def _check_kind(self) -> Choices:
        has_range = (self.min, self.max, self.step) != (None, None, None)
        if sum((self.choices is not None, self.multiply is not None, has_range)) != 1:
            raise PydanticCustomError(
                "search_choices",
                "Input should be one of: choices: [...], min: and max:, or multiply: [...]",
                {
                    "hint": "keep one of them, and remove the others"
                    if self.model_fields_set
                    else "write `{choices: [VALUE, VALUE]}`"
                },
            )
        if not has_range:
            return self
        if self.min is None or self.max is None:
            raise PydanticCustomError(
                "search_range",
                "a range with both min and max",
                {"hint": f"add `{'min' if self.min is None else 'max'}:`"},
            )
        if self.min > self.max:
            raise PydanticCustomError(
                "search_range_order",
                "a min that is not above max",
                {"hint": f"write `min: {self.max}` and `max: {self.min}`"},
            )
        if (self.max - self.min) // (self.step or 1) >= _MOST_VALUES:
            raise PydanticCustomError(
                "search_range_size",
                "a range of at most 1000 values",
                {"hint": f"write `step: {(self.max - self.min) // _MOST_VALUES + 1}` beside them"},
            )
        return self


class Limits(Value):
    """Upper limits of a candidate's cost; candidates above one are never trained."""

    parameters: Positive | None = None
    """Trainable weights."""
    macs: Positive | None = None
    """Multiply-adds for one image."""
    weight_bytes_int8: Positive | None = None
    """Bytes of the weights as int8."""
    peak_activation_bytes: Positive | None = None
    """Peak bytes of the feature maps alive at once, as int8 at batch 1."""


class Strategy(Kinded):
    """The search strategy and its budget."""

    kind: Literal["random", "hyperband"] = "random"
    """`random` trains every candidate fully; `hyperband` trains many briefly and continues the best
    (Li 2018). Schedules always span `max_epochs`."""
    trials: PositiveInt | None = None
    """`random`: number of candidates. Defaults to 10."""
    max_epochs: PositiveInt | None = None
    """Epochs of a fully trained candidate. Defaults to the recipe's."""
    factor: Annotated[int, Field(ge=2)] | None = None
    """`hyperband`: one candidate in `factor` continues, `factor` times as long. Defaults to 3."""
    iterations: PositiveInt | None = None
    """`hyperband`: number of runs of all brackets. Defaults to 1."""

    @model_validator(mode="after")
    def _check_kind(self) -> Strategy:
        if self.kind == "hyperband" and self.trials is not None:
            raise PydanticCustomError(
                "hyperband_trials",
                "hyperband plans its own trials from max_epochs, factor and iterations; "
                "leave trials out",
                {"hint": "remove `trials`"},
            )
        if self.kind == "random" and (self.factor is not None or self.iterations is not None):
            raise PydanticCustomError(
                "random_rungs",
                "no factor or iterations, which belong to kind: hyperband",
                {"hint": "remove factor and iterations, or write `kind: hyperband`"},
            )
        return self


class Search(Document):
    """A search: base spec, space, limits and strategy."""

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
    space: Annotated[
        dict[Annotated[str, AfterValidator(_check_patterns)], Choices], Field(min_length=1)
    ]
    """Values by path. `stages[*].depth` is one value shared by all stages, `stages[each].depth` one
    value per stage; `stem.filters, stages[*].width` couples both."""
    limits: Limits = Limits()
    """Upper limits of a candidate's cost."""
    strategy: Strategy = Strategy()
    """The search strategy and its budget."""
    objective: Literal["val_accuracy"] = "val_accuracy"
    """Metric to maximise: accuracy on the validation split; the test split never selects."""
    validation: Annotated[float, Field(gt=0, le=0.5)] | None = None
    """Fraction of the training images held out. Defaults to the recipe's."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Seed of sampling, of the validation split and of every training."""
    start_from: Tuple[str | dict[str, Any]] = ()
    """Candidates to try first: specs by name or file, or mappings from path to value."""
