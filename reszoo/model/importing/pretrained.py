"""How do weights that others trained become a network of ours, with a spec that says so?"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import keras

from reszoo.model.build import build_canonical
from reszoo.model.importing import fetch
from reszoo.model.importing.accuracies import published_accuracy
from reszoo.model.importing.channels import fitting_input
from reszoo.model.importing.convert import Conversion
from reszoo.model.importing.keras_names import INPUT_SIZE, network_of
from reszoo.model.importing.layouts import Layout, OwnLayout, layout_of
from reszoo.model.importing.tensors import open_tensors
from reszoo.model.importing.timm_config import TimmConfig, read_config
from reszoo.model.importing.weight_source import WeightSource, parse_source
from reszoo.model.saving import read_description
from reszoo.planning.network import plan
from reszoo.spec import Architecture, fingerprint
from reszoo.spec.architecture import Weights

IMAGENET_CLASSES = 1000


@dataclass(frozen=True, slots=True)
class Pretrained:
    """A network with weights that came from elsewhere."""

    model: keras.Model
    spec: Architecture
    """As the weights need it; `spec.weights` says where they come from."""
    classes: tuple[str, ...] | None
    """The classes' names, where they are known."""


def load_pretrained(
    spec: Architecture, source: str, *, new_head: bool = False, seed: int | None = None
) -> Pretrained:
    """The network of a spec with weights from elsewhere, and the spec that these weights need.

        >>> loaded = load_pretrained(reszoo.load("resnet50"), "timm:resnet50.a1_in1k")
        >>> loaded.spec.weights.source
        'timm:resnet50.a1_in1k'

    What differs is converted exactly: the spec that comes back has the weights' strides, constants
    and pixel normalisation, and may so differ from the one given; the graph always reads RGB.
    Images of any size will do, and of 1 or 4 channels by the rule in
    `reszoo.model.importing.channels`.

    Args:
      spec: what to build, at the size and with the classes wanted.
      source: `keras:imagenet`, `timm:TAG`, or a .h5, .weights.h5, .keras or .safetensors file as
        keras.applications, timm, torchvision or reszoo name their weights. A config.json beside a
        .safetensors file is read if timm wrote it. Weights with the names of keras.applications
        are taken to read what its `preprocess_input` makes.
      new_head: draw a new classifier for the spec's classes and leave the weights' own aside.
      seed: of a new head.

    Returns:
      Canonical float32 layers, the spec, and the classes' names where they are known.

    Raises:
      UserError: there are no such weights, they are damaged, a pickle, or of another network; a
        tensor is missing, left over or misshapen; classes or channels do not agree.
      MachineError: a download failed, or a file cannot be read.
    """
    spec = fitting_input(spec)
    found = _found(parse_source(source), spec)
    with open_tensors(found.path) as tensors:
        layout = layout_of(found.path, tensors.shapes, found.config)
        changed = _signed(fitting_input(layout.adapted(spec)), spec, found)
        rows = plan(changed)
        told = found.config.architecture if found.config else None
        conversion = Conversion(changed, rows, layout, tensors, new_head, told)
        places = conversion.check()
        model = build_canonical(rows)
        conversion.fill(model, places, seed)
    return Pretrained(model, changed, None if new_head else _classes(found, layout, changed))


@dataclass(frozen=True, slots=True)
class _Found:
    """Weights on this machine."""

    source: WeightSource
    path: Path
    config: TimmConfig | None


def _found(source: WeightSource, spec: Architecture) -> _Found:
    if source.kind == "keras":
        return _Found(source, fetch.keras_weights(network_of(spec)), None)
    if source.kind == "timm":
        weights, config = fetch.timm_weights(source.name)
        return _Found(source, weights, read_config(config) if config else None)
    path = Path(source.name)
    beside = read_config(path.with_name("config.json")) if path.suffix == ".safetensors" else None
    return _Found(source, path, beside)


def _signed(changed: Architecture, asked: Architecture, found: _Found) -> Architecture:
    """The changed spec with the origin of its weights, and without claims that it has outgrown."""
    size = INPUT_SIZE if found.source.kind == "keras" else None
    if found.config is not None:
        size = found.config.input_size
    with found.path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    weights = Weights(
        source=found.source.text,
        file=found.path.name,
        sha256=digest,
        input_size=size,
        **published_accuracy(found.source.text),
    )
    update: dict[str, object] = {"weights": weights}
    if fingerprint(changed.model_copy(update={"input": asked.input})) != fingerprint(asked):
        update |= {"title": None, "source": None, "published": None}
    elif changed.published is not None:
        # the counts are still those of the network, the accuracy that of other weights
        update["published"] = changed.published.model_copy(update={"top1": None, "top5": None})
    return changed.model_copy(update=update)


def _classes(found: _Found, layout: Layout, spec: Architecture) -> tuple[str, ...] | None:
    """The names of the classes, if they are known and as many as the network has."""
    names = None
    if isinstance(layout, OwnLayout) and found.path.suffix == ".keras":
        names = read_description(found.path)[1]
    elif found.config is not None and found.config.classes is not None:
        names = found.config.classes
    elif found.source.kind == "keras" or found.source.name.endswith("_in1k"):
        names = fetch.imagenet_classes() if spec.classes == IMAGENET_CLASSES else None
    return names if names is not None and len(names) == spec.classes else None
