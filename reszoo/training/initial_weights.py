"""With which weights does a training begin, when not with fresh ones?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras

from reszoo import spec as specs
from reszoo.data import ImageData
from reszoo.errors import UserError
from reszoo.inference.trained import Target, TrainedModel, load_trained
from reszoo.model.copy_weights import copy_weights
from reszoo.model.importing.pretrained import load_pretrained
from reszoo.planning.network import plan
from reszoo.runs import Run
from reszoo.spec.architecture import Architecture, Weights
from reszoo.training.job import with_data_classes


@dataclass(frozen=True, slots=True)
class InitialWeights:
    """A network whose weights a training begins with."""

    model: keras.Model
    spec: Architecture
    """As trained from here on: with what was overridden."""
    classes: tuple[str, ...] | None
    """Class names in the order of the logits, where they are known."""
    source: str
    """Where the weights come from, for run.json."""
    origin: Weights | None = None
    """Where these came from before, if the file says so."""
    drawn: tuple[str, ...] = ()
    """Layers that have no weights of the source, because its classes are others."""

    def new_layers(self, data: ImageData) -> tuple[str, ...]:
        """The layers that must be learned anew: the last one, where the classes are others.

        Numbers for names agree with any names, as they do in evaluation.
        """
        if self.drawn:
            return self.drawn
        count = len(data.classes)
        numbered = data.classes == tuple(str(number) for number in range(count))
        same_names = numbered or self.classes in (None, tuple(data.classes))
        if count == self.model.output_shape[-1] and same_names:
            return ()
        return (last_layer(self.spec),)

    def give(self, model: keras.Model, new_layers: Sequence[str]) -> None:
        """Gives `model` these weights, but for its new layers.

        Raises:
          UserError: the model is another network's.
        """
        copy_weights(self.model, model, skip=new_layers)

    def facts(self, new_layers: Sequence[str]) -> dict[str, Any]:
        """What run.json says about it."""
        facts: dict[str, Any] = {"source": self.source, "new_layers": list(new_layers)}
        if self.origin is not None:
            facts["weights"] = {"source": self.origin.source, "sha256": self.origin.sha256}
        return facts


def require_fresh(run: Run) -> None:
    """Refuses to go on from nothing, where a run began with weights of another network."""
    if start := run.info.get("start"):
        raise UserError(
            f"{run.path} was stopped before the weights it starts from were saved",
            expected=f"a state with the weights of {start['source']}",
            found="no state",
            hint="train again with the command in run.json",
        )


def last_layer(spec: Architecture) -> str:
    """The layer with one output for each class."""
    return next(row.name for row in plan(spec).rows if row.tags[:2] == ("head", "logits"))


def start_from(target: Target, overrides: Sequence[str] = ()) -> InitialWeights:
    """The start from a saved network, its architecture included.

    Args:
      target: a run, a `.keras` file that reszoo wrote, or a `TrainedModel`.
      overrides: changed fields of its spec that leave its weights fitting, such as `head.dropout`.

    Raises:
      UserError: there is no such network, it is damaged, or it does not say its architecture.
    """
    trained = load_trained(target)
    if trained.spec is None:
        raise UserError(
            f"{_source(target)} does not say its architecture, and cannot be trained on",
            expected="a run, or a .keras file that `reszoo train`, `build` or `deepen` wrote",
            found="a Keras model alone",
        )
    spec = specs.override(trained.spec, overrides) if overrides else trained.spec
    return InitialWeights(
        trained.model, _unsigned(spec), trained.classes, _source(target), spec.weights
    )


def start_with(
    spec: Architecture, weights: str, data: ImageData, *, classes: int | None = None
) -> InitialWeights:
    """The start from weights that others trained; see `reszoo.model.load_pretrained`.

    The weights' own last layer stays where the data have its classes; otherwise the head is new.

    Args:
      spec: the network.
      weights: `keras:imagenet`, `timm:TAG` or a file.
      data: what it will be trained on.
      classes: must be the data's number of classes, when given.

    Raises:
      UserError, MachineError: as for `load_pretrained`.
    """
    spec = with_data_classes(spec, data, classes)
    drawn: tuple[str, ...] = ()
    try:
        loaded = load_pretrained(spec, weights)
    except UserError:
        # Of other classes, or else the same error comes again, without the head in its way.
        loaded = load_pretrained(spec, weights, new_head=True)
        drawn = tuple(
            row.name for row in plan(loaded.spec).rows if row.parameters and row.tags.role == "head"
        )
    unsigned = _unsigned(loaded.spec)
    return InitialWeights(
        loaded.model, unsigned, loaded.classes, weights, loaded.spec.weights, drawn
    )


def _unsigned(spec: Architecture) -> Architecture:
    """The spec without a claim on whose weights they are, as training makes them its own."""
    return spec.model_copy(update={"weights": None})


def _source(target: Any) -> str:
    if isinstance(target, (str, Path)):
        return str(target)
    run = target.run if isinstance(target, TrainedModel) else target
    return str(getattr(run, "path", "a network in memory"))
