"""Networks built with pretrained weights, and the spec that these weights need."""

from __future__ import annotations

import hashlib
import warnings
from dataclasses import dataclass
from pathlib import Path

import keras

from reszoo.model.build import build_canonical
from reszoo.model.importing import fetch
from reszoo.model.importing.accuracies import published_accuracy
from reszoo.model.importing.channels import adapt_input
from reszoo.model.importing.convert import Conversion
from reszoo.model.importing.keras_names import INPUT_SIZE, applications_network
from reszoo.model.importing.layouts import (
    OwnLayout,
    TimmLayout,
    common_prefix,
    detect_layout,
)
from reszoo.model.importing.named_network import require_network
from reszoo.model.importing.timm_config import TimmConfig, read_timm_config
from reszoo.model.importing.weight_layout import WeightLayout
from reszoo.model.importing.weights_file import open_weights_file
from reszoo.model.saving import read_description
from reszoo.planning.network import plan
from reszoo.spec import Architecture, fingerprint
from reszoo.spec.architecture import Weights
from reszoo.weight_source import WeightSource, parse_weight_source


@dataclass(frozen=True, slots=True)
class Pretrained:
    """A network with pretrained weights."""

    model: keras.Model
    spec: Architecture
    """As the weights need it; `spec.weights` records their origin."""
    classes: tuple[str, ...] | None
    """Class names, if known."""


def load_pretrained(
    spec: Architecture, source: str, *, new_head: bool = False, seed: int | None = None
) -> Pretrained:
    """Builds a network with pretrained weights, and returns it with the spec that they need.

        >>> loaded = load_pretrained(reszoo.load("resnet50"), "timm:resnet50.a1_in1k")
        >>> loaded.spec.weights.source
        'timm:resnet50.a1_in1k'

    Differences are converted exactly: the returned spec has the strides, constants and pixel
    normalisation of the weights and may differ from `spec`; the model always reads RGB. Images may
    have any size, and 1, 3 or 4 channels: see `reszoo.model.importing.channels`.

    Args:
      spec: the network to build, with the image size and classes to build it for.
      source: `keras:imagenet`, `timm:TAG`, or a .h5, .weights.h5, .keras or .safetensors file with
        the layer names of keras.applications, timm, torchvision or reszoo, or a .h5 file of a
        whole Keras model with any names, which is matched by its graph. A config.json beside a
        .safetensors file is read if timm wrote it; without one, mean and std are the spec's, and a
        UserWarning says so. Weights with the names of keras.applications are assumed to need the
        input that its `preprocess_input` returns.
      new_head: initialise a new classifier for the spec's classes and ignore that of the weights.
      seed: seed of a new head. Defaults to a random one.

    Returns:
      The model in canonical float32 layers, its spec, and the class names if known.

    Raises:
      UserError: the weights do not exist, are damaged, a pickle, or of another network; tensors are
        missing, left over or misshapen; classes or channels do not match. The network that a
        config.json, the metadata or the tag names must compute the same as `spec`.
      MachineError: a download failed, or a file cannot be read.
    """
    spec = adapt_input(spec)
    local = _locate(parse_weight_source(source), spec)
    with open_weights_file(local.path) as file:
        file = file.without_prefix(common_prefix(file.shapes))
        layout = detect_layout(local.path, file, local.config)
        adapted = _record_origin(adapt_input(layout.adapt_spec(spec)), spec, local)
        if isinstance(layout, TimmLayout) and local.config is None:
            _note_unknown_pixels(local.path, adapted)
        rows = plan(adapted)
        architecture = (local.config and local.config.architecture) or file.architecture
        if architecture is None and local.source.kind == "timm":
            architecture = local.source.name.partition(".")[0]
        if architecture is not None:
            require_network(rows, layout, architecture, local.path)
        conversion = Conversion(adapted, rows, layout, file, new_head, architecture)
        mappings = conversion.map_weights()
        model = build_canonical(rows)
        conversion.assign(model, mappings, seed)
    return Pretrained(model, adapted, None if new_head else _class_names(local, layout, adapted))


@dataclass(frozen=True, slots=True)
class _LocalWeights:
    """A weights file on this machine."""

    source: WeightSource
    path: Path
    config: TimmConfig | None


def _locate(source: WeightSource, spec: Architecture) -> _LocalWeights:
    """Downloads the weights if necessary."""
    config: Path | None = None
    if source.kind == "keras":
        path = fetch.keras_weights(applications_network(spec))
    elif source.kind == "timm":
        path, config = fetch.timm_weights(source.name)
    else:
        path = Path(source.name)
        config = path.with_name("config.json") if path.suffix == ".safetensors" else None
    return _LocalWeights(source, path, read_timm_config(config) if config else None)


def _record_origin(
    adapted: Architecture, requested: Architecture, local: _LocalWeights
) -> Architecture:
    """Returns the adapted spec with the origin of its weights, without claims no longer true."""
    keras_size = INPUT_SIZE if local.source.kind == "keras" else None
    size = local.config.input_size if local.config else keras_size
    with local.path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    text, name = local.source.text, local.path.name
    accuracy = published_accuracy(text)
    weights = Weights(source=text, file=name, sha256=digest, input_size=size, **accuracy)
    update: dict[str, object] = {"weights": weights}
    if fingerprint(adapted.model_copy(update={"input": requested.input})) != fingerprint(requested):
        update |= {"title": None, "source": None, "published": None}
    elif adapted.published is not None:
        # The counts still hold for the network, but the accuracy is that of other weights.
        update["published"] = adapted.published.model_copy(update={"top1": None, "top5": None})
    return adapted.model_copy(update=update)


def _note_unknown_pixels(path: Path, spec: Architecture) -> None:
    """Notes that a bare file of timm or torchvision does not say which pixels it was made for."""
    mean, std = spec.input.mean, spec.input.std
    warnings.warn(
        f"{path} does not say how pixels were normalised in its training: mean {_numbers(mean)} "
        f"and std {_numbers(std)} of {spec.name} are used; put timm's config.json beside the file, "
        "or change them with --set input.mean=... and --set input.std=...",
        stacklevel=2,
    )


def _numbers(values: object) -> str:
    return ", ".join(f"{value:g}" for value in values) if isinstance(values, tuple) else f"{values}"


def _class_names(
    local: _LocalWeights, layout: WeightLayout, spec: Architecture
) -> tuple[str, ...] | None:
    """Returns the class names if they are known and as many as the network has classes."""
    names = None
    if isinstance(layout, OwnLayout) and local.path.suffix == ".keras":
        names = read_description(local.path)[1]
    elif local.config is not None and local.config.classes is not None:
        names = local.config.classes
    elif local.source.kind == "keras" or local.source.name.endswith("_in1k"):
        names = fetch.imagenet_classes() if spec.classes == 1000 else None
    return names if names is not None and len(names) == spec.classes else None
