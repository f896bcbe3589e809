"""A search: which fields of a spec are tried with which values, within which limits and budget."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from reszoo.spec.base import Document, Kinded, Positive, PositiveInt, Tuple, Value

SHARED, EACH = "*", "each"
Pattern = tuple[str | int, ...]
"""A path into a spec; `*` and `each` stand for every item of a list."""

_PATH = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*|\[(\d+|\*|each)\])*")
_PART = re.compile(r"([A-Za-z_]\w*)|\[(\d+|\*|each)\]")
_MOST_VALUES = 1000


def parse_patterns(text: str) -> tuple[Pattern, ...]:
    """`"stages[*].depth"` as `(("stages", "*", "depth"),)`; commas part fields that go together.

    Raises:
      ValueError: it is no path.
    """
    patterns = []
    for one in text.split(","):
        if not _PATH.fullmatch(one.strip()):
            raise ValueError(text)
        parts = _PART.findall(one)
        patterns.append(
            tuple(name or (int(index) if index.isdigit() else index) for name, index in parts)
        )
    return tuple(patterns)


def _are_patterns(text: str) -> str:
    try:
        patterns = parse_patterns(text)
    except ValueError:
        raise PydanticCustomError(
            "search_path",
            "Input should be a path into a spec, such as stages[*].depth or block.connection",
        ) from None
    if any(sum(part in (SHARED, EACH) for part in pattern) > 1 for pattern in patterns):
        raise PydanticCustomError("search_wildcards", "A path takes one [*] or [each]")
    if len(patterns) > 1 and any(EACH in pattern for pattern in patterns):
        raise PydanticCustomError("search_each", "[each] stands in a path of its own")
    return text


class Choices(Value):
    """The values of one field: a list, a range of whole numbers, or factors of the base's value."""

    choices: Annotated[Tuple[Any], Field(min_length=1)] | None = None
    """Values as a spec writes them. Where one choice sets several fields (`[*]`), a list as long as
    there are fields gives each its own."""
    min: int | None = None
    max: int | None = None
    step: PositiveInt | None = None
    """Distance between the values of a range; 1 unless given."""
    multiply: Annotated[Tuple[Positive], Field(min_length=1)] | None = None
    """Factors of the base spec's own whole numbers, rounded; each stage keeps its proportion."""

    @model_validator(mode="after")
    def _one_way(self) -> Choices:
        has_range = (self.min, self.max, self.step) != (None, None, None)
        if sum((self.choices is not None, self.multiply is not None, has_range)) != 1:
            raise PydanticCustomError(
                "search_choices",
                "Input should be one of: choices: [...], min: and max:, or multiply: [...]",
            )
        if has_range and (self.min is None or self.max is None):
            raise PydanticCustomError("search_range", "A range needs both min and max")
        if self.min is None or self.max is None:
            return self
        if self.min > self.max:
            raise PydanticCustomError("search_range_order", "min should not be above max")
        if (self.max - self.min) // (self.step or 1) >= _MOST_VALUES:
            raise PydanticCustomError(
                "search_range_size", "A range should hold at most 1000 values; give a step"
            )
        return self


class Limits(Value):
    """What a candidate may cost; one that costs more is never trained."""

    parameters: Positive | None = None
    """Trainable weights."""
    macs: Positive | None = None
    """Multiply-adds for one image."""
    weight_bytes_int8: Positive | None = None
    """Bytes of the weights as int8."""
    peak_activation_bytes: Positive | None = None
    """Bytes of the feature maps that are alive at once, as int8 at batch 1."""


class Strategy(Kinded):
    """How candidates are chosen and how long each is trained."""

    kind: Literal["random", "hyperband"] = "random"
    """`random` trains each candidate fully; `hyperband` trains many briefly and goes on with the
    best (Li 2018). Schedules always span `max_epochs`."""
    trials: PositiveInt | None = None
    """`random`: candidates to train; 10 unless given."""
    max_epochs: PositiveInt | None = None
    """Epochs of a fully trained candidate; the recipe's unless given."""
    factor: Annotated[int, Field(ge=2)] | None = None
    """`hyperband`: one in `factor` goes on, `factor` times as long; 3 unless given."""
    iterations: PositiveInt | None = None
    """`hyperband`: how often all brackets are run; once unless given."""

    @model_validator(mode="after")
    def _fits_its_kind(self) -> Strategy:
        if self.kind == "hyperband" and self.trials is not None:
            raise PydanticCustomError(
                "hyperband_trials",
                "hyperband plans its own trials from max_epochs, factor and iterations; "
                "leave trials out",
            )
        if self.kind == "random" and (self.factor is not None or self.iterations is not None):
            raise PydanticCustomError(
                "random_rungs", "factor and iterations belong to kind: hyperband"
            )
        return self


class Search(Document):
    """A whole search: the base, the fields tried, the limits, the strategy."""

    name: str
    title: str | None = None
    source: str | None = None
    base: str
    """The spec that every candidate starts from: a name of the zoo, or a file (looked for beside
    the search first)."""
    recipe: str | None = None
    """How candidates are trained; the recipe for the image's size unless given."""
    recipe_overrides: dict[str, Any] = Field(default_factory=dict)
    """Fields of the recipe by their path, such as `optimizer.weight_decay: 1e-4`."""
    space: Annotated[
        dict[Annotated[str, AfterValidator(_are_patterns)], Choices], Field(min_length=1)
    ]
    """KeyPath into the spec -> its values. `stages[*].depth` is one value that all stages share,
    `stages[each].depth` one for each stage on its own; `stem.filters, stages[*].width` go
    together."""
    limits: Limits = Limits()
    strategy: Strategy = Strategy()
    objective: Literal["val_accuracy"] = "val_accuracy"
    """Accuracy on training images that were held out; the test split never selects."""
    validation: Annotated[float, Field(gt=0, le=0.5)] | None = None
    """Share of the training images held out; the recipe's unless given."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Of the candidates drawn, the images held out and every training."""
    start_from: Tuple[str | dict[str, Any]] = ()
    """Candidates tried first: specs by name or file, or mappings from a path to its value."""
