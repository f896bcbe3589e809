"""Weights and files as timm writes them, for the tests of importing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import keras
import numpy as np
from safetensors.numpy import save_file

from reszoo.model.importing.timm_names import timm_tensor_names
from reszoo.planning.network import plan
from reszoo.planning.rows import Row
from reszoo.spec import Architecture, load

SMALL = [
    "input.shape=[32,32,3]",
    "classes=5",
    "stages[*].depth=2",
    "stages[0].width=4",
    "stages[1].width=8",
    "stages[2].width=8",
    "stages[3].width=12",
]


def small(name: str, *overrides: str) -> Architecture:
    """A network of the zoo with two thin blocks a stage."""
    spec = load(name)
    deep = isinstance(spec.stem.filters, tuple)
    filters = "stem.filters=[4,4,8]" if deep else "stem.filters=8"
    return load(name, [*SMALL, filters, *overrides])


def randomise(model: keras.Model, seed: int = 0) -> None:
    """Weights that keep values in range, and statistics that matter."""
    random = np.random.default_rng(seed)
    for layer in model.layers:
        for weight in layer.weights:
            weight.assign(_values(random, weight.name, tuple(weight.shape)))


def _values(random: np.random.Generator, name: str, shape: tuple[int, ...]) -> np.ndarray:
    if name == "kernel":
        return random.normal(0, 1.0 / np.sqrt(max(np.prod(shape[:-1]), 1)), shape)
    if name in ("gamma", "moving_variance"):
        return random.uniform(0.5, 1.5, shape)
    return random.normal(0, 0.3, shape)


def images(*shape: int) -> np.ndarray:
    """Raw pixels in float32."""
    return np.random.default_rng(7).integers(0, 256, shape).astype("float32")


def logits(model: keras.Model, pixels: np.ndarray) -> np.ndarray:
    """The network's logits at inference."""
    return np.asarray(model(pixels, training=False))


def difference(ours: np.ndarray, theirs: np.ndarray) -> float:
    """The largest difference, relative to the largest value."""
    return float(np.abs(ours - theirs).max() / np.abs(theirs).max())


def torch_state(spec: Architecture, model: keras.Model) -> dict[str, np.ndarray]:
    """The model's weights as timm's state dict, with counters."""
    state: dict[str, np.ndarray] = {}
    for row in plan(spec).rows:
        names = timm_tensor_names(row, spec)
        if not names:
            continue
        weights = {one.name: np.asarray(one) for one in model.get_layer(row.name).weights}
        for ours, theirs in names.items():
            state[theirs] = np.ascontiguousarray(as_torch(row, ours, weights[ours]))
        if row.op == "norm":
            module = names["gamma"].rpartition(".")[0]
            state[f"{module}.num_batches_tracked"] = np.array(9, dtype=np.int64)
    return state


def as_torch(row: Row, weight: str, values: np.ndarray) -> np.ndarray:
    """(height, width, in, out) as (out, in, height, width), and the like."""
    if weight != "kernel":
        return values
    axes = {"conv": (3, 2, 0, 1), "conv1d": (2, 1, 0), "dense": (1, 0)}
    return values.transpose(axes[row.op])


def write_timm(folder: Path, state: dict[str, np.ndarray], **config: Any) -> Path:
    """Writes `model.safetensors`, with a config.json beside it if there are fields for it."""
    path = folder / "model.safetensors"
    save_file(state, path, metadata={"format": "pt"})
    if config:
        told = {"architecture": "resnet50", "num_classes": 5, "pretrained_cfg": config}
        (folder / "config.json").write_text(json.dumps(told))
    return path


PIXELS = {
    "input_size": [3, 160, 160],
    "interpolation": "bicubic",
    "crop_pct": 0.95,
    "mean": [0.485, 0.456, 0.406],
    "std": [0.229, 0.224, 0.225],
}
"""timm's fields of a config.json."""
