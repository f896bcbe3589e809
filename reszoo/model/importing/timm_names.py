"""What does timm call the weights of a row? `layer1.0.bn2` for `stage1_block1_norm2`.

timm has two layouts, and torchvision has the first of them too: `ResNet`, whose blocks end with
their activation, and `ResNetV2`, whose blocks begin with it. Which of them a net has, its spec
says; what a row is, its tags say. So nothing here knows a network by name.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from reszoo.errors import UserError
from reszoo.planning.rows import Row
from reszoo.spec.architecture import Architecture

COUNTERS = "num_batches_tracked"
"""The end of the names of timm's counters of training steps, which no network needs."""

_TENSORS: Mapping[str, Mapping[str, str]] = {
    "conv": {"kernel": "weight", "bias": "bias"},
    "conv1d": {"kernel": "weight", "bias": "bias"},
    "dense": {"kernel": "weight", "bias": "bias"},
    "norm": {
        "gamma": "weight",
        "beta": "bias",
        "moving_mean": "running_mean",
        "moving_variance": "running_var",
    },
}
"""By op: what torch calls each of the Keras layer's weights."""

_AXES = {"conv": (2, 3, 1, 0), "conv1d": (2, 1, 0), "dense": (1, 0)}
"""By op: torch's axes of a kernel, output channels first, in the order of Keras's."""

_ATTENTION = {"se_reduce": "se.fc1", "se_expand": "se.fc2", "eca_conv": "se.conv"}


def timm_tensors(row: Row, spec: Architecture) -> dict[str, str]:
    """The names of a row's tensors in timm's state dict, by the names of the Keras weights.

        >>> timm_tensors(plan(spec).row("stage1_block1_norm2"), spec)["moving_variance"]
        'layer1.0.bn2.running_var'

    A row without weights has none.

    Raises:
      UserError: timm's networks have no such layer.
    """
    if not row.parameters:
        return {}
    names = dict(_TENSORS.get(row.op, {}))
    if row.op != "norm" and not row.attributes.get("bias"):
        names.pop("bias", None)
    module = timm_name(row, spec)
    return {ours: f"{module}.{theirs}" for ours, theirs in names.items()}


def timm_name(row: Row, spec: Architecture) -> str:
    """The module of timm's network that holds a row's weights, such as `layer1.0.downsample.0`.

    Raises:
      UserError: timm's networks have no such layer, as those of a gate.
    """
    preactivated = spec.stage_block(0).order == "full_pre"
    name = _preactivated_name(row) if preactivated else _name(row, spec)
    if name is None or row.op not in _TENSORS:
        raise UserError(
            f"timm has no counterpart of the layer '{row.name}'",
            where=spec.name,
            expected="a plain or residual network of the layouts that timm has",
            found=f"a layer that is the {row.tags.role.replace('_', ' ')}'s {row.tags.part}",
            hint="use the weights with the spec they belong to, such as resnet50",
        )
    return name


def from_torch(row: Row, weight: str, tensor: np.ndarray) -> np.ndarray:
    """A tensor of torch in the shape of the Keras layer's weight.

    Args:
      row: the layer.
      weight: the Keras weight's name, such as `kernel`.
      tensor: kernels as (output, input, height, width) and the like; a dense layer's may be that
        of a 1x1 convolution.
    """
    if weight != "kernel":
        return tensor
    if row.op == "dense" and tensor.shape[2:] == (1, 1):
        tensor = tensor[:, :, 0, 0]
    return tensor.transpose(_AXES[row.op])


def _name(row: Row, spec: Architecture) -> str | None:
    """In `timm.models.resnet`, and in torchvision."""
    role, part = row.tags.role, row.tags.part
    if role == "stem":
        return _stem_name(part, spec)
    if role == "head":
        return "fc" if part == "logits" else None
    if row.tags.stage is None or row.tags.block is None:
        return None
    block = f"layer{row.tags.stage}.{row.tags.block - 1}"
    if role == "transform":
        return f"{block}.{part.replace('norm', 'bn')}"
    if role == "attention" and part in _ATTENTION:
        return f"{block}.{_ATTENTION[part]}"
    if role == "shortcut":
        # a shortcut that pools begins with the pool, in stage 1 with nothing in its place
        kind = spec.stage_block(row.tags.stage - 1).shortcut.kind
        first = 1 if kind == "average_projection" else 0
        return f"{block}.downsample.{first if part == 'conv' else first + 1}"
    return None


def _stem_name(part: str, spec: Architecture) -> str | None:
    """A deep stem is a sequence of convolution, norm and activation that ends with a convolution;
    the last norm stands behind it.
    """
    if part in ("pool_conv", "pool_norm"):
        return "maxpool.0" if part == "pool_conv" else "maxpool.1"
    count = len(spec.stem.filters) if isinstance(spec.stem.filters, tuple) else 1
    kind = part.rstrip("0123456789")
    if kind not in ("conv", "norm"):
        return None
    number = int(part.removeprefix(kind) or count)
    if kind == "norm":
        return "bn1" if number == count else f"conv1.{3 * number - 2}"
    return "conv1" if count == 1 else f"conv1.{3 * number - 3}"


def _preactivated_name(row: Row) -> str | None:
    """In `timm.models.resnetv2`."""
    role, part = row.tags.role, row.tags.part
    if role == "final_norm":
        return "norm"
    if role == "stem":
        return f"stem.{part}" if part.startswith(("conv", "norm")) else None
    if role == "head":
        return "head.fc" if part == "logits" else None
    if row.tags.stage is None or row.tags.block is None:
        return None
    block = f"stages.{row.tags.stage - 1}.blocks.{row.tags.block - 1}"
    if role == "preactivation":
        return f"{block}.norm1"
    if role == "transform":
        return f"{block}.{part}"
    return f"{block}.downsample.{part}" if role == "shortcut" else None
