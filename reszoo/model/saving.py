"""Saved networks: one .keras file of canonical float32 layers.

Keras ignores what `reszoo.model.keras_archive` adds: a plain, residual or highway net opens with
`keras.models.load_model` where reszoo is not installed. Keras 3.15 imports only its own modules to
find a layer's class, so nets with reszoo's layers open with `reszoo.load_model`, or with Keras if
`import keras` came before `import reszoo`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import keras

from reszoo.atomic_files import atomic_file
from reszoo.errors import UserError
from reszoo.gc_pause import pause_gc
from reszoo.model.build import build_canonical, deep_recursion
from reszoo.model.code_refusal import refuse_code
from reszoo.model.copy_weights import copy_weights
from reszoo.model.keras_archive import read_members, readable_error, write_archive
from reszoo.model.keras_config import serialized_objects
from reszoo.model.layer_factories import DEVICE_LAYERS
from reszoo.model.quantized_model import is_fake_quantized
from reszoo.planning import Plan
from reszoo.planning.fake_quantize import fake_quantize
from reszoo.planning.network import plan
from reszoo.spec import Architecture


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A network from a file, with its spec and class names."""

    model: keras.Model
    spec: Architecture | None
    """None if the file was not written by `save_model`."""
    classes: tuple[str, ...] | None


def save_model(
    model: keras.Model,
    path: Path | str,
    *,
    spec: Architecture,
    classes: Sequence[str] | None = None,
) -> None:
    """Writes the network atomically, always as canonical layers in float32.

    Equal networks give equal bytes: the file has no date.

    A model that was compiled, or built for a device or in lower precision, is rebuilt from the spec
    and receives the weights by layer name; `model` itself is not changed. The file has no optimizer
    state.

    Args:
      model: built from `spec`, with or without its head.
      path: a path that ends in .keras.
      spec: the model's architecture, saved in the file.
      classes: class names in the order of the logits, saved in the file. Defaults to none.

    Raises:
      UserError: the path does not end in .keras, or the model was not built from `spec`.
      MachineError: the disk is full, or the folder is not writable.
    """
    path = _check_suffix(path)
    network = model
    if not _is_canonical(model):
        network = build_canonical(_plan_of(model, spec))
        copy_weights(model, network)
    with atomic_file(path) as temporary, pause_gc():
        raw = temporary.with_suffix(".raw.keras")
        keras.saving.save_model(network, raw)
        write_archive(raw, temporary, spec, classes)


def load_model(path: Path | str) -> LoadedModel:
    """Loads the network in a .keras file, not compiled. Code in the file is never run.

    Deep networks load too: Python's recursion limit is raised while Keras loads them.

    Raises:
      UserError: the file is missing, not a .keras file, truncated or damaged, contains Python code,
        or needs a layer that is not registered.
      MachineError: the file is not readable, or there is no space to unpack it.
    """
    path = _check_suffix(path)
    config, spec, classes = read_members(path)
    refuse_code(config, path)
    try:
        with pause_gc(), deep_recursion(len(list(serialized_objects(config)))):
            model = keras.saving.load_model(path, compile=False, safe_mode=True)
    except Exception as error:
        raise readable_error(error, path) from error
    if spec is not None:
        model.reszoo_plan = _plan_of(model, spec)
    return LoadedModel(model, spec, classes)


def read_description(path: Path | str) -> tuple[Architecture | None, tuple[str, ...] | None]:
    """Returns the spec and the class names in a .keras file, without loading the network."""
    return read_members(_check_suffix(path))[1:]


def _check_suffix(path: Path | str) -> Path:
    path = Path(path)
    if path.suffix != ".keras":
        raise UserError(
            f"{path} is not the name of a Keras model",
            expected="a name that ends in .keras",
            found=path.name,
            hint=f"write {path.with_suffix('.keras')}",
        )
    return path


def _is_canonical(model: keras.Model) -> bool:
    return not model.compiled and all(
        layer.dtype_policy.name == "float32" and not isinstance(layer, DEVICE_LAYERS)
        for layer in model.layers
    )


def _plan_of(model: keras.Model, spec: Architecture) -> Plan:
    """Returns the canonical plan of a model of that spec, with or without its head.

    For a fake-quantized model it is the fake-quantized plan.
    """
    rows = plan(spec)
    has_head = any(layer.name == rows.outputs[0].row for layer in model.layers)
    rows = rows if has_head else plan(spec, head=False)
    return fake_quantize(rows) if is_fake_quantized(model) else rows
