"""The arguments of a training, in the groups in which they are used."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reszoo.runs.checkpoint_policy import CheckpointPolicy
from reszoo.spec.architecture import Architecture
from reszoo.spec.recipe import Recipe
from reszoo.training.options import DataOptions, DistributionOptions, InitialWeightsOptions
from reszoo.training.teachers import Teachers


@dataclass(frozen=True, slots=True)
class TrainingArguments:
    """What `reszoo.train` is called with, as far as it changes the result."""

    spec: Architecture | str | Path | None
    recipe: Recipe | str | Path | None
    data: DataOptions
    initial: InitialWeightsOptions
    distribution: DistributionOptions
    policy: CheckpointPolicy
    teacher: Teachers | None = None
    epochs: int | None = None
    seed: int = 0
    out: Path | str | None = None
    overrides: Sequence[str] = ()
    recipe_overrides: Sequence[str] = ()
    callbacks: Sequence[Any] = ()
