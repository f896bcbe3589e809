"""Options of a training that belong together: its data, its initial weights, its devices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal

from reszoo.inference.trained import Target
from reszoo.runs.cluster.devices import StrategyWord
from reszoo.runs.cluster.discovery import PEER_SECONDS

ClassWeights = Literal["balanced"] | Mapping[str, float] | None


@dataclass(frozen=True, slots=True)
class DataOptions:
    """Which images a training sees; the fields are arguments of `reszoo.train`."""

    data: Any = "digits"
    classes: int | None = None
    class_weights: ClassWeights = None
    skip_bad_images: bool = False
    enlarge_small_images: bool = False
    data_dir: Path | str | None = None


@dataclass(frozen=True, slots=True)
class InitialWeightsOptions:
    """Which trained weights a training starts from; the fields are arguments of `reszoo.train`."""

    start: Target | None = None
    weights: str | None = None
    freeze: Sequence[str] = ()
    unfreeze_at: int | None = None
    quantize: Literal["int8"] | None = None

    @property
    def fine_tunes(self) -> bool:
        """Whether the training starts from trained weights."""
        return self.start is not None or self.weights is not None


@dataclass(frozen=True, slots=True)
class DistributionOptions:
    """Where a training runs; the fields are arguments of `reszoo.train` and `reszoo.resume`."""

    strategy: StrategyWord = "auto"
    devices: str | None = None
    sync_norm: bool = False
    accumulate: int = 1
    xla: bool | None = None
    port: int | None = None
    peer_timeout: float = PEER_SECONDS
    data_service: str | None = None

    def changed(self, **options: Any) -> DistributionOptions:
        """Returns these options with the given ones replaced; None leaves an option unchanged.

        Only `xla="auto"` returns that option to its default, which is None.
        """
        given = {name: value for name, value in options.items() if value is not None}
        if given.get("xla") == "auto":
            given["xla"] = None
        return replace(self, **given)

    def facts(self) -> dict[str, Any]:
        """Returns what run.json records: the options that differ from their defaults."""
        return changed_options(self)


def changed_options(
    options: DataOptions | InitialWeightsOptions | DistributionOptions,
) -> dict[str, Any]:
    """Returns the options that differ from their defaults, by name."""
    values = {field.name: getattr(options, field.name) for field in fields(options)}
    defaults = {field.name: field.default for field in fields(options)}
    return {name: value for name, value in values.items() if value != defaults[name]}
