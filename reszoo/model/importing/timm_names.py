"""timm's names of a row's weights, such as `layer1.0.bn2` for `stage1_block1_norm2`.

timm has two layouts: `ResNet`, whose blocks end with their activation (torchvision's too), and
`ResNetV2`, whose blocks begin with it. The spec decides the layout and a row's tags its name;
nothing here knows a network by its name.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from reszoo.model.importing.spec_updates import is_preactivated
from reszoo.model.importing.weight_layout import no_counterpart, weight_names
from reszoo.planning.rows import Row
from reszoo.spec.architecture import Architecture

COUNTER_SUFFIX = "num_batches_tracked"  # of torch's step counters, which no network needs

_TORCH_NAMES: Mapping[str, str] = {
    "kernel": "weight",
    "bias": "bias",
    "gamma": "weight",
    "beta": "bias",
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
}
"""torch's names of Keras's weights."""

_AXES = {"conv": (2, 3, 1, 0), "conv1d": (2, 1, 0), "dense": (1, 0)}
"""By op: permutation of torch's kernel axes (output channels first) to Keras's."""

_ATTENTION = {"se_reduce": "se.fc1", "se_expand": "se.fc2", "eca_conv": "se.conv"}


def timm_tensor_names(row: Row, spec: Architecture) -> dict[str, str]:
    """Returns the names of a row's tensors in timm's state dict, by its Keras weights.

        >>> timm_tensor_names(plan(spec).row("stage1_block1_norm2"), spec)["moving_variance"]
        'layer1.0.bn2.running_var'

    Empty for a row without weights. A layer that timm's networks lack is refused.
    """
    if not row.parameters:
        return {}
    module = timm_module(row, spec)
    return {name: f"{module}.{_TORCH_NAMES[name]}" for name in weight_names(row)}


def timm_module(row: Row, spec: Architecture) -> str:
    """Returns timm's module with the weights of a row, such as `layer1.0.downsample.0`."""
    module = _resnetv2_module(row) if is_preactivated(spec) else _resnet_module(row, spec)
    if module is None or row.op == "scale":
        expected = "a plain or residual network in a layout of timm's"
        raise no_counterpart("timm", row, spec, expected)
    return module


def from_torch(row: Row, weight: str, tensor: np.ndarray) -> np.ndarray:
    """Transposes a torch tensor to the shape of the Keras weight.

    Kernels are (output, input, height, width) or (output, input); a dense layer's may be that of a
    1x1 convolution.
    """
    if weight != "kernel":
        return tensor
    if row.op == "dense" and tensor.shape[2:] == (1, 1):
        tensor = tensor[:, :, 0, 0]
    return tensor.transpose(_AXES[row.op])


def _resnet_module(row: Row, spec: Architecture) -> str | None:
    """Returns the module in `timm.models.resnet` and torchvision."""
    role, part, stage, number = row.tags
    if role == "stem":
        return _stem_module(part, spec)
    if role == "head":
        return "fc" if part == "logits" else None
    if stage is None or number is None:
        return None
    block = f"layer{stage}.{number - 1}"
    if role == "transform":
        return f"{block}.{part.replace('norm', 'bn')}"
    if role == "attention" and part in _ATTENTION:
        return f"{block}.{_ATTENTION[part]}"
    if role == "shortcut":
        # A shortcut that pools starts with the pool; in stage 1 its place is empty.
        pools = spec.stage_block(stage - 1).shortcut.kind == "average_projection"
        return f"{block}.downsample.{pools + (part != 'conv')}"
    return None


def _stem_module(part: str, spec: Architecture) -> str | None:
    """Returns the module of a stem.

    A deep stem is a sequence of convolution, norm and activation that ends with a convolution; the
    last norm follows the sequence.
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


def _resnetv2_module(row: Row) -> str | None:
    """Returns the module in `timm.models.resnetv2`."""
    role, part, stage, number = row.tags
    block = f"stages.{(stage or 0) - 1}.blocks.{(number or 0) - 1}"
    return {
        "stem": f"stem.{part}" if part.startswith(("conv", "norm")) else None,
        "preactivation": f"{block}.norm1",
        "transform": f"{block}.{part}",
        "shortcut": f"{block}.downsample.{part}",
        "final_norm": "norm",
        "head": "head.fc" if part == "logits" else None,
    }.get(role)
