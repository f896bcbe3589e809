"""Detection of a file's weight layout: timm's, keras.applications', or reszoo's own."""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path

import numpy as np

from reszoo.errors import UserError
from reszoo.model.importing.channels import adapt_input
from reszoo.model.importing.keras_graph import GraphLayout
from reszoo.model.importing.keras_names import KerasLayout
from reszoo.model.importing.named_network import unweighted_ops
from reszoo.model.importing.spec_updates import require_residual_blocks, with_block, with_epsilon
from reszoo.model.importing.timm_config import TimmConfig
from reszoo.model.importing.timm_names import COUNTER_SUFFIX, from_torch, timm_tensor_names
from reszoo.model.importing.weight_layout import WeightLayout, weight_names
from reszoo.model.importing.weights_file import WeightsFile
from reszoo.model.saving import read_description
from reszoo.planning.network import plan
from reszoo.planning.rows import Row
from reszoo.spec.architecture import Architecture

_TIMM_BLOCKS = ("layer1.0.", "stages.0.blocks.0.")
_OWN_LAYERS = ("stage1_block1_", "head_logits/")
_FIRST_BLOCK = re.compile(
    "|".join(map(re.escape, ("conv2_block1_1_conv/", *_TIMM_BLOCKS, *_OWN_LAYERS)))
)
_OTHER_LIBRARIES = (
    ("transformers", re.compile(r"(resnet\.)?(embedder|encoder)\.|vit\.")),
    ("OpenMMLab (mmpretrain, mmdetection)", re.compile(r"backbone\.layer1\.")),
    ("detectron2", re.compile(r"(backbone\.)?(bottom_up\.)?(res2\.0\.|stem\.conv1\.)")),
    ("CLIP", re.compile(r"visual\.")),
    ("fastai", re.compile(r"0\.(0|4\.0\.conv1)\.")),
    ("keras_hub", re.compile(r"stack0_block0_")),
)
"""Libraries by the names of their weights; the first that fits is named."""


class TimmLayout(WeightLayout):
    """The names of timm and torchvision. The config.json beside the weights describes the input."""

    title = "timm"

    def __init__(self, config: TimmConfig | None) -> None:
        self._config = config

    def adapt_spec(self, spec: Architecture) -> Architecture:
        """Returns the spec with timm's strides and constants, and the input of these weights."""
        require_residual_blocks(spec, self.title)
        pixels = spec.input if self._config is None else self._config.update_input(spec.input)
        spec = with_epsilon(spec, 1e-5).model_copy(update={"input": pixels, "padding": "torch"})
        blocks = (spec.stage_block(index) for index in range(len(spec.stages)))
        strides_first = any(block.stride_at == "first" for block in blocks)
        return with_block(spec, stride_at="spatial") if strides_first else spec

    def tensor_names(self, row: Row, spec: Architecture) -> dict[str, str]:
        return timm_tensor_names(row, spec)

    def is_ignored(self, tensor: str) -> bool:
        return tensor.endswith(COUNTER_SUFFIX)

    def to_keras(self, row: Row, weight: str, values: np.ndarray, *, is_first: bool) -> np.ndarray:
        """Transposes torch's axes to Keras's."""
        return from_torch(row, weight, values)


class OwnLayout(WeightLayout):
    """A network that reszoo saved: layers are named after rows, and .keras files hold the spec."""

    title = "reszoo"

    def __init__(self, path: Path) -> None:
        self._path = path

    def adapt_spec(self, spec: Architecture) -> Architecture:
        """Returns the spec in the file at the requested image size, or `spec` if there is none.

        Raises:
          UserError: the file holds another network.
        """
        saved = read_description(self._path)[0] if self._path.suffix == ".keras" else None
        if saved is None:
            return spec
        pixels = saved.input.model_copy(update={"shape": spec.input.shape})
        adapted = saved.model_copy(update={"input": pixels, "classes": spec.classes})
        adapted = adapt_input(adapted)
        if _layers(adapted) != _layers(spec):
            raise UserError(
                f"{self._path} holds weights of another network",
                expected=f"weights of {spec.name}",
                found=f"weights of {saved.name}",
                hint=f"build {saved.name} with them",
            )
        return adapted

    def tensor_names(self, row: Row, spec: Architecture) -> dict[str, str]:
        return {name: f"{row.name}/{name}" for name in weight_names(row)}


def common_prefix(tensors: Collection[str]) -> str:
    """Returns the prefix that all names share, such as DataParallel's `module.`, or ""."""
    match = next(filter(None, map(_FIRST_BLOCK.search, tensors)), None)
    prefix = match.string[: match.start()] if match else ""
    is_common = prefix.endswith((".", "/")) and all(name.startswith(prefix) for name in tensors)
    return prefix if is_common else ""


def detect_layout(path: Path, file: WeightsFile, config: TimmConfig | None) -> WeightLayout:
    """Returns the layout of a file by the names of its tensors; an unknown one is refused."""
    tensors = file.shapes
    if "conv1_conv/kernel" in tensors and "conv2_block1_1_conv/kernel" in tensors:
        return KerasLayout(preactivated="conv2_block1_preact_bn/gamma" in tensors)
    if any(name.startswith(_TIMM_BLOCKS) for name in tensors):
        return TimmLayout(config)
    if any(name.startswith(_OWN_LAYERS) for name in tensors):
        return OwnLayout(path)
    if file.model_config is not None:
        return GraphLayout(path, file.model_config)
    library = next(
        (title for title, names in _OTHER_LIBRARIES if any(map(names.match, tensors))), None
    )
    raise UserError(
        f"{path} has the layer names of {library}, which are not supported"
        if library
        else f"{path} holds no known network",
        expected="a residual net with the layer names of keras.applications, timm, torchvision or "
        "reszoo",
        found=", ".join(sorted(tensors)[:4]) or "no weights at all",
        hint="use timm's weights of the network, such as --weights timm:resnet50.a1_in1k, or "
        "rename the tensors to timm's names (conv1.weight, layer1.0.conv1.weight, fc.weight)",
    )


def _layers(spec: Architecture) -> tuple[list[tuple[str, str]], set[tuple[str, str, str]]]:
    rows = plan(spec)
    return [(row.name, row.op) for row in rows.rows if row.parameters], unweighted_ops(rows)
