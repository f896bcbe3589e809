"""Initial weights: a training that starts from trained weights instead of fresh ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras

from reszoo import spec as specs
from reszoo.data import ImageData
from reszoo.data.dataset import numbered_classes
from reszoo.errors import UserError
from reszoo.inference.trained import Target, TrainedModel, load_trained
from reszoo.model.copy_weights import copy_weights
from reszoo.model.importing.pretrained import load_pretrained
from reszoo.planning.network import plan
from reszoo.runs import Run
from reszoo.spec.architecture import Architecture, Weights
from reszoo.training.fit_to_data import with_data_classes
from reszoo.training.options import InitialWeightsOptions


@dataclass(frozen=True, slots=True)
class InitialWeights:
    """A network whose weights a training starts from."""

    model: keras.Model
    spec: Architecture
    """The architecture to train: the network's, with the overrides."""
    classes: tuple[str, ...] | None
    """Class names in the order of the logits, if they are known."""
    source: str
    """Where the weights come from, for run.json."""
    origin: Weights | None = None
    """Where the source has its weights from, if its file says so."""
    fresh_layers: tuple[str, ...] = ()
    """Layers without weights of the source, because its classes differ."""

    def new_layers(self, data: ImageData) -> tuple[str, ...]:
        """Returns the layers that are trained anew: the last one, where the classes differ.

        Class names that are numbers agree with any names, as in evaluation.
        """
        if self.fresh_layers:
            return self.fresh_layers
        count = len(data.classes)
        numbered = data.classes == numbered_classes(count)
        same_names = numbered or self.classes in (None, tuple(data.classes))
        if count == self.model.output_shape[-1] and same_names:
            return ()
        return (last_layer(self.spec),)

    def copy_to(self, model: keras.Model, new_layers: Sequence[str]) -> None:
        """Copies the weights to `model`, except to its new layers."""
        copy_weights(self.model, model, skip=new_layers)

    def facts(self, new_layers: Sequence[str]) -> dict[str, Any]:
        """Returns what run.json records of the initial weights."""
        facts: dict[str, Any] = {"source": self.source, "new_layers": list(new_layers)}
        if self.origin is not None:
            facts["weights"] = {"source": self.origin.source, "sha256": self.origin.sha256}
        return facts


def require_fresh_weights(run: Run) -> None:
    """Refuses to resume without a checkpoint a run that started from trained weights."""
    if start := run.info.get("start"):
        raise UserError(
            f"{run.path} was stopped before the weights it starts from were saved",
            expected=f"a checkpoint with the weights of {start['source']}",
            found="no checkpoint",
            hint="train again with the command in run.json",
        )


def last_layer(spec: Architecture) -> str:
    """Returns the name of the layer with one output per class."""
    return next(row.name for row in plan(spec).rows if row.tags[:2] == ("head", "logits"))


def network_and_weights(
    spec: Architecture | str | Path | None, options: InitialWeightsOptions, overrides: Sequence[str]
) -> tuple[Architecture, InitialWeights | None]:
    """Returns the architecture to train, and the trained network that brought it, if any."""
    if options.start is not None:
        if spec is not None or options.weights is not None:
            raise UserError(
                "a trained network brings its own architecture and weights",
                expected="--from, or a network's name (optionally with --weights)",
                found="both",
                hint="leave out the others; --set changes fields that keep the weights' shapes",
            )
        initial_weights = trained_weights(options.start, overrides)
        return initial_weights.spec, initial_weights
    if spec is None:
        raise UserError(
            "there is no network to train",
            expected="a name such as resnet20, a YAML file, or --from a trained network",
            hint="`reszoo list` shows the names",
        )
    if isinstance(spec, Architecture):
        return specs.override(spec, overrides), None
    return specs.load(spec, overrides), None


def trained_weights(target: Target, overrides: Sequence[str] = ()) -> InitialWeights:
    """Returns the initial weights of a saved network, which brings its architecture.

    Raises:
      UserError: there is no such network, it is damaged, or its architecture is unknown.
    """
    trained = load_trained(target)
    if trained.spec is None:
        raise UserError(
            f"{_source(target)} has no spec, and cannot be trained further",
            expected="a run, or a .keras file that `reszoo train`, `build` or `deepen` wrote",
            found="a Keras model without a spec",
            hint="name its spec: `reszoo train SPEC --weights FILE`",
        )
    spec = specs.override(trained.spec, overrides) if overrides else trained.spec
    return InitialWeights(
        trained.model, _without_source(spec), trained.classes, _source(target), spec.weights
    )


def pretrained_weights(
    spec: Architecture, weights: str, data: ImageData, *, classes: int | None = None
) -> InitialWeights:
    """Returns the initial weights of a published file; see `reszoo.load_pretrained`.

    The published head is kept where its classes are the data's; otherwise the head is new.
    """
    spec = with_data_classes(spec, data, classes)
    fresh_layers: tuple[str, ...] = ()
    try:
        loaded = load_pretrained(spec, weights)
    except UserError:
        # Perhaps its classes differ. Any other error is raised again, without the head in its way.
        loaded = load_pretrained(spec, weights, new_head=True)
        fresh_layers = tuple(
            row.name for row in plan(loaded.spec).rows if row.parameters and row.tags.role == "head"
        )
    without_source = _without_source(loaded.spec)
    return InitialWeights(
        loaded.model, without_source, loaded.classes, weights, loaded.spec.weights, fresh_layers
    )


def _without_source(spec: Architecture) -> Architecture:
    """Returns the spec without its `weights`: training changes them."""
    return spec.model_copy(update={"weights": None})


def _source(target: Any) -> str:
    if isinstance(target, (str, Path)):
        return str(target)
    run = target.run if isinstance(target, TrainedModel) else target
    return str(getattr(run, "path", "a network in memory"))
