"""Whose names does a weights file have: timm's, keras.applications', or our own?"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Protocol

import numpy as np

from reszoo.errors import UserError
from reszoo.model.importing.changes import refuse_other_equation, with_block, with_epsilon
from reszoo.model.importing.channels import fitting_input
from reszoo.model.importing.keras_names import KerasLayout
from reszoo.model.importing.timm_config import TimmConfig
from reszoo.model.importing.timm_names import COUNTERS, from_torch, timm_tensors
from reszoo.model.saving import read_description
from reszoo.planning.network import plan
from reszoo.planning.rows import Row
from reszoo.spec.architecture import Architecture

EPSILON = 1e-5
_OWN_WEIGHTS = {
    "conv": ("kernel", "bias"),
    "conv1d": ("kernel", "bias"),
    "dense": ("kernel", "bias"),
    "norm": ("gamma", "beta", "moving_mean", "moving_variance"),
    "scale": ("factor",),
}


class Layout(Protocol):
    """Where a network's weights stand in a file, and what its spec must say for them."""

    title: str

    def adapted(self, spec: Architecture) -> Architecture:
        """The spec as the weights need it."""

    def tensors(self, row: Row, spec: Architecture) -> dict[str, str]:
        """The names of a row's tensors by the names of the Keras weights."""

    def folded(self, row: Row) -> str | None:
        """A bias that the file may have where the row has none."""

    def ignored(self, name: str) -> bool:
        """Whether no network needs the tensor."""

    def ours(self, row: Row, weight: str, values: np.ndarray, *, first: bool) -> np.ndarray:
        """The values as the row has them; `first` tells the convolution that reads the image."""


class TimmLayout:
    """The names of timm and torchvision; what is special stands in the weights' config.json."""

    title = "timm"

    def __init__(self, config: TimmConfig | None) -> None:
        self._config = config

    def adapted(self, spec: Architecture) -> Architecture:
        """The spec with timm's strides and constants, and the pixels these weights know."""
        refuse_other_equation(spec, self.title)
        pixels = spec.input if self._config is None else self._config.changed(spec.input)
        spec = with_epsilon(spec, EPSILON).model_copy(update={"input": pixels, "padding": "torch"})
        blocks = [spec.stage_block(index) for index in range(len(spec.stages))]
        if any(block.stride_at == "first" for block in blocks):
            return with_block(spec, stride_at="spatial")
        return spec

    def tensors(self, row: Row, spec: Architecture) -> dict[str, str]:
        """The names of a row's tensors by the names of the Keras weights."""
        return timm_tensors(row, spec)

    def folded(self, row: Row) -> str | None:
        """Torch's convolutions have a bias only where ours do."""
        return None

    def ignored(self, name: str) -> bool:
        """Whether no network needs the tensor."""
        return name.endswith(COUNTERS)

    def ours(self, row: Row, weight: str, values: np.ndarray, *, first: bool) -> np.ndarray:
        """From torch's order of axes."""
        return from_torch(row, weight, values)


class OwnLayout:
    """A network that reszoo saved: layers are rows, and the archive says what network it is."""

    title = "reszoo"

    def __init__(self, path: Path) -> None:
        self._path = path

    def adapted(self, spec: Architecture) -> Architecture:
        """The spec in the file, at the size that was asked for; the given one if there is none.

        Raises:
          UserError: the file is of another network.
        """
        saved = read_description(self._path)[0] if self._path.suffix == ".keras" else None
        if saved is None:
            return spec
        pixels = saved.input.model_copy(update={"shape": spec.input.shape})
        own = saved.model_copy(update={"input": pixels, "classes": spec.classes})
        own = fitting_input(own)
        if _layers(own) != _layers(spec):
            raise UserError(
                f"{self._path} is of another network",
                expected=f"weights of {spec.name}",
                found=f"weights of {saved.name}",
                hint=f"build {saved.name} with them",
            )
        return own

    def tensors(self, row: Row, spec: Architecture) -> dict[str, str]:
        """The names of a row's tensors by the names of the Keras weights."""
        if not row.parameters:
            return {}
        names = _OWN_WEIGHTS[row.op]
        biased = row.op == "norm" or row.attributes.get("bias")
        return {one: f"{row.name}/{one}" for one in names if biased or one != "bias"}

    def folded(self, row: Row) -> str | None:
        """What was saved from the same spec has the same biases."""
        return None

    def ignored(self, name: str) -> bool:
        """Whether no network needs the tensor."""
        return False

    def ours(self, row: Row, weight: str, values: np.ndarray, *, first: bool) -> np.ndarray:
        """As they are."""
        return values


def layout_of(path: Path, names: Collection[str], config: TimmConfig | None) -> Layout:
    """The layout of a file with these tensors.

    Raises:
      UserError: it is none that is known here.
    """
    if "conv1_conv/kernel" in names and "conv2_block1_1_conv/kernel" in names:
        return KerasLayout(preactivated="conv2_block1_preact_bn/gamma" in names)
    if any(name.startswith(("layer1.0.", "stages.0.blocks.0.")) for name in names):
        return TimmLayout(config)
    if any(name.startswith(("stage1_block1_", "head_logits/")) for name in names):
        return OwnLayout(path)
    raise UserError(
        f"{path} holds no network that is known here",
        expected="a residual net as keras.applications, timm, torchvision or reszoo name its parts",
        found=", ".join(sorted(names)[:4]) or "no weights at all",
    )


def _layers(spec: Architecture) -> list[tuple[str, str]]:
    return [(row.name, row.op) for row in plan(spec).rows if row.parameters]
